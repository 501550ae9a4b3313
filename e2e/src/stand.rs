//! A fake provider and the gateway, and the raw client in front of them.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use anyray_fakes::{FakeProvider, Recorded};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    call::Request,
    config::Config,
    gateway::Gateway,
    raw::{Answer, Connection},
    wait,
};

/// Longest wait for a line that is written within 100 ms.
const LOG_LIMIT: Duration = Duration::from_secs(5);

/// raw client -> gateway -> fake.
#[derive(Debug)]
pub struct Stand {
    /// The provider.
    pub fake: FakeProvider,
    /// The gateway.
    pub gateway: Gateway,
}

impl Stand {
    /// Starts both.
    ///
    /// # Errors
    ///
    /// One of them did not start.
    pub async fn start() -> Result<Self> {
        Self::start_with(|config| config).await
    }

    /// Like [`Self::start`], with changes to the configuration of the gateway.
    ///
    /// # Errors
    ///
    /// One of them did not start.
    pub async fn start_with(change: impl FnOnce(Config) -> Config) -> Result<Self> {
        Self::start_env(change, &[]).await
    }

    /// Like [`Self::start_with`], with further environment variables for the gateway.
    ///
    /// # Errors
    ///
    /// One of them did not start.
    pub async fn start_env(
        change: impl FnOnce(Config) -> Config,
        env: &[(&str, &str)],
    ) -> Result<Self> {
        let fake = FakeProvider::start()
            .await
            .context("start the fake provider")?;
        let gateway = start_gateway(&change(Config::for_provider(&fake.url())), env).await?;
        Ok(Self { fake, gateway })
    }

    /// A connection to the gateway.
    ///
    /// # Errors
    ///
    /// It was refused.
    pub async fn open(&self) -> Result<Connection> {
        Connection::open(self.gateway.address()).await
    }

    /// Sends a request on a connection of its own.
    ///
    /// # Errors
    ///
    /// There was no answer.
    pub async fn send(&self, request: &Request) -> Result<Answer> {
        send(&self.gateway, request).await
    }

    /// Sends a request and reads the head of the answer; the body is to be read yet.
    ///
    /// # Errors
    ///
    /// There was no answer.
    pub async fn begin(&self, request: &Request) -> Result<Connection> {
        let mut connection = self.open().await?;
        connection.send(request.to_bytes()).await?;
        let head = connection.read_head().await?;
        if head.status != 200 {
            let (body, _) = connection.read_rest().await?;
            bail!("{}: {}", head.status, String::from_utf8_lossy(&body));
        }
        Ok(connection)
    }

    /// The one request that reached the provider since the last look.
    ///
    /// # Errors
    ///
    /// There was none, or more than one.
    pub fn take_request(&self) -> Result<Recorded> {
        let mut requests = self.fake.take_requests();
        let (Some(request), true) = (requests.pop(), requests.is_empty()) else {
            bail!(
                "{} more requests reached the provider than one",
                requests.len()
            );
        };
        Ok(request)
    }

    /// The access-log line of an answer.
    ///
    /// # Errors
    ///
    /// It did not come within 5 seconds, or there are several.
    pub async fn log_line(&self, request_id: &str) -> Result<Value> {
        let find = async || {
            let lines = self.gateway.access_log();
            let lines = lines.iter().filter(|line| line.contains(request_id));
            let lines: Vec<_> = lines.cloned().collect();
            (!lines.is_empty()).then_some(lines)
        };
        let lines = wait::until("a line of the access log", LOG_LIMIT, find).await?;
        let [line] = lines.as_slice() else {
            bail!("{} lines for one request", lines.len())
        };
        serde_json::from_str(line).with_context(|| line.clone())
    }
}

/// Starts a gateway with a configuration and further environment variables.
///
/// # Errors
///
/// See [`Gateway::start`].
pub async fn start_gateway(config: &Config, env: &[(&str, &str)]) -> Result<Gateway> {
    let directory = TempDir::new().context("create the configuration directory")?;
    config.write(directory.path())?;
    Gateway::start_in(directory, env)
        .await
        .context("start the gateway")
}

/// Sends a request to a gateway on a connection of its own.
///
/// # Errors
///
/// There was no answer.
pub async fn send(gateway: &Gateway, request: &Request) -> Result<Answer> {
    let mut connection = Connection::open(gateway.address()).await?;
    connection.send(request.to_bytes()).await?;
    connection.read_answer().await
}
