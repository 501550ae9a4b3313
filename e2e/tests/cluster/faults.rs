//! The API server goes, falls silent, refuses or loses the custom resources: gateways serve on,
//! and the operator is soon back at its work.

use std::{
    collections::BTreeMap,
    fs::File,
    future::Future,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::wait;
use k8s_openapi::{
    ByteString,
    api::core::v1::{ConfigMap, Secret},
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    http,
    operator::{READY_LIMIT, SYSTEM, gateway, provider_key, secret},
    trial::{Context, Entry, exclusive},
};

const OPERATOR: &str = "deployment/anyray-operator";

/// How long the API server is away.
const OUTAGE: Duration = Duration::from_secs(30);

/// How long it takes connections and says nothing.
const SILENCE: Duration = Duration::from_secs(100);

/// How long the data plane is alone.
const ALONE: Duration = Duration::from_secs(20);

/// How soon after the API server's return the operator has done what was asked of it then.
const RESTART_LIMIT: Duration = Duration::from_secs(5);
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
const RETURN_LIMIT: Duration = Duration::from_secs(10);

/// For what comes back when the cluster itself is back: kubelet and controllers pause up to half
/// a minute between their attempts.
const CLUSTER_LIMIT: Duration = Duration::from_secs(120);

/// How long requests are counted, and how many of them about one thing are no spin.
const COUNTED: Duration = Duration::from_secs(10);
const MAX_REQUESTS: usize = 12;

/// What a trial that removes something does before it puts it back.
const BODY_LIMIT: Duration = Duration::from_secs(180);

pub(crate) fn trials() -> Vec<Entry> {
    vec![
        exclusive("faults_r4_changes_after_a_restart_are_seen", restart),
        exclusive("faults_r5_changes_after_a_silence_are_seen", silence),
        exclusive("faults_r7_gateways_serve_without_control_plane", alone),
        exclusive("faults_r13_an_unreadable_object_stops_no_other", unreadable),
        exclusive("faults_r14_a_refused_operator_does_not_spin", refused),
        exclusive(
            "faults_r24_the_operator_waits_for_its_definitions",
            undefined,
        ),
    ]
}

/// The echo provider and a gateway `g` with one pod and one key.
async fn start(context: &Context) -> Result<()> {
    context.operator().await?;
    context.start_echo().await?;
    context
        .apply(&[
            secret("key", "sk-0"),
            provider_key("openai", "key", json!({})),
            gateway("g", json!({})),
        ])
        .await?;
    context.wait_for("anyraygateway/g", "Ready").await?;
    context.wait_for_answer("g").await
}

/// Sends requests one after the other for so long; returns how many, and those that failed.
async fn load(url: &str, length: Duration) -> (usize, Vec<String>) {
    let body = json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": "x" }] });
    let (url, body) = (format!("{url}/v1/chat/completions"), body.to_string());
    let started = Instant::now();
    let (mut count, mut failed) = (0, Vec::new());
    while started.elapsed() < length {
        match http::post(&url, &body).await {
            Ok((200, _)) => {}
            other => failed.push(format!("{other:?}")),
        }
        count += 1;
    }
    (count, failed)
}

fn none_failed((count, failed): (usize, Vec<String>)) -> Result<usize> {
    ensure!(
        failed.is_empty(),
        "{} of {count} failed: {failed:?}",
        failed.len()
    );
    ensure!(count > 0, "no request was made");
    Ok(count)
}

async fn restart(context: Context) -> Result<()> {
    start(&context).await?;
    let url = context.gateway_url("g").await?;
    context.cluster().stop_api_server().await?;
    let loaded = load(&url, OUTAGE).await;
    context.cluster().start_api_server().await?;
    let times = follow_changes(&context, RESTART_LIMIT).await?;
    let count = none_failed(loaded)?;
    crate::tell(&format!(
        "API server away for {OUTAGE:?}: {times}; {count} requests meanwhile, none failed"
    ));
    Ok(())
}

async fn silence(context: Context) -> Result<()> {
    start(&context).await?;
    let url = context.gateway_url("g").await?;
    let hole = context.cluster().black_hole_api_server().await?;
    let loaded = load(&url, SILENCE).await;
    hole.end().await?;
    let times = follow_changes(&context, SILENCE_LIMIT).await?;
    let count = none_failed(loaded)?;
    crate::tell(&format!(
        "API server silent for {SILENCE:?}: {times}; {count} requests meanwhile, none failed"
    ));
    Ok(())
}

/// Changes what the operator watches, now that the API server is ready again, and waits until the
/// operator has done its part, within the limit, and the pod runs it.
async fn follow_changes(context: &Context, limit: Duration) -> Result<String> {
    let ready = Instant::now();
    let merge = PatchParams::default();
    let key = json!({ "stringData": { "apiKey": "sk-1" } });
    let secrets = context.api::<Secret>();
    secrets.patch("key", &merge, &Patch::Merge(key)).await?;
    context
        .patch(
            "anyraygateway/g",
            &json!({ "spec": { "passthroughPaths": ["/v1/files"] } }),
        )
        .await?;
    context
        .apply(&[gateway("later", json!({ "replicas": 0 }))])
        .await?;
    let mut times = BTreeMap::new();
    is_bundled(context, "sk-1").await?;
    times.insert("Secret", ready.elapsed());
    is_configured(context, "g", "/v1/files").await?;
    times.insert("AnyrayGateway", ready.elapsed());
    is_configured(context, "later", "{").await?;
    times.insert("new AnyrayGateway", ready.elapsed());
    for (what, time) in &times {
        ensure!(*time < limit, "{what} was in force after {time:?}");
    }
    runs_what_is_wanted(context).await?;
    let in_the_pod = ready.elapsed();
    Ok(format!(
        "in force after {times:?}, in the pod after {in_the_pod:?}"
    ))
}

/// Waits until the gateway's own Secret has a key.
async fn is_bundled(context: &Context, key: &str) -> Result<()> {
    let secrets = context.api::<Secret>();
    let bundled = async || {
        let data = secrets.get("g-providers").await.ok()?.data?;
        let found = data.get("key.openai")?;
        (found == &ByteString(key.as_bytes().to_vec())).then_some(())
    };
    wait::until(&format!("{key} in g-providers"), READY_LIMIT, bundled).await
}

/// Waits until the configuration of a gateway has a text.
async fn is_configured(context: &Context, gateway: &str, text: &str) -> Result<()> {
    let config_maps = context.api::<ConfigMap>();
    let name = format!("{gateway}-config");
    let configured = async || {
        let data = config_maps.get(&name).await.ok()?.data?;
        let config = data.get("gateway.json")?;
        config.contains(text).then_some(())
    };
    wait::until(&format!("{text} in {name}"), READY_LIMIT, configured).await
}

/// Waits until the pod of `g` runs what its Secret and ConfigMap say.
async fn runs_what_is_wanted(context: &Context) -> Result<()> {
    let version = context.read("secret/key").await?["metadata"]["resourceVersion"].clone();
    let runs = async || {
        let key = context.read("providerkey/openai").await.ok()?["status"].clone();
        let is_programmed = key["gateways"][0]["programmed"] == true;
        (key["secretVersion"] == version && is_programmed).then_some(())
    };
    wait::until("the pod to run the new key", CLUSTER_LIMIT, runs).await?;
    context.wait_for("anyraygateway/g", "Ready").await
}

async fn alone(context: Context) -> Result<()> {
    start(&context).await?;
    let url = context.gateway_url("g").await?;
    let before = gateway_pod(&context).await?;
    let loaded = without_control_plane(&context, &url, &before).await;
    // Whatever came of it.
    context.cluster().start_api_server().await?;
    scale_operator(&context, 1).await?;
    let count = none_failed(loaded?)?;
    let after = gateway_pod(&context).await?;
    for at in ["/metadata/uid", "/status/containerStatuses/0/restartCount"] {
        ensure!(before.pointer(at) == after.pointer(at), "{at}: {after}");
    }
    let ready = |pod: &Value| {
        let conditions = pod["status"]["conditions"].as_array().cloned();
        let mut conditions = conditions.unwrap_or_default().into_iter();
        conditions
            .find(|it| it["type"] == "Ready")
            .unwrap_or_default()
    };
    let (was, is) = (ready(&before), ready(&after));
    ensure!(is["status"] == "True", "{is}");
    ensure!(
        was["lastTransitionTime"] == is["lastTransitionTime"],
        "{was}, then {is}"
    );
    context.apply(&[secret("key", "sk-1")]).await?;
    is_bundled(&context, "sk-1").await?;
    runs_what_is_wanted(&context).await?;
    crate::tell(&format!(
        "no operator and no API server for {ALONE:?}: {count} requests, none failed"
    ));
    Ok(())
}

async fn without_control_plane(
    context: &Context,
    url: &str,
    pod: &Value,
) -> Result<(usize, Vec<String>)> {
    scale_operator(context, 0).await?;
    context.cluster().stop_api_server().await?;
    let loaded = load(url, ALONE).await;
    let (status, body) = context.ask_pod(pod, "8789/readyz").await?;
    ensure!(status == 200, "{status}: {body}");
    Ok(loaded)
}

async fn scale_operator(context: &Context, replicas: u8) -> Result<()> {
    let replicas_flag = format!("--replicas={replicas}");
    context
        .kubectl(&["--namespace", SYSTEM, "scale", OPERATOR, &replicas_flag])
        .await?;
    let labels = "app.kubernetes.io/component=operator";
    let scaled = async || {
        let pods = context.pods(SYSTEM, labels).await.ok()?;
        let is_ready = |pod: &Value| pod["status"]["containerStatuses"][0]["ready"] == true;
        let is_scaled = pods.len() == usize::from(replicas) && pods.iter().all(is_ready);
        is_scaled.then_some(())
    };
    wait::until("the operator to be scaled", CLUSTER_LIMIT, scaled).await
}

async fn gateway_pod(context: &Context) -> Result<Value> {
    let mut pods = context
        .pods(context.namespace(), "anyray.ai/gateway=g")
        .await?;
    ensure!(pods.len() == 1, "{} pods", pods.len());
    pods.pop().context("no pod")
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
    let body = wait::at_most("the trial", BODY_LIMIT, body).await;
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
    context
        .apply(&[
            secret("key", "sk-0"),
            provider_key("openai", "key", json!({})),
            gateway("g", json!({})),
        ])
        .await?;
    context.wait_for("anyraygateway/g", "Ready").await?;
    context.wait_for("providerkey/openai", "Ready").await?;
    for bad in ["anyraygateway/bad", "providerkey/bad"] {
        context
            .wait_for_reason(bad, "Accepted", ("False", "Unreadable"))
            .await?;
        let conditions = context.read(bad).await?["status"]["conditions"].clone();
        let mut messages = conditions.as_array().into_iter().flatten();
        let says_why = messages.any(|condition| {
            let message = condition["message"].as_str().unwrap_or_default();
            condition["type"] == "Accepted" && message.contains("unknown variant")
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

/// Gateways that all want something while nobody listens to the operator.
const WAITING: [&str; 3] = ["a", "b", "c"];

async fn refused(context: Context) -> Result<()> {
    context.operator().await?;
    let gateways = WAITING.map(|name| gateway(name, json!({ "replicas": 0 })));
    context.apply(&gateways).await?;
    for name in WAITING {
        context
            .wait_for_reason(
                &format!("anyraygateway/{name}"),
                "Ready",
                ("False", "ScaledToZero"),
            )
            .await?;
    }
    let body = wait::at_most("the trial", BODY_LIMIT, while_refused(&context)).await;
    let allowed = Instant::now();
    context
        .kubectl(&[
            "delete",
            "--ignore-not-found",
            &format!("flowschema/{REFUSAL}"),
        ])
        .await?;
    context
        .kubectl(&[
            "delete",
            "--ignore-not-found",
            &format!("prioritylevelconfiguration/{REFUSAL}"),
        ])
        .await?;
    let counts = body??;
    for name in WAITING {
        is_configured(&context, name, "/v1/files").await?;
    }
    let took = allowed.elapsed();
    ensure!(
        took < RETURN_LIMIT,
        "in force {took:?} after the refusals ended"
    );
    crate::tell(&format!(
        "refused requests of the operator in {COUNTED:?}: {counts:?}; all in force {took:?} after their end"
    ));
    Ok(())
}

const REFUSAL: &str = "anyray-e2e-refusal";

/// The API server refuses whatever the operator asks, with 429.
fn refusal() -> [Value; 2] {
    let api_version = "flowcontrol.apiserver.k8s.io/v1";
    let level = json!({
        "apiVersion": api_version,
        "kind": "PriorityLevelConfiguration",
        "metadata": { "name": REFUSAL },
        "spec": { "type": "Limited", "limited": {
            "nominalConcurrencyShares": 0,
            "lendablePercent": 0,
            "borrowingLimitPercent": 0,
            "limitResponse": { "type": "Reject" },
        } },
    });
    let all = json!(["*"]);
    let account = json!({ "name": "anyray-operator", "namespace": SYSTEM });
    let schema = json!({
        "apiVersion": api_version,
        "kind": "FlowSchema",
        "metadata": { "name": REFUSAL },
        "spec": {
            "priorityLevelConfiguration": { "name": REFUSAL },
            "matchingPrecedence": 2,
            "rules": [{
                "subjects": [{ "kind": "ServiceAccount", "serviceAccount": account }],
                "resourceRules": [{
                    "verbs": all, "apiGroups": all, "resources": all,
                    "clusterScope": true, "namespaces": all,
                }],
            }],
        },
    });
    [level, schema]
}

/// Asks the operator for something, cuts its watches, and counts what it asks the API server.
async fn while_refused(context: &Context) -> Result<BTreeMap<String, usize>> {
    context.apply(&refusal()).await?;
    let schema = format!("flowschema/{REFUSAL}");
    context
        .kubectl(&["wait", "--for=condition=Dangling=False", &schema])
        .await?;
    let mut log = File::open(context.cluster().audit_log()?)?;
    log.seek(SeekFrom::End(0))?;
    for name in WAITING {
        let patch = json!({ "spec": { "passthroughPaths": ["/v1/files"] } });
        context
            .patch(&format!("anyraygateway/{name}"), &patch)
            .await?;
    }
    count_until(&mut log, WAITING.len()).await?;
    context.cluster().stop_api_server().await?;
    context.cluster().start_api_server().await?;
    // The log is another process's from here on, but the same file.
    log.seek(SeekFrom::End(0))?;
    sleep(COUNTED).await;
    let counts = refusals(&mut log)?;
    ensure!(counts.len() > WAITING.len(), "only {counts:?}");
    for (what, count) in &counts {
        ensure!(
            *count <= MAX_REQUESTS,
            "{count} requests in {COUNTED:?} for {what}"
        );
    }
    Ok(counts)
}

/// Waits until so many things were refused.
async fn count_until(log: &mut File, wanted: usize) -> Result<()> {
    let mut seen = BTreeMap::new();
    let refused = async || {
        seen.extend(refusals(log).ok()?);
        (seen.len() >= wanted).then_some(())
    };
    wait::until("the operator to be refused", READY_LIMIT, refused).await
}

/// What the operator has asked and was refused, from where the audit log was read to.
fn refusals(log: &mut File) -> Result<BTreeMap<String, usize>> {
    let user = format!("system:serviceaccount:{SYSTEM}:anyray-operator");
    let mut counts = BTreeMap::new();
    for line in BufReader::new(log).lines() {
        // The last one may be half written.
        let Ok(event) = serde_json::from_str::<Value>(&line?) else {
            continue;
        };
        if event["user"]["username"] != user.as_str() {
            continue;
        }
        if event["responseStatus"]["code"] != 429 {
            // A watch that began before may end now.
            ensure!(event["verb"] == "watch", "it was not refused: {event}");
            continue;
        }
        let object = &event["objectRef"];
        let text = |field: &str| object[field].as_str().unwrap_or_default();
        let what = format!(
            "{} {} {}/{}",
            event["verb"].as_str().unwrap_or_default(),
            text("resource"),
            text("namespace"),
            text("name")
        );
        *counts.entry(what).or_insert(0) += 1;
    }
    Ok(counts)
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
    let looked = wait::at_most("the trial", BODY_LIMIT, look).await;
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
