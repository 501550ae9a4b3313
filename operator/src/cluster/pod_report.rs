//! Asks a gateway's pod which configuration it runs: `GET /config` on its ops port.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;

use crate::cluster::gateway::pods::Report;

/// Longest wait for a pod's answer.
const LIMIT: Duration = Duration::from_secs(2);

/// Largest answer that is read: a hash and a reason.
const MAX_ANSWER_BYTES: usize = 64 << 10;

const OPS_PORT: u16 = 8789;

#[derive(Deserialize)]
struct Answer {
    hash: String,
    rejected: Option<Rejection>,
}

#[derive(Deserialize)]
struct Rejection {
    reason: String,
}

/// A client for the ops ports of pods.
#[derive(Debug)]
pub struct PodReports {
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Default for PodReports {
    fn default() -> Self {
        // A pod's address may be another pod's tomorrow: no connection is kept.
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build_http();
        Self { client }
    }
}

impl PodReports {
    /// What the pod at this address runs.
    pub async fn ask(&self, ip: &str) -> Report {
        let answer = tokio::time::timeout(LIMIT, self.get(ip)).await;
        match answer.ok().flatten() {
            Some(answer) => Report::Runs {
                hash: answer.hash,
                rejected: answer.rejected.map(|rejection| rejection.reason),
            },
            None => Report::Unreachable,
        }
    }

    async fn get(&self, ip: &str) -> Option<Answer> {
        let host = if ip.contains(':') {
            format!("[{ip}]")
        } else {
            ip.to_owned()
        };
        let url = format!("http://{host}:{OPS_PORT}/config").parse().ok()?;
        let answer = self.client.get(url).await.ok()?;
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES);
        let body = body.collect().await.ok()?.to_bytes();
        serde_json::from_slice(&body).ok()
    }
}
