//! A gateway in front of a gateway: what a key of `anyray-upstream` leads to, and what it must
//! not lead to.

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::Dialect,
    client_keys::{self, KeyFolder, make_key},
    config::Config,
    difference::{Added, find_added},
    gateway::Gateway,
    stand::{Stand, send, start_gateway},
};
use serde_json::json;

const ACCEPTED: &str = "config_reloads_total{result=\"accepted\"}";

/// A gateway that sends everything on to the one at this URL, with this credential.
fn front_of(url: &str, credential: &str) -> Config {
    let key = "anyray-upstream";
    let endpoint = json!({"url": url, "allowInsecure": true});
    Config::default()
        .with_key(key, "apiKey", &endpoint)
        .with_file(&format!("keys/{key}"), credential)
        .with(
            "routing",
            json!({"models": [{"match": "*", "providerKey": key}]}),
        )
}

fn url_of(gateway: &Gateway) -> String {
    format!("http://{}", gateway.address())
}

async fn start_front(behind: &Stand, credential: &str) -> Result<Gateway> {
    start_gateway(&front_of(&url_of(&behind.gateway), credential), &[]).await
}

#[tokio::test]
async fn every_dialect_passes_two_gateways_unchanged_by_a_client_key_of_the_second() -> Result<()> {
    let folder = KeyFolder::new()?;
    let behind = client_keys::start(&folder).await?;
    let key = make_key(&behind.gateway, &json!({"user": "front@example.test"})).await?;
    let front = start_front(&behind, &key.secret).await?;
    for dialect in Dialect::ALL {
        for request in [dialect.request("m"), dialect.stream("m")] {
            let answer = send(&front, &request).await?;
            ensure!(answer.status() == 200, "{dialect:?}: {}", answer.text());
            let got = behind.take_request()?;
            let added = find_added(&got.sent, &answer.body)?;
            ensure!(added == Added::default(), "{dialect:?}: {added:?}");
            ensure!(got.body == request.body_bytes(), "{dialect:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_of_the_gateway_behind_reaches_the_caller_as_it_is() -> Result<()> {
    let folder = KeyFolder::new()?;
    let behind = client_keys::start(&folder).await?;
    let front = start_front(&behind, "no-key-of-the-gateway-behind").await?;
    for dialect in Dialect::ALL {
        let answer = send(&front, &dialect.request("m")).await?;
        dialect.check_refusal(&answer, 401, "client_key_missing")?;
    }
    Ok(())
}

#[tokio::test]
async fn a_circle_of_gateways_is_noticed() -> Result<()> {
    let credential = "a-key-of-a-circle";
    let first = start_gateway(&front_of("http://127.0.0.1:9", credential), &[]).await?;
    let second = start_gateway(&front_of(&url_of(&first), credential), &[]).await?;
    front_of(&url_of(&second), credential).write(first.config_dir())?;
    first.ops().wait_for_metric(ACCEPTED, 1).await?;
    for gateway in [&first, &second] {
        for dialect in Dialect::ALL {
            let answer = send(gateway, &dialect.request("m")).await?;
            dialect.check_refusal(&answer, 508, "loop_detected")?;
        }
    }
    Ok(())
}
