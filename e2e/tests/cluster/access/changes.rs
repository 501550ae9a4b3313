//! How soon a key, and the end of one, are known on every pod; and what is known when the API
//! server is away.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::wait;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{admin, chat, make_code, make_key, pod_urls, redeem, start};
use crate::{
    faults::settled,
    harness::{Context, Entry, shared},
    length::{lengths, p95},
};

/// How soon a new key is valid on every pod.
const VALID: Duration = Duration::from_secs(2);

/// How soon a deleted one is refused by every pod.
const REFUSED: Duration = Duration::from_secs(5);

/// For a change, before it counts as lost.
const LIMIT: Duration = Duration::from_secs(30);

/// For a container to be started again.
const RESTARTED: Duration = Duration::from_secs(60);

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        shared("access_changes_of_keys_reach_every_pod_in_time", reach_all),
        settled(
            "access_keys_outlive_a_restart_without_an_api_server",
            survive,
        ),
    ]
}

async fn reach_all(context: Context) -> Result<()> {
    start(&context, 3).await?;
    let urls = pod_urls(&context).await?;
    ensure!(urls.len() == 3, "{urls:?}");
    let (mut valid, mut refused) = (Vec::new(), Vec::new());
    let changes = lengths().key_changes;
    for _ in 0..changes {
        let (key, id) = make_key(&context).await?;
        valid.push(until_all(&urls, &key, 200).await?);
        let path = format!("client-keys/{id}");
        let (status, _) = admin(&context, "DELETE", &path, &Value::Null).await?;
        ensure!(status == 204, "{status}");
        refused.push(until_all(&urls, &key, 401).await?);
    }
    let (valid, most_valid) = p95(valid).context("no time")?;
    let (refused, most_refused) = p95(refused).context("no time")?;
    crate::tell(&format!(
        "a key on 3 pods: valid on all after p95 {valid:?}, maximum {most_valid:?}; refused by all after p95 {refused:?}, maximum {most_refused:?}; {changes} times"
    ));
    ensure!(valid < VALID, "valid after {valid:?}");
    ensure!(refused < REFUSED, "refused after {refused:?}");
    Ok(())
}

/// Time until every pod gives this answer to a key.
async fn until_all(urls: &[String], key: &str, expected: u16) -> Result<Duration> {
    let started = Instant::now();
    for url in urls {
        let answers = async || {
            let (status, _) = chat(url, key).await.ok()?;
            (status == expected).then_some(())
        };
        wait::until("the pod's answer to change", LIMIT, answers).await?;
    }
    Ok(started.elapsed())
}

async fn survive(context: &Context) -> Result<()> {
    start(context, 1).await?;
    let (key, _) = make_key(context).await?;
    let (code, _) = make_code(context).await?;
    let urls = pod_urls(context).await?;
    let url = urls.first().context("no pod")?;
    until_all(&urls, &key, 200).await?;
    let pods = context.pods(context.namespace(), super::PODS).await?;
    let pod = pods.first().context("no pod")?["metadata"]["name"].clone();
    let pod = pod.as_str().context("no name")?;
    // The snapshot is written a second after the last change.
    tokio::time::sleep(Duration::from_secs(3)).await;
    context.cluster().stop_api_server().await?;
    let survived = without_api_server(url, (&key, &code), pod).await;
    context.cluster().start_api_server().await?;
    survived?;
    // What could not be redeemed then can be now.
    let redeemed = async || {
        let (status, _) = redeem(url, &code).await.ok()?;
        (status == 200).then_some(())
    };
    wait::until("the code to be redeemed", RESTARTED, redeemed).await
}

async fn without_api_server(url: &str, (key, code): (&str, &str), pod: &str) -> Result<()> {
    let (status, body) = chat(url, key).await?;
    ensure!(status == 200, "{status}: {body}");
    let (status, answer) = redeem(url, code).await?;
    ensure!(status == 503, "{status}: {answer}");
    kill(process_of(pod)?, Signal::SIGKILL)?;
    let served = async || {
        let (status, _) = chat(url, key).await.ok()?;
        (status == 200).then_some(())
    };
    wait::until("the new container to know the key", RESTARTED, served).await
}

/// The gateway's process in a pod, which tells its name in its environment.
pub(super) fn process_of(pod: &str) -> Result<Pid> {
    let name = format!("POD_NAME={pod}\0");
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        let is_meant = String::from_utf8_lossy(&environment).contains(&name);
        let id = path.file_name().and_then(|id| id.to_str()?.parse().ok());
        if let (true, Some(id)) = (is_meant, id) {
            return Ok(Pid::from_raw(id));
        }
    }
    anyhow::bail!("no process of pod {pod}")
}
