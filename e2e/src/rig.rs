//! A fake provider, the gateway and a tap, in a row, and a client that runs against them.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use anyray_fakes::FakeProvider;

use crate::{
    client_keys::{KeyFolder, demand_keys},
    clients::{Client, Finished},
    config::{ANTHROPIC_KEY, Config, OPENAI_KEY},
    ends::{CALLER_KEY, Ends},
    gateway::Gateway,
    stand::start_gateway,
    tap::Tap,
    wait,
};

/// What the clients ask in every test, perhaps among other words.
const PROMPT: &str = "say hi";

/// How long a line of the log may take from the gateway's pipe to us.
const LOG_LIMIT: Duration = Duration::from_secs(10);

/// client -> tap -> gateway -> fake, all on loopback.
#[derive(Debug)]
pub struct Rig {
    /// The provider.
    pub fake: FakeProvider,
    /// The gateway.
    pub gateway: Gateway,
    /// What clients connect to.
    pub tap: Tap,
}

impl Rig {
    /// Starts all three, with a plain HTTP provider.
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
        let fake = FakeProvider::start()
            .await
            .context("start the fake provider")?;
        let config = change(Config::for_provider(&fake.url()));
        Self::join(fake, &config, &[]).await
    }

    /// Like [`Self::start`], with a gateway that demands client keys, which are in this folder.
    ///
    /// # Errors
    ///
    /// One of them did not start.
    pub async fn start_with_keys(folder: &KeyFolder) -> Result<Self> {
        let fake = FakeProvider::start()
            .await
            .context("start the fake provider")?;
        let config = demand_keys(Config::for_provider(&fake.url()));
        Self::join(fake, &config, &[folder.variable()]).await
    }

    /// Starts all three, with a provider that speaks TLS and has a private CA.
    ///
    /// # Errors
    ///
    /// One of them did not start.
    pub async fn start_tls() -> Result<Self> {
        let fake = FakeProvider::start_tls()
            .await
            .context("start the fake provider")?;
        let ca_pem = fake.ca_pem().context("the fake has no certificate")?;
        let config = Config::for_tls_provider(&fake.url(), ca_pem);
        Self::join(fake, &config, &[]).await
    }

    /// Starts the gateway and the tap in front of a provider that runs.
    ///
    /// # Errors
    ///
    /// One of them did not start.
    pub async fn join(fake: FakeProvider, config: &Config, env: &[(&str, &str)]) -> Result<Self> {
        let gateway = start_gateway(config, env).await?;
        let tap = Tap::start(gateway.address())
            .await
            .context("start the tap")?;
        Ok(Self { fake, gateway, tap })
    }

    /// Runs an SDK's script with all claims and checks both ends of what it did.
    /// `base_path` stands behind the address in `OPENAI_BASE_URL`.
    ///
    /// # Errors
    ///
    /// The script did not hold its claims, or the gateway its promises.
    pub async fn prove(&self, client: Client, base_path: &str) -> Result<Ends> {
        let url = self.tap.url();
        let client = client
            .env("OPENAI_BASE_URL", &format!("{url}{base_path}"))
            .env("OPENAI_API_KEY", CALLER_KEY)
            .env("ANTHROPIC_BASE_URL", &url)
            .env("ANTHROPIC_API_KEY", CALLER_KEY)
            .env("ANYRAY_URL", &url)
            .env("ANYRAY_KEY", CALLER_KEY);
        let finished = client.run().await?.succeeded()?;
        self.compare().await.with_context(|| finished.report())
    }

    /// Runs any client and checks both ends of what it did.
    ///
    /// # Errors
    ///
    /// The client could not run to its end, or the gateway broke a promise.
    pub async fn observe(&self, client: Client) -> Result<(Finished, Ends)> {
        let finished = client.run().await?;
        let ends = self.compare().await.with_context(|| finished.report())?;
        Ok((finished, ends))
    }

    async fn compare(&self) -> Result<Ends> {
        self.tap.settle().await?;
        let ends = Ends::pair(self.tap.exchanges()?, self.fake.requests())?;
        ends.check()?;
        self.check_logs(ends.pairs.len()).await?;
        Ok(ends)
    }

    /// A line for each request, and in no line a credential or the prompt.
    async fn check_logs(&self, requests: usize) -> Result<()> {
        let all_logged = async || (self.gateway.access_log().len() >= requests).then_some(());
        wait::until(
            "a line of the access log for each request",
            LOG_LIMIT,
            all_logged,
        )
        .await?;
        let lines = [self.gateway.access_log(), self.gateway.diagnostics()].concat();
        for secret in [OPENAI_KEY, ANTHROPIC_KEY, CALLER_KEY, PROMPT] {
            let is_told = lines.iter().any(|line| line.contains(secret));
            ensure!(!is_told, "the gateway's logs have {secret:?} in them");
        }
        Ok(())
    }
}
