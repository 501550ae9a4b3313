//! The operator as people install it, and the objects that tests give it.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::{cluster::output_of, wait};
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::{Value, json};

use crate::harness::Context;

/// Where the chart is installed.
pub(crate) const SYSTEM: &str = "anyray-system";

/// For the pods of a gateway to start, on a machine that is busy with other tests.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(90);

/// For a node to follow a change of a Service's pods.
const RULES_LIMIT: Duration = Duration::from_secs(10);

/// The root of the repository.
pub(crate) const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Installs the chart with the images under test, as the guide says.
pub(crate) async fn install(context: &Context) -> Result<()> {
    let cluster = context.cluster();
    let mut helm = cluster.helm();
    helm.current_dir(REPOSITORY)
        .args(["upgrade", "anyray", "charts/anyray", "--install"])
        .args(["--namespace", SYSTEM, "--create-namespace"])
        .args(["--wait", "--timeout", "120s"]);
    for (name, value) in [("image", "operator"), ("gatewayImage", "gateway")] {
        let image = cluster.image(value);
        let (repository, tag) = image.rsplit_once(':').context("an image without a tag")?;
        helm.args(["--set", &format!("{name}.repository={repository}")]);
        helm.args(["--set", &format!("{name}.tag={tag}")]);
    }
    output_of(helm).await?;
    Ok(())
}

/// A file of the repository.
pub(crate) fn read(path: &str) -> Result<String> {
    let path = Path::new(REPOSITORY).join(path);
    std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// An `AnyrayGateway` for every caller, with what `spec` adds.
pub(crate) fn gateway(name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "AnyrayGateway",
        "metadata": { "name": name },
        "spec": {
            "auth": { "clientKeys": "Optional" },
            "egress": { "allowPrivateAddresses": true },
            "replicas": 1,
            // What two cores bear many times over.
            "resources": { "requests": { "cpu": "10m", "memory": "16Mi" } },
        },
    });
    merge(&mut object["spec"], spec);
    object
}

/// A `ProviderKey` for OpenAI's API at the echo provider, with the entry `apiKey` of a Secret.
pub(crate) fn provider_key(name: &str, secret: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "ProviderKey",
        "metadata": { "name": name },
        "spec": {
            "provider": "openai",
            "auth": { "apiKeySecretRef": { "name": secret } },
            "endpoint": { "url": "http://echo:8786/v1", "allowInsecure": true },
        },
    });
    merge(&mut object["spec"], spec);
    object
}

/// A Secret with an API key.
pub(crate) fn secret(name: &str, key: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name },
        "stringData": { "apiKey": key },
    })
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// The API resource of a kind, in the singular and any case, as `kubectl` takes it.
fn find_resource(kind: &str) -> Option<ApiResource> {
    let anyray =
        |kind| ApiResource::from_gvk(&GroupVersionKind::gvk("anyray.ai", "v1alpha1", kind));
    Some(match kind.to_lowercase().as_str() {
        "anyraygateway" => anyray("AnyrayGateway"),
        "providerkey" => anyray("ProviderKey"),
        "invite" => anyray("Invite"),
        "clientkey" => anyray("ClientKey"),
        "configmap" => ApiResource::erase::<ConfigMap>(&()),
        "crd" => ApiResource::erase::<CustomResourceDefinition>(&()),
        "deployment" => ApiResource::erase::<Deployment>(&()),
        "secret" => ApiResource::erase::<Secret>(&()),
        "service" => ApiResource::erase::<Service>(&()),
        "serviceaccount" => ApiResource::erase::<ServiceAccount>(&()),
        _ => return None,
    })
}

impl Context {
    /// Applies objects in the namespace of the test, as `kubectl apply --server-side` does.
    pub(crate) async fn apply(&self, objects: &[Value]) -> Result<()> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        self.kubectl_with(&["apply", "--server-side", "-f", "-"], &list.to_string())
            .await?;
        Ok(())
    }

    /// `kubectl` in the namespace of the test, with a text on its standard input.
    pub(crate) async fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<String> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), input)?;
        let path = file.path().to_str().context("a path")?;
        let arguments: Vec<_> = arguments
            .iter()
            .map(|argument| if *argument == "-" { path } else { argument })
            .collect();
        self.kubectl(&arguments).await
    }

    /// Merges a patch into an object.
    pub(crate) async fn patch(&self, object: &str, patch: &Value) -> Result<()> {
        let patch = patch.to_string();
        self.kubectl(&["patch", object, "--type=merge", "--patch", &patch])
            .await?;
        Ok(())
    }

    /// The pods of a namespace that have these labels.
    pub(crate) async fn pods(&self, namespace: &str, labels: &str) -> Result<Vec<Value>> {
        let pods: Api<Pod> = Api::namespaced(self.client(), namespace);
        let selected = ListParams::default().labels(labels);
        let pods = pods.list(&selected).await?;
        let values = pods.items.into_iter().map(serde_json::to_value);
        Ok(values.collect::<Result<_, _>>()?)
    }

    /// The operator's only pod.
    pub(crate) async fn operator_pod(&self) -> Result<Value> {
        let mut pods = self
            .pods(SYSTEM, "app.kubernetes.io/component=operator")
            .await?;
        ensure!(pods.len() == 1, "{} pods of the operator", pods.len());
        pods.pop().context("no pod of the operator")
    }

    /// What a pod answers to `GET /{path}` on a port, as `8789/metrics`.
    pub(crate) async fn ask_pod(&self, pod: &Value, target: &str) -> Result<(u16, String)> {
        let text = |at: &str| pod.pointer(at).and_then(Value::as_str).unwrap_or_default();
        let (port, path) = target.split_once('/').context("no path")?;
        if self.cluster().is_ours() {
            let ip = text("/status/podIP");
            return crate::http::get(&format!("http://{ip}:{port}/{path}")).await;
        }
        let name = format!("pod/{}", text("/metadata/name"));
        let namespace = text("/metadata/namespace");
        let forward = self
            .cluster()
            .port_forward(namespace, &name, port.parse()?)
            .await?;
        crate::http::get(&format!("http://{}/{path}", forward.address())).await
    }

    /// An object as JSON, by a name such as `secret/key`.
    ///
    /// Tests that wait look many times a second, which is why this starts no `kubectl`.
    pub(crate) async fn read(&self, object: &str) -> Result<Value> {
        let (kind, name) = object.split_once('/').context("no kind before the name")?;
        let resource = find_resource(kind).with_context(|| format!("no kind {kind}"))?;
        let api: Api<DynamicObject> = if kind == "crd" {
            Api::all_with(self.client(), &resource)
        } else {
            Api::namespaced_with(self.client(), self.namespace(), &resource)
        };
        let found = api.get(name).await;
        let found = found.with_context(|| format!("read {object}"))?;
        Ok(serde_json::to_value(found)?)
    }

    /// Starts a gateway `g` with one pod and the key `openai` from the Secret `key`, and what
    /// `spec` adds.
    pub(crate) async fn start_gateway(&self, key: &str, spec: Value) -> Result<()> {
        self.operator().await?;
        self.apply(&[
            secret("key", key),
            provider_key("openai", "key", json!({})),
            gateway("g", spec),
        ])
        .await?;
        self.wait_for("anyraygateway/g", "Ready").await
    }

    /// Applies the manifests of the echo provider, from the quickstart, and waits until it serves.
    pub(crate) async fn start_echo(&self) -> Result<()> {
        self.apply_file("examples/quickstart/echo.yaml").await?;
        self.kubectl(&["rollout", "status", "deployment/echo", "--timeout=90s"])
            .await?;
        Ok(())
    }

    /// Applies a file of the repository, with the images under test in place of those it names.
    pub(crate) async fn apply_file(&self, path: &str) -> Result<()> {
        let image = self.cluster().image("fakes");
        let text = read(path)?.replace("anyray-fakes:dev", &image);
        self.kubectl_with(&["apply", "-f", "-"], &text).await?;
        Ok(())
    }

    /// Waits until a condition of an object has a status.
    pub(crate) async fn wait_for(&self, object: &str, condition: &str) -> Result<()> {
        let limit = format!("--timeout={}s", READY_LIMIT.as_secs());
        let condition = format!("--for=condition={condition}");
        let waited = self.kubectl(&["wait", &condition, object, &limit]).await;
        if let Err(error) = waited {
            let state = self.kubectl(&["get", object, "--output", "yaml"]).await?;
            return Err(error.context(state));
        }
        Ok(())
    }

    /// Status and reason of a condition, empty where the object does not have it.
    pub(crate) async fn condition(&self, object: &str, type_: &str) -> Result<(String, String)> {
        let object = self.read(object).await?;
        let conditions = object
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let found = conditions
            .into_iter()
            .flatten()
            .find(|found| found["type"] == type_);
        let text = |field: &str| {
            let value = found.and_then(|found| found[field].as_str());
            value.unwrap_or_default().to_owned()
        };
        Ok((text("status"), text("reason")))
    }

    /// Waits until a condition has this status and reason.
    pub(crate) async fn wait_for_reason(
        &self,
        object: &str,
        type_: &str,
        expected: (&str, &str),
    ) -> Result<()> {
        let mut last = None;
        let what = format!("{type_} of {object} to be {expected:?}");
        let found = wait::until(&what, READY_LIMIT, async || {
            let (status, reason) = self.condition(object, type_).await.ok()?;
            let is_so = (status.as_str(), reason.as_str()) == expected;
            last = Some((status, reason));
            is_so.then_some(())
        })
        .await;
        found.with_context(|| format!("it is {last:?}"))
    }

    /// The base URL of a gateway's Service, once it leads to a pod: a node's rules follow a moment
    /// after its pods are ready, which no status can know of.
    pub(crate) async fn gateway_url(&self, name: &str) -> Result<String> {
        let cluster = self.cluster();
        let url = cluster.service_url(self.namespace(), name, 8787).await?;
        let livez = format!("{url}/livez");
        let answers = async || crate::http::get(&livez).await.ok();
        wait::until("the Service to lead to a pod", RULES_LIMIT, answers).await?;
        Ok(url)
    }

    /// Sends a chat to a gateway; returns the status and the body.
    pub(crate) async fn chat(&self, gateway: &str, text: &str) -> Result<(u16, String)> {
        let url = self.gateway_url(gateway).await?;
        let body = json!({
            "model": "gpt-5",
            "messages": [{ "role": "user", "content": text }],
        });
        crate::http::post(&format!("{url}/v1/chat/completions"), &body.to_string()).await
    }

    /// Waits until a chat is answered: a Service leads to a pod a moment after it is ready.
    pub(crate) async fn wait_for_answer(&self, gateway: &str) -> Result<()> {
        let answered = async || self.expect_echo(gateway).await.ok();
        wait::until("an answer through the Service", READY_LIMIT, answered).await
    }

    /// A chat is answered by the echo provider.
    pub(crate) async fn expect_echo(&self, gateway: &str) -> Result<()> {
        let (status, body) = self.chat(gateway, "hello").await?;
        ensure!(
            status == 200 && body.contains("echo: hello"),
            "{status}: {body}"
        );
        Ok(())
    }
}
