//! From an invite to a client key: by the admin API and `/connect/redeem`, once, whatever fails.

mod admin;
mod answers;
mod races;

use std::time::Duration;

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::Dialect,
    client_keys::{ClientKey, ask_admin, make_key},
    gateway::Gateway,
    raw::Answer,
    stand::send,
    wait,
};
use serde_json::{Value, json};

/// How long a change in the folder may take to count in every process.
const CHANGE_LIMIT: Duration = Duration::from_secs(5);

/// The answer is the refusal of the admin or connect API that has this code; returns its text.
fn check_refusal(answer: &Answer, status: u16, code: &str) -> Result<String> {
    ensure!(
        answer.status() == status,
        "{} is not {status}: {}",
        answer.status(),
        answer.text()
    );
    let body = answer.json()?;
    let error = |field: &str| body.pointer(&format!("/error/{field}")).cloned();
    assert_eq!(error("code"), Some(json!(code)), "{body}");
    assert_eq!(error("type"), Some(json!(code)), "{body}");
    let message = error("message").unwrap_or_default();
    let message = message.as_str().unwrap_or_default();
    ensure!(!message.is_empty(), "a refusal without a word");
    check_not_cached(answer)?;
    Ok(message.to_owned())
}

/// No cache on the way keeps what may hold a key.
fn check_not_cached(answer: &Answer) -> Result<()> {
    let control = answer.head.header("cache-control");
    ensure!(control == Some("no-store"), "cache-control: {control:?}");
    Ok(())
}

/// Whether a gateway serves a chat request with this key.
async fn is_served(gateway: &Gateway, key: &ClientKey) -> Result<bool> {
    let bearer = format!("Bearer {}", key.secret);
    let request = Dialect::Chat.request("m").header("authorization", &bearer);
    Ok(send(gateway, &request).await?.status() == 200)
}

/// How many keys a gateway knows.
async fn count_keys(gateway: &Gateway) -> Result<u64> {
    let answer = ask_admin(gateway, "GET", "/admin/health", None).await?;
    let body = answer.json()?;
    let count = body.pointer("/store/clientKeys").and_then(Value::as_u64);
    Ok(count.unwrap_or_default())
}

/// Waits until another gateway on the folder of `maker` has read everything that is in it.
///
/// Each look of a gateway at the folder takes in invites before keys: who knows a key that was
/// made last knows all invites.
async fn wait_until_read(maker: &Gateway, reader: &Gateway) -> Result<()> {
    make_key(maker, &json!({"user": "the last of all"})).await?;
    let count = count_keys(maker).await?;
    let is_read = async || (count_keys(reader).await.ok()? == count).then_some(());
    wait::until(
        "the other gateway to read the folder",
        CHANGE_LIMIT,
        is_read,
    )
    .await
}
