//! Who may call: invites, client keys, and what becomes of them on every pod.

#[path = "access/changes.rs"]
mod changes;
#[path = "access/developer.rs"]
mod developer;
#[path = "access/life.rs"]
mod life;
#[path = "access/lost_answers.rs"]
mod lost_answers;
#[path = "access/redemption.rs"]
mod redemption;
#[path = "access/relay.rs"]
mod relay;
#[path = "access/rights.rs"]
mod rights;
#[path = "access/stored.rs"]
mod stored;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::wait;
use serde_json::{Value, json};

use crate::{
    harness::{Context, Entry},
    http,
    operator::{gateway, provider_key, secret},
};

/// Labels of the pods of the gateway `g`.
const PODS: &str = "anyray.ai/gateway=g";

/// For a status to follow.
const STATUS_LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn tests() -> Vec<Entry> {
    [
        life::tests(),
        redemption::tests(),
        changes::tests(),
        rights::tests(),
        lost_answers::tests(),
        stored::tests(),
        developer::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A gateway `g` that wants client keys, with the echo provider behind it.
pub(crate) async fn start(context: &Context, replicas: u8) -> Result<()> {
    context.operator().await?;
    context.start_echo().await?;
    let spec = json!({ "auth": { "clientKeys": "Required" }, "replicas": replicas });
    context
        .apply(&[
            secret("key", "sk-0"),
            provider_key("openai", "key", json!({})),
            gateway("g", spec),
        ])
        .await?;
    context.wait_for("anyraygateway/g", "Ready").await
}

/// An Invite to the gateway `g`, with what `spec` adds.
fn invite(name: &str, spec: &Value) -> Value {
    object("Invite", name, spec)
}

/// A `ClientKey` of the gateway `g`, with what `spec` adds.
fn client_key(name: &str, spec: &Value) -> Value {
    object("ClientKey", name, spec)
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": kind,
        "metadata": { "name": name },
        "spec": { "gatewayRef": { "name": "g" }, "user": "ada@example.com" },
    });
    for (field, value) in spec.as_object().into_iter().flatten() {
        object["spec"][field] = value.clone();
    }
    object
}

/// The base URLs of the pods of `g`.
async fn pod_urls(context: &Context) -> Result<Vec<String>> {
    let pods = context.pods(context.namespace(), PODS).await?;
    let address = |pod: &Value| {
        let ip = pod["status"]["podIP"].as_str().context("no address")?;
        Ok(format!("http://{ip}:8787"))
    };
    pods.iter().map(address).collect()
}

/// A chat as the holder of a key; returns the status and the body.
async fn chat(url: &str, key: &str) -> Result<(u16, String)> {
    let body = json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": "hello" }] });
    let bearer = format!("Bearer {key}");
    let url = format!("{url}/v1/chat/completions");
    http::send(
        "POST",
        &url,
        &[("authorization", &bearer)],
        &body.to_string(),
    )
    .await
}

/// Redeems a code; returns the status and the body.
async fn redeem(url: &str, code: &str) -> Result<(u16, Value)> {
    let url = format!("{url}/connect/redeem");
    let body = json!({ "token": code }).to_string();
    let (status, answer) = http::post(&url, &body).await?;
    Ok((status, parse(&answer)?))
}

/// Calls the admin API; returns the status and the body, null where there is none.
async fn admin(context: &Context, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
    let url = context.gateway_url("g").await?;
    let token = entry(context, "secret/g-admin", "token").await?;
    let bearer = format!("Bearer {token}");
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let url = format!("{url}/admin/{path}");
    let (status, answer) = http::send(method, &url, &[("authorization", &bearer)], &body).await?;
    Ok((status, parse(&answer)?))
}

fn parse(answer: &str) -> Result<Value> {
    if answer.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(answer).with_context(|| answer.to_owned())
}

fn text(value: &Value) -> Result<String> {
    let text = value
        .as_str()
        .with_context(|| format!("no text: {value}"))?;
    Ok(text.to_owned())
}

/// A key of the admin API, and its id.
async fn make_key(context: &Context) -> Result<(String, String)> {
    let wish = json!({ "user": "ada@example.com", "team": "research" });
    let (status, made) = admin(context, "POST", "client-keys", &wish).await?;
    ensure!(status == 201, "{status}: {made}");
    Ok((text(&made["key"])?, text(&made["id"])?))
}

/// A code of the admin API, and the name of its Invite.
async fn make_code(context: &Context) -> Result<(String, String)> {
    let wish = json!({ "user": "ada@example.com" });
    let (status, made) = admin(context, "POST", "invites", &wish).await?;
    ensure!(status == 201, "{status}: {made}");
    Ok((text(&made["token"])?, text(&made["id"])?))
}

/// An entry of a Secret.
async fn entry(context: &Context, object: &str, entry: &str) -> Result<String> {
    let path = format!("go-template={{{{index .data \"{entry}\" | base64decode}}}}");
    let text = context.kubectl(&["get", object, "--output", &path]).await?;
    ensure!(!text.is_empty(), "{object} has no {entry}");
    Ok(text)
}

/// Waits until an object's state is this.
async fn wait_for_state(context: &Context, object: &str, state: &str) -> Result<()> {
    let mut last = Value::Null;
    let what = format!("{object} to be {state}");
    let found = wait::until(&what, STATUS_LIMIT, async || {
        last = context.read(object).await.ok()?["status"].clone();
        (last["state"] == state).then_some(())
    });
    let found = found.await;
    found.with_context(|| format!("it is {last}"))
}

/// The keys that came from invites.
async fn redeemed_keys(context: &Context) -> Result<Vec<Value>> {
    let list = context
        .kubectl(&["get", "clientkeys", "--output=json"])
        .await?;
    let mut list: Value = serde_json::from_str(&list)?;
    let keys = list["items"].as_array_mut().context("a list")?;
    Ok(std::mem::take(keys))
}

/// Every kind of credential that callers have, each in use: of `kubectl`'s making, of the operator's
/// and of the admin API's.
pub(crate) async fn credentials(context: &Context) -> Result<Vec<String>> {
    context
        .apply(&[
            invite("minted", &json!({})),
            client_key("ci", &json!({ "secretName": "ci-key" })),
        ])
        .await?;
    wait_for_state(context, "invite/minted", "Issued").await?;
    wait_for_state(context, "clientkey/ci", "Active").await?;
    let url = context.gateway_url("g").await?;
    let (code, _) = make_code(context).await?;
    let (status, redeemed) = redeem(&url, &code).await?;
    ensure!(status == 200, "{status}: {redeemed}");
    let credentials = vec![
        code,
        text(&redeemed["key"])?,
        make_key(context).await?.0,
        entry(context, "secret/minted-code", "code").await?,
        entry(context, "secret/ci-key", "apiKey").await?,
        entry(context, "secret/g-admin", "token").await?,
    ];
    for credential in &credentials {
        // In the answers too, right or wrong.
        let (_, body) = chat(&url, credential).await?;
        ensure!(!body.contains(credential.as_str()), "an answer repeats it");
    }
    Ok(credentials)
}
