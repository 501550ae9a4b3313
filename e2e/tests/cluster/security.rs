//! What a gateway may do, where a key may be seen, and whose objects the operator leaves alone.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use anyray_e2e::{
    kstatus::{Kstatus, kstatus},
    wait,
};
use serde_json::{Value, json};

use crate::{
    access,
    harness::{Context, Entry, shared},
    http,
    operator::{READY_LIMIT, SYSTEM, gateway, provider_key, secret},
};

/// How soon a gateway goes on once the object in its way is gone: nobody tells the operator.
const CONFLICT_LIMIT: Duration = Duration::from_secs(20);

const GATEWAY_PODS: &str = "anyray.ai/gateway=g";

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        shared("security_s1_a_gateway_has_few_rights", has_few_rights),
        shared("security_s4_a_key_is_seen_in_secrets_only", hides_keys),
        shared("security_s21_foreign_objects_stay", leaves_foreign_objects),
        shared(
            "security_gitops_marks_of_a_gateway_are_not_passed_on",
            passes_no_marks_on,
        ),
        shared(
            "security_of_pods_the_operator_changes_annotations_only",
            changes_annotations_only,
        ),
    ]
}

/// A gateway `g` with one pod and one key.
async fn start(context: &Context) -> Result<()> {
    context.start_gateway("sk-first", json!({})).await
}

/// What a gateway `g` may do beyond every other account, as `kubectl auth can-i --list` tells it:
/// resource, names, verbs.
const RIGHTS: [&str; 5] = [
    "anyraygateways.anyray.ai/clients [] [] [serve]",
    "anyraygateways.anyray.ai/clients [] [g] [own]",
    "clientkeys.anyray.ai [] [] [get list watch create delete]",
    "invites.anyray.ai [] [] [get list watch create delete]",
    "invites.anyray.ai/status [] [] [update]",
];

async fn has_few_rights(context: Context) -> Result<()> {
    start(&context).await?;
    let pods = context.pods(context.namespace(), GATEWAY_PODS).await?;
    ensure!(pods.len() == 1, "{} pods", pods.len());
    for pod in &pods {
        let spec = &pod["spec"];
        ensure!(spec["serviceAccountName"] == "g", "{spec}");
        ensure!(spec["automountServiceAccountToken"] == false, "{spec}");
        // The one token is mounted by name, for an hour, for the API server alone.
        let tokens = spec.to_string().matches("serviceAccountToken\":{").count();
        ensure!(tokens == 1, "{tokens} tokens in {spec}");
    }
    context
        .kubectl(&["create", "serviceaccount", "fresh"])
        .await?;
    let (own, fresh) = (
        rights(&context, "g").await?,
        rights(&context, "fresh").await?,
    );
    let beyond: Vec<_> = own.iter().filter(|line| !fresh.contains(line)).collect();
    ensure!(beyond == RIGHTS.iter().collect::<Vec<_>>(), "{beyond:#?}");
    Ok(())
}

/// What a service account may do, sorted.
async fn rights(context: &Context, account: &str) -> Result<Vec<String>> {
    let user = format!(
        "--as=system:serviceaccount:{}:{account}",
        context.namespace()
    );
    let list = context.kubectl(&["auth", "can-i", "--list", &user]).await?;
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines: Vec<_> = list.lines().map(words).collect();
    ensure!(lines.len() > 1, "{list}");
    lines.sort();
    Ok(lines)
}

const FIRST: &str = "sk-canary-first-5f1c2ab7d9e84360";
pub(crate) const ROTATED: &str = "sk-canary-rotated-81be07c4a2f6439d";
const UNUSABLE: &str = "sk-canary-unusable-2d6690fbc1734ae8";
const PROMPT: &str = "canary-prompt-c7719e40b8d245fa";

async fn hides_keys(context: Context) -> Result<()> {
    context.operator().await?;
    context.start_echo().await?;
    let unreachable = json!({
        "provider": "anthropic",
        "endpoint": { "url": "http://echo:1", "allowInsecure": true },
    });
    context
        .apply(&[
            secret("key", FIRST),
            // A line break makes no header: it is refused.
            secret("unusable", &format!("{UNUSABLE}\nx-more: 1")),
            provider_key("openai", "key", json!({})),
            provider_key("anthropic", "key", unreachable),
            provider_key("unusable", "unusable", json!({})),
            gateway("g", json!({ "observability": { "logLevel": "debug" } })),
        ])
        .await?;
    context.wait_for("anyraygateway/g", "Ready").await?;
    context.wait_for_answer("g").await?;
    context
        .wait_for_reason(
            "providerkey/unusable",
            "ResolvedRefs",
            ("False", "InvalidKey"),
        )
        .await?;
    let mut needles = vec![FIRST.to_owned(), PROMPT.to_owned()];
    needles.extend(encoded(&context).await?);
    needles.extend(access::credentials(&context).await?);
    let mut seen = vec![("an answer".to_owned(), converse(&context).await?)];
    rotate(&context).await?;
    needles.extend([ROTATED.to_owned(), UNUSABLE.to_owned()]);
    needles.extend(encoded(&context).await?);
    seen.push(("an answer".to_owned(), converse(&context).await?));
    seen.extend(everything(&context).await?);
    for (place, text) in seen {
        ensure!(!text.is_empty(), "nothing of {place}");
        for needle in &needles {
            // The caller gets back what it said.
            let is_own = place == "an answer" && needle == PROMPT;
            ensure!(is_own || !text.contains(needle), "{needle} in {place}");
        }
    }
    Ok(())
}

/// The keys as Secrets hold them.
async fn encoded(context: &Context) -> Result<Vec<String>> {
    let mut values = Vec::new();
    for (object, entry) in [
        ("secret/key", "apiKey"),
        ("secret/unusable", "apiKey"),
        ("secret/g-providers", "key.openai"),
    ] {
        let value = context.read(object).await?["data"][entry].clone();
        let value = value
            .as_str()
            .with_context(|| format!("{object} has no {entry}"))?;
        values.push(value.to_owned());
    }
    Ok(values)
}

/// A request that is answered and one that cannot be; returns both answers.
async fn converse(context: &Context) -> Result<String> {
    let (status, echoed) = context.chat("g", PROMPT).await?;
    ensure!(status == 200, "{status}: {echoed}");
    let url = context.gateway_url("g").await?;
    let body = json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 8,
        "messages": [{ "role": "user", "content": PROMPT }],
    });
    let (status, failed) = http::post(&format!("{url}/v1/messages"), &body.to_string()).await?;
    ensure!(status >= 500, "{status}: {failed}");
    Ok(format!("{echoed}\n{failed}"))
}

/// Replaces the provider's key by [`ROTATED`], and waits until it is in use.
pub(crate) async fn rotate(context: &Context) -> Result<()> {
    context.apply(&[secret("key", ROTATED)]).await?;
    let version = context.read("secret/key").await?["metadata"]["resourceVersion"].clone();
    let is_in_use = async || {
        let status = context.read("providerkey/openai").await.ok()?["status"].clone();
        let is_programmed = status["gateways"][0]["programmed"] == true;
        (status["secretVersion"] == version && is_programmed).then_some(())
    };
    wait::until("the new key to be in use", READY_LIMIT, is_in_use).await
}

/// All that can be read of the test's and the operator's namespace, but Secrets.
pub(crate) async fn everything(context: &Context) -> Result<Vec<(String, String)>> {
    let kinds = context
        .kubectl(&[
            "api-resources",
            "--verbs=list",
            "--namespaced",
            "--output=name",
        ])
        .await?;
    let kinds: Vec<_> = kinds.lines().filter(|kind| *kind != "secrets").collect();
    ensure!(kinds.len() > 10, "{kinds:?}");
    let mut seen = Vec::new();
    for namespace in [context.namespace(), SYSTEM] {
        let all = [
            "get",
            &kinds.join(","),
            "--output=yaml",
            "--show-managed-fields",
        ];
        let objects = context
            .kubectl(&[&["--namespace", namespace], &all[..]].concat())
            .await?;
        seen.push((format!("the objects of {namespace}"), objects));
    }
    let operator = context.operator_pod().await?;
    let pods = context.pods(context.namespace(), GATEWAY_PODS).await?;
    for pod in pods.iter().chain([&operator]) {
        let text = |at: &str| pod.pointer(at).and_then(Value::as_str).context("no text");
        let (namespace, name) = (text("/metadata/namespace")?, text("/metadata/name")?);
        let logs = context
            .kubectl(&["--namespace", namespace, "logs", name])
            .await?;
        seen.push((format!("the log of {name}"), logs));
        let (_, metrics) = context.ask_pod(pod, "8789/metrics").await?;
        seen.push((format!("the metrics of {name}"), metrics));
    }
    for pod in &pods {
        let (_, config) = context.ask_pod(pod, "8789/config").await?;
        seen.push(("what a pod says it runs".to_owned(), config));
    }
    if context.cluster().is_ours() {
        let audit = fs::read_to_string(context.cluster().audit_log()?)?;
        seen.push(("the audit log".to_owned(), audit));
    }
    Ok(seen)
}

/// What stands in the way of five gateways, each with the name of the gateway.
fn foreign_objects() -> [(&'static str, &'static str, Value); 5] {
    let pod = json!({
        "metadata": { "labels": { "app": "foreign" } },
        "spec": { "containers": [{ "name": "foreign", "image": "foreign" }] },
    });
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "e" },
        "spec": {
            "replicas": 0,
            "selector": { "matchLabels": { "app": "foreign" } },
            "template": pod,
        },
    });
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "d" },
        "spec": { "selector": { "app": "foreign" }, "ports": [{ "port": 80 }] },
    });
    let account =
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "a" } });
    let config_map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        // A label alone does not make it the operator's.
        "metadata": { "name": "c-config", "labels": { "app.kubernetes.io/managed-by": "anyray-operator" } },
        "data": { "gateway.json": "foreign" },
    });
    [
        ("a", "ServiceAccount", account),
        ("b", "Secret", secret("b-providers", "foreign")),
        ("c", "ConfigMap", config_map),
        ("d", "Service", service),
        ("e", "Deployment", deployment),
    ]
}

async fn leaves_foreign_objects(context: Context) -> Result<()> {
    context.operator().await?;
    let objects = foreign_objects();
    let foreign: Vec<_> = objects
        .iter()
        .map(|(_, _, object)| object.clone())
        .collect();
    context.apply(&foreign).await?;
    // Its controller has its say before the comparison.
    context
        .kubectl(&[
            "wait",
            "--for=jsonpath={.status.observedGeneration}=1",
            "deployment/e",
        ])
        .await?;
    let mut before = Vec::new();
    for (_, kind, object) in &objects {
        before.push(context.read(&target(kind, object)).await?);
    }
    let gateways: Vec<_> = objects
        .iter()
        .map(|(name, ..)| gateway(name, json!({})))
        .collect();
    context.apply(&gateways).await?;
    for (name, kind, object) in &objects {
        let named = format!("anyraygateway/{name}");
        context
            .wait_for_reason(&named, "Accepted", ("False", "NameConflict"))
            .await?;
        let gateway = context.read(&named).await?;
        let conflict = format!(
            "{kind} {}",
            object["metadata"]["name"].as_str().unwrap_or_default()
        );
        let says_which = |condition: &Value| {
            let message = condition["message"].as_str().unwrap_or_default();
            condition["type"] == "Accepted" && message.starts_with(&conflict)
        };
        let conditions = gateway["status"]["conditions"].as_array();
        ensure!(
            conditions.is_some_and(|all| all.iter().any(says_which)),
            "{gateway}"
        );
        ensure!(kstatus(&gateway) == Kstatus::Failed, "{gateway}");
    }
    for ((_, kind, object), before) in objects.iter().zip(&before) {
        let after = context.read(&target(kind, object)).await?;
        ensure!(&after == before, "{after} was {before}");
    }
    goes_on(&context, &objects).await
}

fn target(kind: &str, object: &Value) -> String {
    format!(
        "{kind}/{}",
        object["metadata"]["name"].as_str().unwrap_or_default()
    )
}

/// Once the foreign objects are gone.
async fn goes_on(context: &Context, objects: &[(&str, &str, Value)]) -> Result<()> {
    let started = Instant::now();
    for (_, kind, object) in objects {
        context.kubectl(&["delete", &target(kind, object)]).await?;
    }
    for (name, ..) in objects {
        let named = format!("anyraygateway/{name}");
        context
            .wait_for_reason(&named, "Accepted", ("True", "Accepted"))
            .await?;
    }
    let took = started.elapsed();
    ensure!(took < CONFLICT_LIMIT, "accepted only after {took:?}");
    for (name, ..) in objects {
        context
            .wait_for(&format!("anyraygateway/{name}"), "Available")
            .await?;
    }
    let served = started.elapsed();
    crate::tell(&format!(
        "5 gateways whose names were taken: accepted {took:?} after the names were free, with pods {served:?}"
    ));
    Ok(())
}

/// A gateway as a GitOps tool applies it: with marks by which the tool knows its own.
fn marked_gateway() -> Value {
    let mut object = gateway("g", json!({}));
    object["metadata"]["labels"] = json!({
        "app.kubernetes.io/instance": "other-app",
        "app.kubernetes.io/managed-by": "other-app",
        "argocd.argoproj.io/instance": "other-app",
        "kustomize.toolkit.fluxcd.io/name": "other-app",
        "helm.toolkit.fluxcd.io/name": "other-app",
        "example.com/team": "other-app",
    });
    object["metadata"]["annotations"] = json!({
        "argocd.argoproj.io/tracking-id": "other-app:anyray.ai/AnyrayGateway:x/g",
        "argocd.argoproj.io/sync-options": "Prune=false",
        "kustomize.toolkit.fluxcd.io/prune": "disabled",
        "meta.helm.sh/release-name": "other-app",
        "service.beta.kubernetes.io/aws-load-balancer-type": "external",
        "kubectl.kubernetes.io/restartedAt": "other-app",
    });
    object
}

const MARKS: [&str; 6] = [
    "other-app",
    "argocd.argoproj.io",
    "fluxcd.io",
    "meta.helm.sh",
    "example.com/team",
    "service.beta.kubernetes.io",
];

async fn passes_no_marks_on(context: Context) -> Result<()> {
    context.operator().await?;
    context
        .apply(&[
            secret("key", "sk-first"),
            provider_key("openai", "key", json!({})),
        ])
        .await?;
    let created = context
        .kubectl_with(
            &["create", "--output=json", "-f", "-"],
            &marked_gateway().to_string(),
        )
        .await?;
    let created: Value = serde_json::from_str(&created)?;
    context.wait_for("anyraygateway/g", "Ready").await?;
    let after = context
        .kubectl(&[
            "get",
            "anyraygateway/g",
            "--output=json",
            "--show-managed-fields",
        ])
        .await?;
    let after: Value = serde_json::from_str(&after)?;
    ensure!(after["spec"] == created["spec"], "{after}");
    for field in [
        "labels",
        "annotations",
        "generation",
        "finalizers",
        "ownerReferences",
    ] {
        ensure!(
            after["metadata"][field] == created["metadata"][field],
            "{field}: {after}"
        );
    }
    owns_only_status(&after)?;
    let kinds =
        "serviceaccounts,secrets,configmaps,services,deployments,replicasets,pods,endpointslices";
    let children = context
        .kubectl(&["get", kinds, "--output=json", "--show-managed-fields"])
        .await?;
    let children: Value = serde_json::from_str(&children)?;
    let children = children["items"].as_array().context("a list")?;
    ensure!(children.len() >= 8, "only {} objects", children.len());
    for child in children {
        let text = child.to_string();
        for mark in MARKS {
            ensure!(!text.contains(mark), "{mark} in {text}");
        }
    }
    Ok(())
}

/// The operator has written the status, and nothing else.
fn owns_only_status(object: &Value) -> Result<()> {
    let entries = object["metadata"]["managedFields"].as_array();
    let entries = entries.context("no managed fields")?;
    let is_the_operators = |entry: &&Value| entry["manager"] == "anyray-operator";
    let its: Vec<_> = entries.iter().filter(is_the_operators).collect();
    ensure!(!its.is_empty(), "{entries:?}");
    for entry in its {
        let fields = entry["fieldsV1"].as_object().context("no fields")?;
        let is_status = fields.keys().all(|field| field == "f:status");
        ensure!(is_status && entry["subresource"] == "status", "{entry}");
    }
    Ok(())
}

async fn changes_annotations_only(context: Context) -> Result<()> {
    start(&context).await?;
    context.start_echo().await?;
    let pods = context.pods(context.namespace(), GATEWAY_PODS).await?;
    let others = context
        .pods(context.namespace(), "app.kubernetes.io/name=echo")
        .await?;
    let name = |pods: &[Value]| {
        let name = pods
            .first()
            .and_then(|pod| pod["metadata"]["name"].as_str());
        name.map(|name| format!("pod/{name}")).context("no pod")
    };
    let (own, other) = (name(&pods)?, name(&others)?);
    let container = &pods.first().context("no pod")?["spec"]["containers"][0]["name"];
    let allowed = json!({ "metadata": { "annotations": { "anyray.ai/e2e": "x" } } });
    let image = json!({ "containers": [{ "name": container, "image": "other" }] });
    let refused = [
        (&other, allowed.clone(), "only pods that carry the label"),
        (
            &own,
            json!({ "metadata": { "annotations": { "example.com/e2e": "x" } } }),
            "only annotations that begin with anyray.ai/",
        ),
        (
            &own,
            json!({ "metadata": { "labels": { "app": "x" } } }),
            "nothing of a pod but annotations",
        ),
        (
            &own,
            json!({ "metadata": { "labels": { "anyray.ai/gateway": "other" } } }),
            "nothing of a pod but annotations",
        ),
        (
            &own,
            json!({ "metadata": { "finalizers": ["example.com/e2e"] } }),
            "nothing of a pod but annotations",
        ),
        (
            &own,
            json!({ "spec": image }),
            "nothing of a pod but annotations",
        ),
    ];
    for (pod, patch, reason) in refused {
        let Err(error) = patch_as_operator(&context, pod, &patch).await else {
            bail!("{patch} was allowed on {pod}");
        };
        ensure!(format!("{error:#}").contains(reason), "{patch}: {error:#}");
    }
    patch_as_operator(&context, &own, &allowed).await
}

async fn patch_as_operator(context: &Context, pod: &str, patch: &Value) -> Result<()> {
    let user = format!("--as=system:serviceaccount:{SYSTEM}:anyray-operator");
    let patch = patch.to_string();
    context
        .kubectl(&["patch", pod, &user, "--patch", &patch])
        .await?;
    Ok(())
}
