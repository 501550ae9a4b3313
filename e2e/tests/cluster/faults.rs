//! The API server goes, falls silent or throttles: gateways serve on, and the operator is soon back
//! at its work.

use std::{
    collections::BTreeMap,
    fs::File,
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
    harness::{Context, Entry, exclusive},
    http,
    length::{is_soak, lengths},
    node::wait_for_service,
    operator::{READY_LIMIT, SYSTEM, gateway, secret},
};

pub(crate) const OPERATOR: &str = "deployment/anyray-operator";

/// How soon after the API server's return the operator has done what was asked of it then.
const RESTART_LIMIT: Duration = Duration::from_secs(5);
const SILENCE_LIMIT: Duration = Duration::from_secs(10);
pub(crate) const RETURN_LIMIT: Duration = Duration::from_secs(10);

/// For what comes back when the cluster itself is back: kubelet and controllers pause up to half
/// a minute between their attempts.
const CLUSTER_LIMIT: Duration = Duration::from_secs(120);

/// Longest run, with all that the cluster needs until it is back.
const SETTLED_LIMIT: Duration = Duration::from_secs(600);

/// How many requests of a kind about one object are no spin, besides one a second: one for each of
/// the eight watches that start again.
const RESTARTED_WATCHES: usize = 8;

/// What a test that removes something does before it puts it back.
pub(crate) const BODY_LIMIT: Duration = Duration::from_secs(180);

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        settled("faults_r4_changes_after_a_restart_are_seen", restart),
        settled("faults_r5_changes_after_a_silence_are_seen", silence),
        settled("faults_r7_gateways_serve_without_control_plane", alone),
        exclusive("faults_r14_a_throttled_operator_does_not_spin", throttled),
    ]
}

/// The echo provider and a gateway `g` with one pod and one key.
async fn start(context: &Context) -> Result<()> {
    context.start_echo().await?;
    context.start_gateway("sk-0", json!({})).await?;
    context.wait_for_answer("g").await
}

/// An exclusive test after which, whatever came of it, the cluster is waited for.
pub(crate) fn settled(
    name: &'static str,
    run: impl AsyncFn(&Context) -> Result<()> + Copy + Send + 'static,
) -> Entry {
    exclusive(name, move |context| async move {
        let done = run(&context).await;
        let settled = settle(&context).await;
        done.and(settled)
    })
    .within(SETTLED_LIMIT)
}

/// After an outage of the API server, Kubernetes' own components pause up to a minute before they
/// watch again. Full lengths show that; short ones start them again, so that they watch at once.
async fn skip_pauses(context: &Context) -> Result<()> {
    if is_soak() {
        return Ok(());
    }
    context.cluster().restart_components().await
}

/// Waits until the cluster itself is back, so that what comes next finds it as it was: controllers
/// and nodes pause up to half a minute before they watch again, each of their watches by itself.
async fn settle(context: &Context) -> Result<()> {
    skip_pauses(context).await?;
    let account = "serviceaccount/default";
    context.kubectl(&["delete", account]).await?;
    let made = async || context.read(account).await.ok();
    wait::until("a service account to be made", CLUSTER_LIMIT, made).await?;
    context.start_echo().await?;
    // A new Service, which is first without a pod and then gets one, as those of tests do.
    let settled = ["create", "service", "clusterip", "settled", "--tcp=8786"];
    context.kubectl(&settled).await?;
    let of_service = "--selector=kubernetes.io/service-name=settled";
    let slice = async || {
        let get = ["get", "endpointslices", of_service, "--output=name"];
        let slices = context.kubectl(&get).await.ok()?;
        (!slices.is_empty()).then_some(())
    };
    wait::until("the endpoints of a Service", CLUSTER_LIMIT, slice).await?;
    let labels = json!({ "metadata": { "labels": { "app": "settled" } } });
    let pods = json!({ "spec": { "template": labels } });
    context.patch("deployment/echo", &pods).await?;
    let rolled = async || {
        let status = ["rollout", "status", "deployment/echo", "--timeout=10s"];
        context.kubectl(&status).await.ok()
    };
    wait::until("a new pod", CLUSTER_LIMIT, rolled).await?;
    wait_for_service(context, "settled", 8786, CLUSTER_LIMIT).await
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

/// Kills the API server and starts it again.
pub(crate) async fn restart_api_server(context: &Context) -> Result<()> {
    context.cluster().stop_api_server().await?;
    context.cluster().start_api_server().await
}

async fn restart(context: &Context) -> Result<()> {
    start(context).await?;
    let url = context.gateway_url("g").await?;
    let outage = lengths().outage;
    context.cluster().stop_api_server().await?;
    let loaded = load(&url, outage).await;
    context.cluster().start_api_server().await?;
    let times = follow_changes(context, RESTART_LIMIT).await?;
    let count = none_failed(loaded)?;
    crate::tell(&format!(
        "API server away for {outage:?}: in force after {times:?}; {count} requests meanwhile, none failed"
    ));
    Ok(())
}

async fn silence(context: &Context) -> Result<()> {
    start(context).await?;
    let url = context.gateway_url("g").await?;
    let silence = lengths().silence;
    let hole = context.cluster().black_hole_api_server().await?;
    let loaded = load(&url, silence).await;
    hole.end().await?;
    let ready = Instant::now();
    let times = follow_changes(context, SILENCE_LIMIT).await?;
    skip_pauses(context).await?;
    runs_what_is_wanted(context).await?;
    let in_the_pod = ready.elapsed();
    let count = none_failed(loaded)?;
    crate::tell(&format!(
        "API server silent for {silence:?}: in force after {times:?}, in the pod after {in_the_pod:?}; {count} requests meanwhile, none failed"
    ));
    Ok(())
}

/// How soon after the API server's return which change was in force.
type Times = BTreeMap<&'static str, Duration>;

/// Changes what the operator watches, now that the API server is ready again, and waits until the
/// operator has done its part, within the limit.
async fn follow_changes(context: &Context, limit: Duration) -> Result<Times> {
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
    Ok(times)
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

async fn alone(context: &Context) -> Result<()> {
    start(context).await?;
    let url = context.gateway_url("g").await?;
    let before = gateway_pod(context).await?;
    let loaded = without_control_plane(context, &url, &before).await;
    // Whatever came of it.
    context.cluster().start_api_server().await?;
    scale_operator(context, 1).await?;
    let count = none_failed(loaded?)?;
    let after = gateway_pod(context).await?;
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
    // Not before the comparison: a new kubelet finds its pods ready again.
    skip_pauses(context).await?;
    context.apply(&[secret("key", "sk-1")]).await?;
    is_bundled(context, "sk-1").await?;
    runs_what_is_wanted(context).await?;
    crate::tell(&format!(
        "no operator and no API server for {:?}: {count} requests, none failed",
        lengths().alone
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
    let loaded = load(url, lengths().alone).await;
    let (status, body) = context.ask_pod(pod, "8789/readyz").await?;
    ensure!(status == 200, "{status}: {body}");
    Ok(loaded)
}

pub(crate) async fn scale_operator(context: &Context, replicas: u8) -> Result<()> {
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

/// So many gateways want something at once: the operator asks for several at the same time.
const WAITING: usize = 12;

fn waiting(paths: &Value) -> Vec<Value> {
    let spec = json!({ "replicas": 0, "passthroughPaths": paths });
    let names = (0..WAITING).map(waiting_name);
    names.map(|name| gateway(&name, spec.clone())).collect()
}

fn waiting_name(number: usize) -> String {
    format!("waiting-{number}")
}

/// How long their requests are counted.
const COUNTED: Duration = Duration::from_secs(10);

async fn throttled(context: Context) -> Result<()> {
    let context = &context;
    context.operator().await?;
    context.apply(&waiting(&json!([]))).await?;
    for number in 0..WAITING {
        let name = format!("anyraygateway/{}", waiting_name(number));
        context
            .wait_for_reason(&name, "Ready", ("False", "ScaledToZero"))
            .await?;
    }
    let body = wait::at_most("the test", BODY_LIMIT, while_throttled(context)).await;
    let ended = Instant::now();
    for kind in ["flowschema", "prioritylevelconfiguration"] {
        let object = format!("{kind}/{THROTTLE}");
        context
            .kubectl(&["delete", "--ignore-not-found", &object])
            .await?;
    }
    let asked = body??;
    for number in 0..WAITING {
        is_configured(context, &waiting_name(number), "/v1/files").await?;
    }
    let took = ended.elapsed();
    ensure!(took < RETURN_LIMIT, "in force {took:?} after the throttle");
    let most = asked.counts.iter().max_by_key(|(_, count)| **count);
    crate::tell(&format!(
        "a throttled operator was refused {} requests in {:?}, and asked for nothing more often than for {most:?}; all in force {took:?} after the throttle",
        asked.refused, COUNTED
    ));
    Ok(())
}

const THROTTLE: &str = "anyray-e2e-throttle";

/// The API server answers the operator's requests one at a time, and those beside it with 429:
/// without any share, one request is let in as long as there is no other.
fn throttle() -> [Value; 2] {
    let api_version = "flowcontrol.apiserver.k8s.io/v1";
    let level = json!({
        "apiVersion": api_version,
        "kind": "PriorityLevelConfiguration",
        "metadata": { "name": THROTTLE },
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
        "metadata": { "name": THROTTLE },
        "spec": {
            "priorityLevelConfiguration": { "name": THROTTLE },
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

/// What the operator has asked the API server.
#[derive(Default)]
struct Asked {
    /// How often for what.
    counts: BTreeMap<String, usize>,
    /// How often it was told to come back later.
    refused: usize,
}

/// Wants something of the operator, cuts all its watches, and counts what it asks.
async fn while_throttled(context: &Context) -> Result<Asked> {
    context.apply(&throttle()).await?;
    let schema = format!("flowschema/{THROTTLE}");
    context
        .kubectl(&["wait", "--for=condition=Dangling=False", &schema])
        .await?;
    context.cluster().stop_api_server().await?;
    context.cluster().start_api_server().await?;
    let mut log = File::open(context.cluster().audit_log()?)?;
    log.seek(SeekFrom::End(0))?;
    context.apply(&waiting(&json!(["/v1/files"]))).await?;
    sleep(COUNTED).await;
    let asked = asked(&mut log)?;
    let most = RESTARTED_WATCHES + usize::try_from(COUNTED.as_secs())?;
    ensure!(asked.refused > 0, "nothing was refused: {:?}", asked.counts);
    for (what, count) in &asked.counts {
        ensure!(*count <= most, "{count} times in {COUNTED:?}: {what}");
    }
    Ok(asked)
}

/// From where the audit log was read to.
fn asked(log: &mut File) -> Result<Asked> {
    let user = format!("system:serviceaccount:{SYSTEM}:anyray-operator");
    let mut asked = Asked::default();
    for line in BufReader::new(log).lines() {
        // The last one may be half written.
        let Ok(event) = serde_json::from_str::<Value>(&line?) else {
            continue;
        };
        // A watch that goes on is told of at its start, too.
        if event["user"]["username"] != user.as_str() || event["stage"] != "ResponseComplete" {
            continue;
        }
        asked.refused += usize::from(event["responseStatus"]["code"] == 429);
        let object = &event["objectRef"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let parts = ["resource", "subresource", "namespace", "name"].map(|it| text(&object[it]));
        let what = format!("{} {}", text(&event["verb"]), parts.join("/"));
        *asked.counts.entry(what).or_default() += 1;
    }
    Ok(asked)
}
