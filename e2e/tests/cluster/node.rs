//! The cluster itself is what the other tests take it for.

use std::{fs, net::Ipv4Addr, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use anyray_e2e::wait;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, Pod, Service},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use crate::{
    faults::settled,
    harness::{Context, Entry, shared},
};

/// For a pod to start, on a machine that is busy with other tests.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Less than the minute that kubelet takes by itself to look at a volume again.
const MOUNT_LIMIT: Duration = Duration::from_secs(20);

/// For one answer of something that is ready.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Long enough to tell silence from an answer.
const SILENCE: Duration = Duration::from_secs(1);

/// Where the cluster's DNS answers.
const DNS: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 96, 0, 10), 53);

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        shared("node_a_restricted_pod_answers_through_its_service", answers),
        shared("node_a_service_has_a_name", has_a_name).on_ours_only(),
        shared("node_a_pod_without_restrictions_is_refused", is_refused),
        shared(
            "node_an_annotation_brings_a_config_map_at_once",
            brings_config,
        )
        .on_ours_only(),
        shared("node_logs_exec_and_port_forward_work", can_be_looked_into),
        shared("node_a_deleted_namespace_goes", namespace_goes).within(READY_LIMIT * 2),
        settled("node_the_api_server_can_be_stopped_and_started", restarts).in_soak_only(),
        settled("node_the_api_server_can_fall_silent", falls_silent).in_soak_only(),
    ]
}

async fn answers(context: Context) -> Result<()> {
    start_fakes(&context).await?;
    let url = context
        .cluster()
        .service_url(context.namespace(), "fakes", 80)
        .await?;
    let address = url.trim_start_matches("http://");
    // The Service is ready a moment after its pod.
    let status = async || ask_status(address).await.ok();
    wait::until("an answer through the Service", ANSWER_LIMIT, status).await?;
    Ok(())
}

async fn has_a_name(context: Context) -> Result<()> {
    context.create::<Service>(service()).await?;
    wait_for_name(&context, "fakes", ANSWER_LIMIT).await
}

/// Waits until the node leads to a pod of a Service, and the DNS has its name.
pub(crate) async fn wait_for_service(
    context: &Context,
    name: &str,
    port: u16,
    limit: Duration,
) -> Result<()> {
    let url = context
        .cluster()
        .service_url(context.namespace(), name, port);
    let url = url.await?;
    let address = url.strip_prefix("http://").context("an http URL")?;
    let leads = async || {
        let connected = timeout(SILENCE, TcpStream::connect(address)).await;
        connected.ok()?.ok()
    };
    wait::until("the node to lead to the Service", limit, leads).await?;
    wait_for_name(context, name, limit).await
}

async fn wait_for_name(context: &Context, service: &str, limit: Duration) -> Result<()> {
    let address = context.api::<Service>().get(service).await?.spec;
    let address = address.and_then(|spec| spec.cluster_ip);
    let address: Ipv4Addr = address.context("no address")?.parse()?;
    let name = format!("{service}.{}.svc.cluster.local", context.namespace());
    let found = async || (resolve(&name).await.ok()? == address).then_some(());
    wait::until("the name of the Service", limit, found).await
}

async fn is_refused(context: Context) -> Result<()> {
    let pod = json!({
        "metadata": {"name": "unrestricted"},
        "spec": {"containers": [{"name": "fakes", "image": context.cluster().image("fakes")}]},
    });
    let refused = context.create::<Pod>(pod).await;
    let Err(error) = refused else {
        bail!("a pod without a security context was admitted");
    };
    ensure!(
        format!("{error:#}").contains("violates PodSecurity"),
        "{error:#}"
    );
    Ok(())
}

async fn brings_config(context: Context) -> Result<()> {
    let config = json!({"metadata": {"name": "config"}, "data": {"key": "old"}});
    context.create::<ConfigMap>(config).await?;
    start_fakes(&context).await?;
    let pod = find_pod(&context).await?;
    let uid = pod.metadata.uid.context("a pod without uid")?;
    let file = context
        .cluster()
        .volume_dir(&uid, "kubernetes.io~configmap", "config")?
        .join("key");
    ensure!(fs::read_to_string(&file)? == "old");
    let new = json!({"data": {"key": "new"}});
    let merge = PatchParams::default();
    context
        .api::<ConfigMap>()
        .patch("config", &merge, &Patch::Merge(new))
        .await?;
    let annotation = json!({"metadata": {"annotations": {"anyray.example/config": "new"}}});
    let name = pod.metadata.name.context("a pod without a name")?;
    context
        .api::<Pod>()
        .patch(&name, &merge, &Patch::Merge(annotation))
        .await?;
    let arrived = async || (fs::read_to_string(&file).ok()? == "new").then_some(());
    wait::until("the new value in the mounted file", MOUNT_LIMIT, arrived).await
}

async fn can_be_looked_into(context: Context) -> Result<()> {
    start_fakes(&context).await?;
    let logs = context.kubectl(&["logs", "deployment/fakes"]).await?;
    ensure!(logs.contains("listening on"), "not in the logs: {logs}");
    let version = [
        "exec",
        "deployment/fakes",
        "--",
        "/anyray-fakes",
        "--version",
    ];
    let version = context.kubectl(&version).await?;
    ensure!(
        version.starts_with("anyray-fakes "),
        "not a version: {version}"
    );
    let name = find_pod(&context)
        .await?
        .metadata
        .name
        .context("a pod without a name")?;
    let namespace = context.namespace();
    let forward = context
        .cluster()
        .port_forward(namespace, &format!("pod/{name}"), 8786)
        .await?;
    ask_status(&forward.address().to_string()).await?;
    Ok(())
}

async fn namespace_goes(context: Context) -> Result<()> {
    start_fakes(&context).await?;
    let namespaces: Api<Namespace> = Api::all(context.client());
    namespaces
        .delete(context.namespace(), &DeleteParams::default())
        .await?;
    let gone = async || match namespaces.get_opt(context.namespace()).await {
        Ok(None) => Some(()),
        _ => None,
    };
    wait::until("the namespace to go", READY_LIMIT, gone).await
}

async fn restarts(context: &Context) -> Result<()> {
    let cluster = context.cluster();
    let before = cluster.api_server_pid()?;
    cluster.stop_api_server().await?;
    let refused = TcpStream::connect(cluster.api_server_address()?).await;
    ensure!(refused.is_err(), "a stopped API server takes connections");
    cluster.start_api_server().await?;
    ensure!(cluster.api_server_pid()? != before);
    // What it knew it knows again, and pods can run.
    start_fakes(context).await
}

async fn falls_silent(context: &Context) -> Result<()> {
    let cluster = context.cluster();
    let hole = cluster.black_hole_api_server().await?;
    TcpStream::connect(cluster.api_server_address()?).await?;
    let namespaces: Api<Namespace> = Api::all(cluster.client().await?);
    let silent = timeout(SILENCE, namespaces.list(&ListParams::default())).await;
    ensure!(silent.is_err(), "a black hole answers");
    hole.end().await?;
    namespaces.list(&ListParams::default()).await?;
    Ok(())
}

/// A Deployment and a Service of the fakes; returns once the pod is ready.
async fn start_fakes(context: &Context) -> Result<()> {
    let deployment = deployment(&context.cluster().image("fakes"));
    context.create::<Deployment>(deployment).await?;
    let post = PostParams::default();
    let service = serde_json::from_value(service())?;
    context.api::<Service>().create(&post, &service).await?;
    let deployments = context.api::<Deployment>();
    let ready = async || deployments.get("fakes").await.ok()?.status?.ready_replicas;
    let ready = wait::until("the pod of the fakes", READY_LIMIT, ready).await;
    if let Err(error) = ready {
        let events = context.kubectl(&["get", "events"]).await?;
        return Err(error.context(events));
    }
    Ok(())
}

async fn find_pod(context: &Context) -> Result<Pod> {
    let pods = context.api::<Pod>().list(&ListParams::default()).await?;
    pods.items.into_iter().next().context("there is no pod")
}

/// The configuration, if there is one, is mounted, but the fakes do not read it.
fn deployment(image: &str) -> Value {
    let container = json!({
        "name": "fakes",
        "image": image,
        "args": ["echo"],
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"containerPort": 8786}],
        "readinessProbe": {"tcpSocket": {"port": 8786}, "periodSeconds": 1},
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
        },
        "volumeMounts": [{"name": "config", "mountPath": "/config"}],
    });
    let labels = json!({"app": "fakes"});
    json!({
        "metadata": {"name": "fakes"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [container],
                    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                    "volumes": [{"name": "config", "configMap": {"name": "config", "optional": true}}],
                },
            },
        },
    })
}

fn service() -> Value {
    json!({
        "metadata": {"name": "fakes"},
        "spec": {"selector": {"app": "fakes"}, "ports": [{"port": 80, "targetPort": 8786}]},
    })
}

/// The status line of some answer.
async fn ask_status(address: &str) -> Result<String> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = "GET / HTTP/1.1\r\nhost: fakes\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        anyhow::Ok(answer)
    };
    let answer = wait::at_most("an answer", ANSWER_LIMIT, ask).await??;
    ensure!(answer.starts_with("HTTP/1.1 "), "no answer: {answer}");
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// Asks the cluster's DNS for the address of a name (RFC 1035, section 4.1).
async fn resolve(name: &str) -> Result<Ipv4Addr> {
    // A number of its own, recursion desired, one question.
    let mut query = vec![0x4b, 0x38, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len())?);
        query.extend(label.as_bytes());
    }
    // The root, type A, class IN.
    query.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?;
    socket.connect(DNS).await?;
    socket.send(&query).await?;
    let mut answer = [0; 512];
    let received = wait::at_most("DNS", SILENCE, socket.recv(&mut answer)).await??;
    // The only answer ends with the address, if there is an answer at all.
    let answer = answer.get(query.len()..received).unwrap_or_default();
    let address = answer.last_chunk::<4>().context("no answer")?;
    Ok(Ipv4Addr::from(*address))
}
