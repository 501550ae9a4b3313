//! Callers that go on with their own credential: a subscription at a provider, or a host that they
//! name.
//!
//! The hosts must have names that DNS knows, and no test may ask the internet: the gateway runs in
//! a mount namespace with a table of hosts of its own, see `Gateway::start_with_hosts`.

mod egress;
mod refused;
mod subscriptions;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    client_keys::{ClientKey, KeyFolder, demand_keys, make_key},
    config::Config,
    gateway::Gateway,
    raw::Answer,
    stand::send,
};
use anyray_fakes::{FakeProvider, Recorded};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The host that the gateway's list has.
const HOST: &str = "subscription.example.test";

/// A host that the list has not; it is the same machine.
const OTHER_HOST: &str = "other.example.test";

/// Where the names lead.
const HOSTS: &str = "127.0.0.1 localhost subscription.example.test other.example.test\n";

/// A subscription's token of Anthropic.
const ANTHROPIC_SUBSCRIPTION: &str = "sk-ant-oat01-subscription-of-the-caller-0123456789";

/// A subscription's token of OpenAI, in the form of one.
const OPENAI_SUBSCRIPTION: &str =
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhdXRoLm9wZW5haSJ9.c2VhdC1vZi10aGU";

/// raw client -> gateway -> the organisation's provider, or a host that the caller names.
struct Ground {
    gateway: Gateway,
    table: PathBuf,
    key: ClientKey,
    /// Where the organisation's keys go.
    organisation: FakeProvider,
    /// The named host, behind TLS.
    subscription: FakeProvider,
    _folder: KeyFolder,
}

/// What a test sets about itself.
struct Setup {
    is_subscription_mode_on: bool,
    /// `egress` without its `customHosts`.
    egress: Value,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            is_subscription_mode_on: true,
            egress: json!({"allowedNetworks": ["127.0.0.0/8"]}),
        }
    }
}

impl Ground {
    async fn start(setup: Setup) -> Result<Self> {
        let organisation = FakeProvider::start().await?;
        let names = [HOST.to_owned(), OTHER_HOST.to_owned()];
        let subscription = FakeProvider::bind_tls(([127, 0, 0, 1], 0).into(), &names).await?;
        let ca_pem = subscription
            .ca_pem()
            .context("the fake has no certificate")?;
        let listed = format!("{HOST}:{}", subscription.addr().port());
        let mut egress = setup.egress;
        let fields = egress.as_object_mut().context("egress is an object")?;
        let custom = json!([{"host": listed, "caBundle": ca_pem}]);
        fields.insert("customHosts".to_owned(), custom);
        let is_private = fields.contains_key("allowedNetworks");
        let mut config = demand_keys(Config::for_provider(&organisation.url()))
            .with("egress", egress)
            .with(
                "auth",
                json!({"subscriptionPassthrough": setup.is_subscription_mode_on}),
            );
        if !is_private {
            // An endpoint on loopback would not be accepted.
            config = config.with("providerKeys", json!([]));
        }
        let directory = TempDir::new()?;
        config.write(directory.path())?;
        let folder = KeyFolder::new()?;
        let env = [folder.variable()];
        let (gateway, table) = Gateway::start_with_hosts(directory, HOSTS, &env).await?;
        let key = make_key(&gateway, &json!({"user": "ada"})).await?;
        Ok(Self {
            gateway,
            table,
            key,
            organisation,
            subscription,
            _folder: folder,
        })
    }

    /// The base URL of the listed host.
    fn base(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.subscription.addr().port())
    }

    /// A request of a subscription's holder.
    fn subscription_request(&self, dialect: Dialect, base: &str) -> Request {
        self.own_request(dialect, base)
            .header("x-anyray-auth-mode", "passthrough")
    }

    /// A request with a client key and a token of its own to a host that it names.
    fn own_request(&self, dialect: Dialect, base: &str) -> Request {
        let token = match dialect {
            Dialect::Messages => ANTHROPIC_SUBSCRIPTION,
            Dialect::Chat | Dialect::Responses => OPENAI_SUBSCRIPTION,
        };
        self.bare_request(dialect, base)
            .header("authorization", &format!("Bearer {token}"))
    }

    /// The same without the token.
    fn bare_request(&self, dialect: Dialect, base: &str) -> Request {
        dialect
            .request("m")
            .header("x-anyray-api-key", &self.key.secret)
            .header("x-anyray-custom-host", base)
    }

    async fn send(&self, request: &Request) -> Result<Answer> {
        send(&self.gateway, request).await
    }

    /// The one request that reached the named host.
    fn take_subscription_request(&self) -> Result<Recorded> {
        let mut requests = self.subscription.take_requests();
        let request = requests.pop().context("nothing reached the named host")?;
        ensure!(requests.is_empty(), "more than one request reached it");
        Ok(request)
    }

    /// Nothing went anywhere.
    fn check_nothing_sent(&self) -> Result<()> {
        ensure!(
            self.subscription.requests().is_empty(),
            "it reached the named host"
        );
        ensure!(
            self.organisation.requests().is_empty(),
            "it reached the organisation's provider"
        );
        Ok(())
    }
}
