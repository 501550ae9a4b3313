//! Keys change under load: no request fails, no pod restarts, and the old key is soon unused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::wait;
use serde_json::{Value, json};

use crate::{
    harness::{Context, Entry, shared},
    http,
    length::{is_soak, lengths, p95},
    operator::{gateway, provider_key, secret},
};

/// How soon the next request goes with the new key, for 19 of 20.
const GOAL: Duration = Duration::from_secs(5);

/// How soon the last one does: before the kubelet would fetch it by itself, which takes a minute.
const LIMIT: Duration = Duration::from_secs(45);

pub(crate) fn tests() -> Vec<Entry> {
    vec![
        shared("rotation_r16_a_new_key_serves_within_seconds", rotates)
            .within(Duration::from_secs(600)),
    ]
}

async fn rotates(context: Context) -> Result<()> {
    context.operator().await?;
    context.start_echo().await?;
    let key = |number: usize| format!("sk-rotation-{number}");
    context
        .apply(&[
            secret("key", &key(0)),
            provider_key("openai", "key", json!({})),
            gateway("g", json!({ "replicas": 2 })),
        ])
        .await?;
    context.wait_for("anyraygateway/g", "Ready").await?;
    let before = lives(&context).await?;
    let load = Load::start(context.gateway_url("g").await?);
    let mut times = Vec::new();
    let rotations = lengths().rotations;
    for number in 1..=rotations {
        let started = Instant::now();
        context.apply(&[secret("key", &key(number))]).await?;
        times.push(in_use(&context, started).await?);
    }
    let requests = load.stop().await?;
    let (p95, max) = p95(times).context("no time")?;
    crate::tell(&format!(
        "rotation of a key on 2 pods: p95 {p95:?}, maximum {max:?} of {rotations}; {requests} requests, none failed"
    ));
    // Beside other tests and on few cores a time says little; that each wait ended says that the new
    // configuration was pushed.
    ensure!(!is_soak() || p95 < GOAL, "p95 {p95:?}, maximum {max:?}");
    ensure!(lives(&context).await? == before, "a pod was restarted");
    Ok(())
}

/// Waits until every pod reports the version of the Secret that was just applied.
///
/// What a pod reports is what its next request goes with: the gateway's own tests hold that.
async fn in_use(context: &Context, started: Instant) -> Result<Duration> {
    let version = context.read("secret/key").await?["metadata"]["resourceVersion"].clone();
    let is_in_use = async || {
        let key = context.read("providerkey/openai").await.ok()?;
        let status = &key["status"];
        let is_programmed = status["gateways"][0]["programmed"] == true;
        (status["secretVersion"] == version && is_programmed).then_some(())
    };
    wait::until("the new key to be in use", LIMIT, is_in_use).await?;
    Ok(started.elapsed())
}

/// Uids and restarts of the gateway's pods.
async fn lives(context: &Context) -> Result<Vec<(String, u64)>> {
    let ours = "--selector=anyray.ai/gateway=g";
    let text = context
        .kubectl(&["get", "pods", ours, "--output=json"])
        .await?;
    let pods: Value = serde_json::from_str(&text)?;
    let pods = pods["items"]
        .as_array()
        .context("a list")?
        .iter()
        .map(|pod| {
            let uid = pod["metadata"]["uid"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_u64();
            (uid, restarts.unwrap_or_default())
        });
    let mut pods: Vec<_> = pods.collect();
    pods.sort();
    Ok(pods)
}

/// Requests one after the other, without a retry.
struct Load {
    is_over: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Result<()>>,
}

impl Load {
    fn start(url: String) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let (over, counter) = (Arc::clone(&is_over), Arc::clone(&count));
        let task = tokio::spawn(async move {
            let body =
                json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": "x" }] });
            let (url, body) = (format!("{url}/v1/chat/completions"), body.to_string());
            while !over.load(Ordering::Relaxed) {
                let (status, answer) = http::post(&url, &body).await?;
                ensure!(status == 200, "{status}: {answer}");
                counter.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        Self {
            is_over,
            count,
            task,
        }
    }

    async fn stop(self) -> Result<usize> {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await?.context("a request failed")?;
        let count = self.count.load(Ordering::Relaxed);
        ensure!(count > 0, "no request was made");
        Ok(count)
    }
}
