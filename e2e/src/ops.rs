//! What the gateway tells on its ops port, and what the system tells of its process.

use std::{fs, net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    call::Request,
    raw::{Answer, Connection},
    wait,
};

/// Longest wait for a number to become what a test expects.
const LIMIT: Duration = Duration::from_secs(10);

/// The ops port of one gateway.
#[derive(Clone, Copy, Debug)]
pub struct Ops {
    address: SocketAddr,
}

impl Ops {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Where it is.
    pub fn address(self) -> SocketAddr {
        self.address
    }

    /// `GET` of a path.
    ///
    /// # Errors
    ///
    /// Nobody answered.
    pub async fn get(self, path: &str) -> Result<Answer> {
        let mut connection = Connection::open(self.address).await?;
        let request = Request::new("GET", path).header("connection", "close");
        connection.send(request.to_bytes()).await?;
        connection.read_answer().await
    }

    /// The exposition of all metrics.
    ///
    /// # Errors
    ///
    /// There was none.
    pub async fn metrics(self) -> Result<String> {
        let answer = self.get("/metrics").await?;
        ensure!(
            answer.status() == 200,
            "/metrics answered {}",
            answer.status()
        );
        Ok(answer.text())
    }

    /// The value of one metric, 0 where it is not there; `name` is all that stands before the
    /// value, without `anyray_gateway_`.
    ///
    /// # Errors
    ///
    /// There were no metrics.
    pub async fn metric(self, name: &str) -> Result<u64> {
        Ok(find_metric(&self.metrics().await?, name))
    }

    /// Waits until one metric has this value.
    ///
    /// # Errors
    ///
    /// It had not within 10 seconds; the message has all metrics.
    pub async fn wait_for_metric(self, name: &str, value: u64) -> Result<()> {
        let is_there = async || (self.metric(name).await.ok()? == value).then_some(());
        let what = format!("{name} to be {value}");
        let found = wait::until(&what, LIMIT, is_there).await;
        found.context(self.metrics().await?)
    }

    /// `GET /config`.
    ///
    /// # Errors
    ///
    /// It is no JSON.
    pub async fn config(self) -> Result<Value> {
        self.get("/config").await?.json()
    }

    /// The reason for which the last configuration was refused, if it was.
    ///
    /// # Errors
    ///
    /// `/config` told nothing.
    pub async fn rejection(self) -> Result<Option<String>> {
        let config = self.config().await?;
        let reason = config.pointer("/rejected/reason").and_then(Value::as_str);
        Ok(reason.map(str::to_owned))
    }
}

/// The value behind a metric's name and labels in an exposition.
pub fn find_metric(exposition: &str, name: &str) -> u64 {
    let full = format!("anyray_gateway_{name} ");
    let value = exposition.lines().find_map(|line| line.strip_prefix(&full));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_default()
}

/// Bytes of memory that a process has at most had resident.
///
/// # Errors
///
/// The process has ended.
pub fn peak_memory_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kibibytes
        .context("no VmHWM in /proc")?
        .trim()
        .parse::<u64>()?
        * 1024)
}
