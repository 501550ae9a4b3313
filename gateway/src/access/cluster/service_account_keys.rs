//! The cluster that signs tokens of `ServiceAccount`s: its name and its keys, kept fresh.
//!
//! Every `ServiceAccount` may read both: Kubernetes binds the role
//! `system:service-account-issuer-discovery` to all of them.

use std::time::Duration;

use http::Request;
use kube::Client;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use super::GatewayName;
use crate::{
    access::issuer::{Accounts, Known},
    inbound::service_account::{Expected, Keys},
};

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// How often the keys are read again without a reason.
const REFRESH: Duration = Duration::from_secs(600);

/// Shortest time between two reads, whatever tokens come: those of subscriptions name unknown keys,
/// too.
const PAUSE: Duration = Duration::from_secs(60);

/// Time between two tries to read at all.
const RETRY: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

/// Begins to follow the cluster's keys.
pub fn follow(client: Client, gateway: &GatewayName) -> Accounts {
    let accounts = Accounts::default();
    let audience = format!("anyray.ai/{}/{}", gateway.namespace, gateway.name);
    tokio::spawn(refresh(client, audience, accounts.clone()));
    accounts
}

async fn refresh(client: Client, audience: String, accounts: Accounts) {
    loop {
        match read(&client, &audience).await {
            Ok(known) => {
                accounts.learn(known);
                sleep(PAUSE).await;
                let _ = timeout(REFRESH, accounts.wanted()).await;
            }
            Err(why) => {
                tracing::warn!("cannot read the keys of ServiceAccount tokens: {why}");
                sleep(RETRY).await;
            }
        }
    }
}

async fn read(client: &Client, audience: &str) -> Result<Known, String> {
    let discovery = get(client, "/.well-known/openid-configuration").await?;
    let discovery: Discovery =
        serde_json::from_str(&discovery).map_err(|error| error.to_string())?;
    let keys = get(client, "/openid/v1/jwks").await?;
    Ok(Known {
        expected: Expected {
            issuer: discovery.issuer,
            audience: audience.to_owned(),
        },
        keys: Keys::from_json(keys.as_bytes()).map_err(|error| error.to_string())?,
    })
}

async fn get(client: &Client, path: &str) -> Result<String, String> {
    let request = Request::get(path)
        .body(Vec::new())
        .map_err(|error| error.to_string())?;
    match timeout(CALL_LIMIT, client.request_text(request)).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}
