//! A gateway's life: rotated keys, edited children, scaling, late references, the end.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::wait;
use serde_json::{Value, json};

use crate::{
    harness::{Context, Entry, exclusive, shared},
    operator::{READY_LIMIT, SYSTEM, gateway, provider_key, secret},
};

/// How soon an edited or deleted child is as it was.
const REPAIR_LIMIT: Duration = Duration::from_secs(2);

/// How soon a Secret that was missing is in use.
const RESOLVE_LIMIT: Duration = Duration::from_secs(2);

/// How soon all of a deleted gateway is gone; its pods drain first, and nobody calls them.
const DELETE_LIMIT: Duration = Duration::from_secs(60);

/// What a gateway consists of.
const CHILDREN: [&str; 5] = [
    "serviceaccount/g",
    "secret/g-providers",
    "configmap/g-config",
    "service/g",
    "deployment/g",
];

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        shared("life_r10_an_edited_or_deleted_child_comes_back", repairs),
        shared(
            "life_r15_a_secret_that_comes_late_is_used_at_once",
            resolves,
        ),
        shared("life_a_bad_key_among_good_ones_is_named", names_bad_key),
        shared("life_scales_from_one_to_three", scales),
        shared("life_a_deleted_gateway_leaves_nothing", leaves_nothing),
        shared("life_r26_a_namespace_with_gateways_goes", namespace_goes),
        shared(
            "life_a_gateway_made_anew_replaces_the_earlier_one",
            replaces,
        ),
        exclusive("life_a_new_operator_changes_nothing", changes_nothing),
    ]
}

/// A gateway `g` with one pod and one key.
async fn start(context: &Context) -> Result<()> {
    context
        .start_gateway("sk-first", json!({ "drain": { "preStopSeconds": 0 } }))
        .await
}

async fn repairs(context: Context) -> Result<()> {
    start(&context).await?;
    for child in CHILDREN {
        let before = context.read(child).await?;
        context.kubectl(&["delete", child, "--wait=false"]).await?;
        comes_back(&context, child, "deleted", |now| {
            now["metadata"]["uid"] != before["metadata"]["uid"]
        })
        .await?;
    }
    let edits = [
        (
            "serviceaccount/g",
            json!({ "automountServiceAccountToken": true }),
            "/automountServiceAccountToken",
        ),
        (
            "secret/g-providers",
            json!({ "data": { "key.openai": "bm90LXRoZS1rZXk=" } }),
            "/data/key.openai",
        ),
        (
            "configmap/g-config",
            json!({ "data": { "gateway.json": "{}" } }),
            "/data/gateway.json",
        ),
        (
            "service/g",
            json!({ "spec": { "ports": [{ "name": "http", "port": 80, "targetPort": "http" }] } }),
            "/spec/ports/0/port",
        ),
        (
            "deployment/g",
            json!({ "spec": { "progressDeadlineSeconds": 77 } }),
            "/spec/progressDeadlineSeconds",
        ),
    ];
    for (child, edit, field) in edits {
        let before = context.read(child).await?;
        let edit = edit.to_string();
        context
            .kubectl(&["patch", child, "--type=merge", "--patch", &edit])
            .await?;
        comes_back(&context, child, "edited", |now| {
            now.pointer(field) == before.pointer(field)
        })
        .await?;
    }
    context.wait_for("anyraygateway/g", "Ready").await
}

async fn comes_back(
    context: &Context,
    child: &str,
    what: &str,
    is_back: impl Fn(&Value) -> bool,
) -> Result<()> {
    let started = Instant::now();
    let back = async || is_back(&context.read(child).await.ok()?).then_some(());
    wait::until(&format!("{child}, {what}, to be back"), READY_LIMIT, back).await?;
    let took = started.elapsed();
    ensure!(
        took < REPAIR_LIMIT,
        "{child}, {what}, was back after {took:?}"
    );
    Ok(())
}

async fn resolves(context: Context) -> Result<()> {
    context.operator().await?;
    context.start_echo().await?;
    let objects = [
        provider_key("openai", "late", json!({})),
        gateway("g", json!({})),
    ];
    context.apply(&objects).await?;
    let expected = ("False", "SecretNotFound");
    context
        .wait_for_reason("providerkey/openai", "ResolvedRefs", expected)
        .await?;
    let expected = ("False", "NoUsableProviderKey");
    context
        .wait_for_reason("anyraygateway/g", "Ready", expected)
        .await?;
    let (status, body) = context.chat("g", "hello").await?;
    ensure!(status == 424 && body.contains("openai"), "{status}: {body}");
    let started = Instant::now();
    context.apply(&[secret("late", "sk-late")]).await?;
    let expected = ("True", "ResolvedRefs");
    context
        .wait_for_reason("providerkey/openai", "ResolvedRefs", expected)
        .await?;
    let took = started.elapsed();
    ensure!(took < RESOLVE_LIMIT, "the Secret was found after {took:?}");
    context.wait_for("anyraygateway/g", "Ready").await?;
    context.expect_echo("g").await
}

async fn names_bad_key(context: Context) -> Result<()> {
    start(&context).await?;
    context.start_echo().await?;
    context
        .apply(&[provider_key("broken", "nowhere", json!({}))])
        .await?;
    context
        .wait_for_reason(
            "anyraygateway/g",
            "ResolvedRefs",
            ("False", "SecretNotFound"),
        )
        .await?;
    context
        .wait_for_reason("anyraygateway/g", "Ready", ("True", "PartiallyResolved"))
        .await?;
    let object = context.read("anyraygateway/g").await?;
    ensure!(
        object["status"]["conditions"]
            .to_string()
            .contains("ProviderKey broken"),
        "{object}"
    );
    context.expect_echo("g").await
}

async fn scales(context: Context) -> Result<()> {
    start(&context).await?;
    context
        .kubectl(&["scale", "anyraygateway/g", "--replicas=3"])
        .await?;
    let three = async || {
        let object = context.read("anyraygateway/g").await.ok()?;
        let status = &object["status"];
        let is_done = status["replicaSummary"] == "3/3" && status["programmedReplicas"] == 3;
        is_done.then_some(())
    };
    wait::until("three pods", READY_LIMIT, three).await?;
    context.wait_for("anyraygateway/g", "Ready").await?;
    let selector = context.read("anyraygateway/g").await?["status"]["selector"].clone();
    let selector = selector.as_str().context("no selector")?.to_owned();
    let pods = context
        .kubectl(&["get", "pods", "--selector", &selector, "--output=name"])
        .await?;
    ensure!(pods.lines().count() == 3, "{pods}");
    context
        .kubectl(&["scale", "anyraygateway/g", "--replicas=0"])
        .await?;
    context
        .wait_for_reason("anyraygateway/g", "Ready", ("False", "ScaledToZero"))
        .await
}

async fn leaves_nothing(context: Context) -> Result<()> {
    start(&context).await?;
    context
        .kubectl(&["delete", "anyraygateway/g", "--wait=false"])
        .await?;
    let gone = async || {
        let mut arguments = vec!["get", "--ignore-not-found", "--output=name"];
        arguments.extend(CHILDREN);
        let children = context.kubectl(&arguments).await.ok()?;
        let ours = "--selector=anyray.ai/gateway=g";
        let pods = context
            .kubectl(&["get", "pods,replicasets", ours, "--output=name"])
            .await
            .ok()?;
        (children.trim().is_empty() && pods.trim().is_empty()).then_some(())
    };
    wait::until("all of the gateway to be gone", DELETE_LIMIT, gone).await?;
    // The key is no part of it, and is no longer in use.
    context
        .wait_for_reason("providerkey/openai", "Programmed", ("False", "NotUsed"))
        .await
}

async fn namespace_goes(context: Context) -> Result<()> {
    start(&context).await?;
    let namespace = context.namespace().to_owned();
    let started = Instant::now();
    let mut delete = context.cluster().kubectl();
    delete.args(["delete", "namespace", &namespace, "--timeout=60s"]);
    anyray_e2e::cluster::output_of(delete).await?;
    let took = started.elapsed();
    ensure!(
        took < Duration::from_secs(30),
        "the namespace was gone after {took:?}"
    );
    Ok(())
}

/// The cluster deletes the objects of the earlier gateway some time after it is gone.
async fn replaces(context: Context) -> Result<()> {
    start(&context).await?;
    let before = context.read("deployment/g").await?;
    context.kubectl(&["delete", "anyraygateway/g"]).await?;
    context.apply(&[gateway("g", json!({}))]).await?;
    context.wait_for("anyraygateway/g", "Ready").await?;
    let after = context.read("deployment/g").await?;
    ensure!(
        after["metadata"]["uid"] != before["metadata"]["uid"],
        "it took over what the earlier one left"
    );
    let events = context
        .kubectl(&["get", "events", "--field-selector=reason=NameConflict"])
        .await?;
    ensure!(!events.contains("NameConflict"), "{events}");
    Ok(())
}

/// A restart of the operator writes nothing to a gateway that is as it should be.
async fn changes_nothing(context: Context) -> Result<()> {
    start(&context).await?;
    let objects = [
        &["anyraygateway/g", "providerkey/openai"][..],
        &CHILDREN[..],
    ]
    .concat();
    let before = versions(&context, &objects).await?;
    for what in ["restart", "status"] {
        let mut rollout = context.cluster().kubectl();
        rollout.args([
            "--namespace",
            SYSTEM,
            "rollout",
            what,
            "deployment/anyray-operator",
        ]);
        anyray_e2e::cluster::output_of(rollout).await?;
    }
    // What it makes of this one, it makes of all that it finds at its start.
    context.apply(&[gateway("h", json!({}))]).await?;
    context.wait_for("anyraygateway/h", "Ready").await?;
    let key = async || {
        let key = context.read("providerkey/openai").await.ok()?;
        (key["status"]["gateways"].as_array()?.len() == 2).then_some(())
    };
    wait::until("the key to be used by both", READY_LIMIT, key).await?;
    let after = versions(&context, &objects).await?;
    for (object, (before, after)) in objects.iter().zip(before.iter().zip(&after)) {
        let is_key = *object == "providerkey/openai";
        ensure!(
            is_key || before == after,
            "{object} was written: {before}, then {after}"
        );
    }
    Ok(())
}

/// The resource version of each object.
async fn versions(context: &Context, objects: &[&str]) -> Result<Vec<String>> {
    let mut versions = Vec::new();
    for object in objects {
        let object = context.read(object).await?;
        let version = object["metadata"]["resourceVersion"].as_str();
        versions.push(version.context("no resource version")?.to_owned());
    }
    Ok(versions)
}
