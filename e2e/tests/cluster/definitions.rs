//! The definitions of the custom resources change or are gone: one object that cannot be read stops
//! no other, and the operator waits for its definitions without a restart.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::wait;
use serde_json::{Value, json};

use crate::{
    faults::{BODY_LIMIT, OPERATOR, RETURN_LIMIT},
    harness::{Context, Entry, exclusive},
    operator::{READY_LIMIT, SYSTEM, gateway, provider_key},
};

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        exclusive("faults_r13_an_unreadable_object_stops_no_other", unreadable),
        exclusive(
            "faults_r24_the_operator_waits_for_its_definitions",
            undefined,
        ),
    ]
}

/// A definition, and an enum in it that keeps out what the operator cannot read.
const ENUMS: [(&str, &str); 2] = [
    (
        "crd/anyraygateways.anyray.ai",
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/auth/properties/clientKeys/enum",
    ),
    (
        "crd/providerkeys.anyray.ai",
        "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/provider/enum",
    ),
];

async fn unreadable(context: Context) -> Result<()> {
    context.operator().await?;
    let mut restores = Vec::new();
    for (crd, path) in ENUMS {
        let values = context.read(crd).await?.pointer(path).cloned();
        let values = values.with_context(|| format!("no {path}"))?;
        restores.push((crd, json!([{ "op": "add", "path": path, "value": values }])));
    }
    let body = with_unreadable(&context);
    let body = wait::at_most("the test", BODY_LIMIT, body).await;
    for (crd, restore) in restores {
        patch_json(&context, crd, &restore).await?;
    }
    body??;
    // It can be helped.
    let valid = json!({ "spec": { "auth": { "clientKeys": "Optional" } } });
    context.patch("anyraygateway/bad", &valid).await?;
    context
        .wait_for_reason("anyraygateway/bad", "Accepted", ("True", "Accepted"))
        .await
}

async fn with_unreadable(context: &Context) -> Result<()> {
    for (crd, path) in ENUMS {
        patch_json(context, crd, &json!([{ "op": "remove", "path": path }])).await?;
    }
    let bad = [
        gateway(
            "bad",
            json!({ "replicas": 0, "auth": { "clientKeys": "Someday" } }),
        ),
        provider_key("bad", "key", json!({ "provider": "nobody" })),
    ];
    // The API server takes over a definition after a moment.
    let taken = async || context.apply(&bad).await.ok();
    wait::until("the unreadable objects to be taken", READY_LIMIT, taken).await?;
    context.start_gateway("sk-0", json!({})).await?;
    context.wait_for("providerkey/openai", "Ready").await?;
    for (bad, value) in [
        ("anyraygateway/bad", "Someday"),
        ("providerkey/bad", "nobody"),
    ] {
        context
            .wait_for_reason(bad, "Accepted", ("False", "Unreadable"))
            .await?;
        let conditions = context.read(bad).await?["status"]["conditions"].clone();
        let mut messages = conditions.as_array().into_iter().flatten();
        let says_why = messages.any(|condition| {
            let message = condition["message"].as_str().unwrap_or_default();
            condition["type"] == "Accepted" && message.contains(value)
        });
        ensure!(says_why, "{bad}: {conditions}");
    }
    Ok(())
}

async fn patch_json(context: &Context, object: &str, patch: &Value) -> Result<()> {
    let patch = patch.to_string();
    context
        .kubectl(&["patch", object, "--type=json", "--patch", &patch])
        .await?;
    Ok(())
}

const CRDS: [&str; 2] = ["crd/anyraygateways.anyray.ai", "crd/providerkeys.anyray.ai"];

async fn undefined(context: Context) -> Result<()> {
    context.operator().await?;
    let before = context.operator_pod().await?;
    let running = without_definitions(&context, "running", notices(&context)).await?;
    let is_same = context.operator_pod().await?["metadata"]["uid"] == before["metadata"]["uid"];
    ensure!(is_same, "another pod of the operator");
    let starting = without_definitions(&context, "starting", starts(&context)).await?;
    context
        .kubectl(&[
            "--namespace",
            SYSTEM,
            "rollout",
            "status",
            OPERATOR,
            "--timeout=30s",
        ])
        .await?;
    crate::tell(&format!(
        "definitions are back: a new gateway is reconciled after {running:?} where the operator ran before, after {starting:?} where it was started without"
    ));
    Ok(())
}

/// Removes the definitions, and with them every custom resource, has a look, and puts them back;
/// returns how soon afterwards a new gateway of this name was reconciled.
async fn without_definitions(
    context: &Context,
    name: &str,
    look: impl Future<Output = Result<()>>,
) -> Result<Duration> {
    let mut crds = Vec::new();
    for crd in CRDS {
        crds.push(bare(context.read(crd).await?)?);
    }
    context.kubectl(&[&["delete"], &CRDS[..]].concat()).await?;
    let looked = wait::at_most("the test", BODY_LIMIT, look).await;
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": crds });
    context
        .kubectl_with(&["create", "-f", "-"], &list.to_string())
        .await?;
    context
        .kubectl(&[&["wait", "--for=condition=Established"], &CRDS[..]].concat())
        .await?;
    let back = Instant::now();
    looked??;
    let new = [gateway(name, json!({ "replicas": 0 }))];
    let taken = async || context.apply(&new).await.ok();
    wait::until("a gateway to be taken", READY_LIMIT, taken).await?;
    context
        .wait_for_reason(
            &format!("anyraygateway/{name}"),
            "Accepted",
            ("True", "Accepted"),
        )
        .await?;
    let took = back.elapsed();
    ensure!(took < RETURN_LIMIT, "reconciled after {took:?}");
    is_unharmed(context).await?;
    Ok(took)
}

/// A definition as it was given to the API server.
fn bare(mut crd: Value) -> Result<Value> {
    let fields = crd.as_object_mut().context("an object")?;
    fields.remove("status");
    let metadata = fields.get_mut("metadata").and_then(Value::as_object_mut);
    let metadata = metadata.context("no metadata")?;
    metadata.retain(|field, _| matches!(field.as_str(), "name" | "labels" | "annotations"));
    Ok(crd)
}

/// A running operator that has seen that its definitions are gone, and goes on.
async fn notices(context: &Context) -> Result<()> {
    let pod = context.operator_pod().await?;
    let before = failed_watches(context, &pod).await?;
    let failed = async || {
        let now = failed_watches(context, &pod).await.ok()?;
        (now >= before + 3).then_some(())
    };
    wait::until("the watch to fail", READY_LIMIT, failed).await?;
    let (status, body) = context.ask_pod(&pod, "8789/livez").await?;
    ensure!(status == 200, "{status}: {body}");
    is_unharmed(context).await
}

/// An operator that starts without definitions lives, and is not ready.
async fn starts(context: &Context) -> Result<()> {
    let old = context.operator_pod().await?["metadata"]["name"].clone();
    let old = old.as_str().context("a pod without a name")?;
    context
        .kubectl(&["--namespace", SYSTEM, "delete", "pod", old])
        .await?;
    let failed = async || {
        let pod = context.operator_pod().await.ok()?;
        let failures = failed_watches(context, &pod).await.ok()?;
        (failures >= 3).then_some(pod)
    };
    let pod = wait::until(
        "the new operator to look for its definitions",
        READY_LIMIT,
        failed,
    );
    let pod = pod.await?;
    let (live, _) = context.ask_pod(&pod, "8789/livez").await?;
    let (ready, body) = context.ask_pod(&pod, "8789/readyz").await?;
    ensure!((live, ready) == (200, 503), "{live}, {ready}: {body}");
    Ok(())
}

/// No container of the operator's was restarted.
async fn is_unharmed(context: &Context) -> Result<()> {
    let pod = context.operator_pod().await?;
    let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
    ensure!(restarts == 0, "{pod}");
    Ok(())
}

/// How often the watch of gateways has failed.
async fn failed_watches(context: &Context, pod: &Value) -> Result<u64> {
    let (_, metrics) = context.ask_pod(pod, "8789/metrics").await?;
    let name = "anyray_operator_watch_errors_total{kind=\"AnyrayGateway\"} ";
    let count = metrics.lines().find_map(|line| line.strip_prefix(name));
    count.map_or(Ok(0), |count| Ok(count.parse()?))
}
