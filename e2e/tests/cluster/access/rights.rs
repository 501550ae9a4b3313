//! What a gateway's ServiceAccount may do with invites and keys, and what the policies keep it
//! from.

use anyhow::{Result, bail, ensure};
use anyray_e2e::wait;
use serde_json::{Value, json};

use super::{STATUS_LIMIT, client_key, invite, start, wait_for_state};
use crate::harness::{Context, Entry, shared};

pub(crate) fn tests() -> Vec<Entry> {
    vec![shared(
        "access_a_gateway_touches_its_own_objects_only",
        touches_own,
    )]
}

const HASH: &str = "sha256:00000000000000000000000000000000000000000000000000000000000000aa";

fn known_key(gateway: &str) -> Value {
    let mut key = client_key(
        &format!("ck-{gateway}"),
        &json!({ "key": { "id": "00000000000a", "hash": HASH } }),
    );
    key["spec"]["gatewayRef"]["name"] = gateway.into();
    key
}

async fn touches_own(context: Context) -> Result<()> {
    start(&context, 1).await?;
    context
        .apply(&[invite("ada", &json!({ "codeHash": HASH }))])
        .await?;
    wait_for_state(&context, "invite/ada", "Issued").await?;
    context.apply(&[known_key("other")]).await?;
    let user = format!("--as=system:serviceaccount:{}:g", context.namespace());
    let create = ["create", "-f", "-", &user];

    context
        .kubectl_with(&create, &known_key("g").to_string())
        .await?;
    let mut foreign = known_key("other");
    foreign["metadata"]["name"] = "ck-foreign".into();
    refused(
        context.kubectl_with(&create, &foreign.to_string()).await,
        "gateway",
    )?;
    let delete = ["delete", "clientkey", "ck-other", &user];
    refused(context.kubectl(&delete).await, "gateway")?;
    context
        .kubectl(&["delete", "clientkey", "ck-g", &user])
        .await?;

    for patch in [
        json!({ "spec": { "revoked": true } }),
        json!({ "metadata": { "labels": { "a": "b" } } }),
    ] {
        let patch = patch.to_string();
        let edit = [
            "patch",
            "invite",
            "ada",
            "--type=merge",
            "--patch",
            &patch,
            &user,
        ];
        refused(context.kubectl(&edit).await, "forbidden")?;
    }
    // By the one way that a gateway has: replacing the status.
    let replace = ["replace", "--subresource=status", "-f", "-", &user];
    let expired = replace_status(&context, &replace, |status| {
        status["state"] = "Expired".into();
    });
    refused(expired.await?, "redemption")?;
    let record = json!({
        "keyId": "00000000000a", "clientKeyName": "ck-g", "at": "2026-01-01T00:00:00Z", "by": "pod",
    });
    let recorded = replace_status(&context, &replace, |status| {
        status["redemption"] = record.clone();
    });
    recorded.await??;
    // Written once, whoever tries.
    let as_admin = ["replace", "--subresource=status", "-f", "-"];
    let another = replace_status(&context, &as_admin, |status| {
        status["redemption"]["keyId"] = "00000000000b".into();
    });
    refused(another.await?, "written once")?;
    let none = replace_status(&context, &as_admin, |status| *status = Value::Null);
    refused(none.await?, "written once")
}

/// Replaces the status of the invite with a changed one, again for as long as the operator writes
/// it in between; returns what `kubectl` said otherwise.
async fn replace_status(
    context: &Context,
    replace: &[&str],
    change: impl Fn(&mut Value),
) -> Result<Result<String>> {
    let replaced = async || {
        let mut object = context.read("invite/ada").await.ok()?;
        change(&mut object["status"]);
        let replaced = context.kubectl_with(replace, &object.to_string()).await;
        let is_conflict = |error: &anyhow::Error| format!("{error:#}").contains("(Conflict)");
        (!replaced.as_ref().is_err_and(is_conflict)).then_some(replaced)
    };
    wait::until("the status to be replaced", STATUS_LIMIT, replaced).await
}

fn refused(result: Result<String>, reason: &str) -> Result<()> {
    let Err(error) = result else {
        bail!("it was allowed, and should be refused: {reason}");
    };
    let text = format!("{error:#}");
    ensure!(text.contains(reason), "not {reason}: {text}");
    Ok(())
}
