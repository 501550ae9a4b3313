//! Client keys: who is let in, who is told what, and what a key may do.
//!
//! How a key comes about is in `redeem`, what real clients make of a refusal in
//! `clients/refused_keys.rs`.

mod accepted;
mod changes;
mod identity;
mod limits;
mod models;
mod refused;

use std::time::Duration;

use anyhow::Result;
use anyray_e2e::{
    call::{Dialect, Request},
    client_keys::{ClientKey, KeyFolder, make_key, start},
    gateway::Gateway,
    stand::{Stand, send},
    wait,
};
use serde_json::{Value, json};

/// How long a change in the folder may take to count in every process.
const CHANGE_LIMIT: Duration = Duration::from_secs(5);

/// A gateway with one key that may do what `permissions` say.
async fn start_with_key(permissions: &Value) -> Result<(KeyFolder, Stand, ClientKey)> {
    let folder = KeyFolder::new()?;
    let stand = start(&folder).await?;
    let key = make_key(&stand.gateway, &holder(permissions)).await?;
    Ok((folder, stand, key))
}

/// The fields of a new key.
fn holder(permissions: &Value) -> Value {
    json!({"user": "ada@example.test", "team": "research", "permissions": permissions})
}

/// The request with the key in its usual place.
fn with_key(request: Request, key: &ClientKey) -> Request {
    request.header("authorization", &format!("Bearer {}", key.secret))
}

/// Waits until the gateway answers a key's requests in this way: with a code, or with `ok`.
async fn wait_for_outcome(gateway: &Gateway, key: &ClientKey, expected: &str) -> Result<()> {
    let request = with_key(Dialect::Chat.request("m"), key);
    let look = async || {
        let answer = send(gateway, &request).await.ok()?;
        let is_there = match answer.status() {
            200 => expected == "ok",
            _ => Dialect::Chat.read_code(&answer).ok()? == expected,
        };
        is_there.then_some(())
    };
    wait::until(&format!("{expected} for a key"), CHANGE_LIMIT, look).await
}
