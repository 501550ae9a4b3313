//! From an Invite to a developer who calls, and out again; and what programs do without one.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::wait;
use serde_json::{Value, json};

use super::{
    admin, chat, client_key, entry, invite, make_code, make_key, redeem, redeemed_keys, start,
    text, wait_for_state,
};
use crate::harness::{Context, Entry, shared};

/// How soon a change must be in force on every pod.
const IN_FORCE: Duration = Duration::from_secs(5);

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        shared(
            "access_an_invite_is_redeemed_once_and_deleting_locks_out",
            lives,
        ),
        shared("access_kubectl_and_the_api_see_each_others_work", agrees),
        shared(
            "access_programs_get_keys_by_secret_and_by_service_account",
            serves_programs,
        ),
        shared("access_an_invite_expires_without_a_change", expires),
    ]
}

/// Waits until a key is refused, or served again.
pub(super) async fn wait_for_status(url: &str, key: &str, expected: u16) -> Result<()> {
    let mut last = None;
    let what = format!("the answer {expected}");
    let found = wait::until(&what, IN_FORCE, async || {
        last = chat(url, key).await.ok();
        last.as_ref()
            .is_some_and(|(status, _)| *status == expected)
            .then_some(())
    });
    let found = found.await;
    found.with_context(|| format!("it is {last:?}"))
}

async fn lives(context: Context) -> Result<()> {
    start(&context, 1).await?;
    context
        .apply(&[invite("ada", &json!({ "team": "research" }))])
        .await?;
    context.wait_for("invite/ada", "Ready").await?;
    wait_for_state(&context, "invite/ada", "Issued").await?;
    let code = entry(&context, "secret/ada-code", "code").await?;
    let command = entry(&context, "secret/ada-code", "command").await?;
    let address = format!("http://g.{}.svc:8787", context.namespace());
    let expected = format!("npx anyray-connect --gateway {address} --invite {code}");
    ensure!(command == expected, "another command than expected");
    let url = context.gateway_url("g").await?;
    let (status, _) = chat(&url, &code).await?;
    ensure!(status == 401, "a code served as a key: {status}");

    let (status, answer) = redeem(&url, &code).await?;
    ensure!(status == 200, "{status}: {answer}");
    ensure!(answer["user"] == "ada@example.com" && answer["team"] == "research");
    let key = text(&answer["key"])?;
    let (status, body) = chat(&url, &key).await?;
    ensure!(
        status == 200 && body.contains("echo: hello"),
        "{status}: {body}"
    );
    let (status, again) = redeem(&url, &code).await?;
    ensure!(status == 410, "{status}: {again}");
    ensure!(
        again["error"]["code"] == "invite_already_redeemed",
        "{again}"
    );

    wait_for_state(&context, "invite/ada", "Redeemed").await?;
    let redemption = context.read("invite/ada").await?["status"]["redemption"].clone();
    ensure!(redemption["keyId"] == answer["keyId"], "{redemption}");
    let gone = async || context.read("secret/ada-code").await.err();
    wait::until("the code's Secret to go", super::STATUS_LIMIT, gone).await?;
    let object = format!("clientkey/{}", text(&redemption["clientKeyName"])?);
    wait_for_state(&context, &object, "Active").await?;

    context
        .patch(&object, &json!({ "spec": { "suspended": true } }))
        .await?;
    wait_for_status(&url, &key, 401).await?;
    context
        .patch(&object, &json!({ "spec": { "suspended": false } }))
        .await?;
    wait_for_status(&url, &key, 200).await?;
    let only = json!({ "spec": { "permissions": { "models": ["claude-*"] } } });
    context.patch(&object, &only).await?;
    wait_for_status(&url, &key, 403).await?;
    context
        .patch(
            &object,
            &json!({ "spec": { "permissions": { "models": ["gpt-*"] } } }),
        )
        .await?;
    wait_for_status(&url, &key, 200).await?;

    context.kubectl(&["delete", "invite", "ada"]).await?;
    wait_for_status(&url, &key, 401).await?;
    wait_for_state(&context, &object, "Revoked").await
}

async fn agrees(context: Context) -> Result<()> {
    start(&context, 1).await?;
    let (code, name) = make_code(&context).await?;
    let made = context.read(&format!("invite/{name}")).await?;
    ensure!(made["spec"]["user"] == "ada@example.com", "{made}");
    ensure!(
        !made.to_string().contains(&code),
        "the code is in the object"
    );
    context
        .apply(&[invite("by-kubectl", &json!({ "user": "grace" }))])
        .await?;
    wait_for_state(&context, "invite/by-kubectl", "Issued").await?;
    let listed = |list: &Value, id: &str| {
        let found = list["data"].as_array().into_iter().flatten();
        found
            .clone()
            .find(|it| it["id"] == id || it["name"] == id)
            .cloned()
    };
    let (_, list) = admin(&context, "GET", "invites", &Value::Null).await?;
    let found = listed(&list, "by-kubectl").with_context(|| list.to_string())?;
    ensure!(
        found["status"] == "issued" && found["user"] == "grace",
        "{found}"
    );

    let patch = json!({ "spec": { "revoked": true } });
    context.patch(&format!("invite/{name}"), &patch).await?;
    let url = context.gateway_url("g").await?;
    let (status, answer) = redeem(&url, &code).await?;
    ensure!(
        status == 410 && answer["error"]["code"] == "invite_revoked",
        "{status}: {answer}"
    );
    wait_for_state(&context, &format!("invite/{name}"), "Revoked").await?;
    let (status, _) = admin(&context, "DELETE", "invites/by-kubectl", &Value::Null).await?;
    ensure!(status == 204, "{status}");
    let gone = context.read("invite/by-kubectl").await;
    ensure!(gone.is_err(), "the API deleted it, and it is there");

    let (key, id) = make_key(&context).await?;
    wait_for_status(&url, &key, 200).await?;
    let (_, list) = admin(&context, "GET", "client-keys", &Value::Null).await?;
    let found = listed(&list, &id).with_context(|| list.to_string())?;
    ensure!(
        found["status"] == "active" && found["lastUsedAt"].is_string(),
        "{found}"
    );
    context
        .kubectl(&["delete", "clientkey", &format!("ck-{id}")])
        .await?;
    wait_for_status(&url, &key, 401).await?;
    let (_, list) = admin(&context, "GET", "client-keys", &Value::Null).await?;
    ensure!(listed(&list, &id).is_none(), "{list}");
    let (status, health) = admin(&context, "GET", "health", &Value::Null).await?;
    ensure!(
        status == 200 && health["store"]["kind"] == "kubernetes",
        "{health}"
    );
    Ok(())
}

async fn serves_programs(context: Context) -> Result<()> {
    start(&context, 1).await?;
    context
        .apply(&[
            client_key("ci", &json!({ "user": "ci", "secretName": "ci-key" })),
            client_key(
                "job",
                &json!({ "user": "job", "serviceAccount": { "name": "job" } }),
            ),
        ])
        .await?;
    context.wait_for("clientkey/ci", "Ready").await?;
    context.wait_for("clientkey/job", "Ready").await?;
    let url = context.gateway_url("g").await?;
    let key = entry(&context, "secret/ci-key", "apiKey").await?;
    wait_for_status(&url, &key, 200).await?;
    // A new key for a lost Secret.
    context.kubectl(&["delete", "secret", "ci-key"]).await?;
    wait_for_status(&url, &key, 401).await?;
    let fresh = async || entry(&context, "secret/ci-key", "apiKey").await.ok();
    let fresh = wait::until("a new key", super::STATUS_LIMIT, fresh).await?;
    wait_for_status(&url, &fresh, 200).await?;

    for account in ["job", "other"] {
        context
            .kubectl(&["create", "serviceaccount", account])
            .await?;
    }
    let audience = format!("--audience=anyray.ai/{}/g", context.namespace());
    let token = async |account: &str, audience: &str| {
        let token = context
            .kubectl(&["create", "token", account, audience])
            .await?;
        anyhow::Ok(token.trim().to_owned())
    };
    wait_for_status(&url, &token("job", &audience).await?, 200).await?;
    for (account, audience) in [("other", audience.as_str()), ("job", "--audience=other")] {
        let (status, body) = chat(&url, &token(account, audience).await?).await?;
        ensure!(status == 401, "{account} {audience}: {status} {body}");
    }
    context.kubectl(&["delete", "clientkey", "job"]).await?;
    wait_for_status(&url, &token("job", &audience).await?, 401).await
}

async fn expires(context: Context) -> Result<()> {
    start(&context, 1).await?;
    context
        .apply(&[invite("short", &json!({ "ttl": "1m" }))])
        .await?;
    wait_for_state(&context, "invite/short", "Issued").await?;
    let code = entry(&context, "secret/short-code", "code").await?;
    let url = context.gateway_url("g").await?;
    let expired = async || {
        let (status, answer) = redeem_expired(&context, &url, &code).await.ok()?;
        (status == 410).then_some(answer)
    };
    let answer = wait::until("the code to expire", Duration::from_secs(90), expired).await?;
    ensure!(answer["error"]["code"] == "invite_expired", "{answer}");
    wait_for_state(&context, "invite/short", "Expired").await?;
    let gone = async || context.read("secret/short-code").await.err();
    wait::until("the code's Secret to go", super::STATUS_LIMIT, gone).await?;
    ensure!(redeemed_keys(&context).await?.is_empty(), "a key was made");
    Ok(())
}

/// Redeems only once the code has ended: before, it would be used.
async fn redeem_expired(context: &Context, url: &str, code: &str) -> Result<(u16, Value)> {
    let status = context.read("invite/short").await?["status"].clone();
    ensure!(status["state"] == "Expired", "{status}");
    redeem(url, code).await
}
