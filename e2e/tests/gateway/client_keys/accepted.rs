//! A key is found wherever a client puts it, and goes no further.

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    client_keys::{KeyFolder, demand_keys, make_key, start, start_with},
    config::{ANTHROPIC_KEY, OPENAI_KEY},
    gateway::Gateway,
    stand::Stand,
};
use anyray_fakes::Recorded;
use serde_json::json;
use tempfile::TempDir;

use super::{start_with_key, with_key};

/// Headers in which providers take a credential.
const CREDENTIALS: [&str; 4] = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// Every way in which clients send a key.
fn spellings(key: &str) -> Vec<Vec<(&'static str, String)>> {
    let bearer = format!("Bearer {key}");
    let signature = format!(
        "AWS4-HMAC-SHA256 Credential={key}/20261124/us-east-1/bedrock/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature=0123456789abcdef"
    );
    vec![
        vec![("authorization", bearer.clone())],
        vec![("authorization", format!("bearer {key}"))],
        vec![("x-api-key", key.to_owned())],
        vec![("api-key", key.to_owned())],
        vec![("x-goog-api-key", key.to_owned())],
        vec![("x-anyray-api-key", key.to_owned())],
        vec![("authorization", signature)],
        // A key helper of Claude Code sends both.
        vec![
            ("authorization", bearer.clone()),
            ("x-api-key", key.to_owned()),
        ],
        vec![
            ("authorization", "Bearer anyray-placeholder".to_owned()),
            ("x-anyray-api-key", key.to_owned()),
        ],
        vec![
            ("authorization", bearer),
            ("x-api-key", "sk-of-the-caller".to_owned()),
        ],
    ]
}

/// The provider got its own key and nothing that the caller sent as a credential.
fn check_credentials(dialect: Dialect, request: &Recorded, key: &str) -> Result<()> {
    let expected = match dialect {
        Dialect::Messages => ("x-api-key", ANTHROPIC_KEY.to_owned()),
        Dialect::Chat | Dialect::Responses => ("authorization", format!("Bearer {OPENAI_KEY}")),
    };
    let mut found = Vec::new();
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value);
        let is_leak = value.contains(key) || value.contains("of-the-caller");
        ensure!(!is_leak, "{name} upstream has a credential of the caller");
        ensure!(!name.starts_with("x-anyray-"), "{name} went upstream");
        if CREDENTIALS.contains(&name.as_str()) {
            found.push((name.as_str(), value.into_owned()));
        }
    }
    ensure!(found == [expected], "credentials upstream");
    let path = &request.path_and_query;
    ensure!(!path.contains(key), "the URL upstream has the key");
    let body = String::from_utf8_lossy(&request.body);
    ensure!(!body.contains(key), "the body upstream has the key");
    Ok(())
}

async fn check_served(stand: &Stand, dialect: Dialect, request: &Request, key: &str) -> Result<()> {
    let answer = stand.send(request).await?;
    ensure!(
        answer.status() == 200,
        "{}: {}",
        answer.status(),
        answer.text()
    );
    check_credentials(dialect, &stand.take_request()?, key)
}

#[tokio::test]
async fn a_key_in_any_header_is_accepted_and_goes_no_further() -> Result<()> {
    let (_folder, stand, key) = start_with_key(&json!({})).await?;
    for dialect in Dialect::ALL {
        for headers in spellings(&key.secret) {
            let request = headers
                .iter()
                .fold(dialect.request("m"), |request, (name, value)| {
                    request.header(name, value)
                });
            check_served(&stand, dialect, &request, &key.secret).await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn where_keys_are_optional_strangers_are_served_and_wrong_keys_refused() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start_with(&folder, |config| {
        config.with("auth", json!({"clientKeys": "Optional"}))
    })
    .await?;
    let key = make_key(&stand.gateway, &json!({"user": "ada"})).await?;
    let other_folder = KeyFolder::new()?;
    let other = start(&other_folder).await?;
    let stranger = make_key(&other.gateway, &json!({"user": "eve"})).await?;
    for dialect in Dialect::ALL {
        check_served(&stand, dialect, &dialect.request("m"), &key.secret).await?;
        let request = with_key(dialect.request("m"), &key);
        check_served(&stand, dialect, &request, &key.secret).await?;
        let request = with_key(dialect.request("m"), &stranger);
        let answer = stand.send(&request).await?;
        dialect.check_refusal(&answer, 401, "client_key_unknown")?;
    }
    ensure!(
        stand.fake.requests().is_empty(),
        "a refused request went upstream"
    );
    Ok(())
}

#[tokio::test]
async fn without_a_store_and_with_optional_keys_a_key_counts_for_nothing() -> Result<()> {
    let folder = KeyFolder::new()?;
    let other = start(&folder).await?;
    let key = make_key(&other.gateway, &json!({"user": "ada"})).await?;
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        let request = with_key(dialect.request("m"), &key);
        check_served(&stand, dialect, &request, &key.secret).await?;
        let malformed = dialect.request("m").header("x-api-key", "ark_malformed");
        check_served(&stand, dialect, &malformed, "ark_malformed").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_demands_keys_does_not_start_without_a_store_of_them() -> Result<()> {
    let directory = TempDir::new()?;
    let config = anyray_e2e::config::Config::for_provider("https://provider.test");
    demand_keys(config).write(directory.path())?;
    let output = Gateway::run_to_end(directory.path()).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    ensure!(said.contains("auth.clientKeys"), "{said}");
    ensure!(said.contains("--client-keys-dir"), "{said}");
    Ok(())
}
