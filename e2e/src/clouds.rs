//! Keys of the cloud providers in front of a fake, and clients that know nothing but the gateway's
//! own.
//!
//! What both ends must have seen of such a client is in [`crate::sdk`].

use anyhow::{Context, Result, ensure};
use anyray_fakes::{
    FakeProvider, Recorded,
    aws_keys::{self, AwsKeys},
    azure_openai,
    oauth::entra,
    vertex,
};
use serde_json::{Value, json};

use crate::{
    client_keys::{ClientKey, KeyFolder, demand_keys, make_key},
    clients::{Client, Finished},
    config::Config,
    ends::{Ends, check_upstream},
    rig::Rig,
    stand::{Stand, start_gateway},
};

/// Parts of the gateway's own credentials that nobody but a provider may see.
pub const SECRETS: [&str; 6] = [
    aws_keys::LONG_TERM.secret_access_key,
    aws_keys::TEMPORARY.secret_access_key,
    aws_keys::BEDROCK_API_KEY,
    azure_openai::API_KEY,
    entra::CLIENT_SECRET,
    "PRIVATE KEY",
];

/// A provider, and how the gateway proves there who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon Bedrock, by a key pair of AWS that signs each request.
    Bedrock(AwsPair),
    /// Amazon Bedrock, by one of its own keys.
    BedrockApiKey,
    /// Google Vertex AI, by a service account.
    VertexAi,
    /// Azure OpenAI, by one of its own keys.
    AzureOpenAi,
    /// Azure OpenAI, by an application of Microsoft Entra.
    AzureOpenAiEntra,
}

/// A key pair of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AwsPair {
    /// Of a user.
    LongTerm,
    /// Of a role, with a session token.
    Temporary,
}

impl Cloud {
    /// The provider's name, which is also the key's.
    pub fn provider(self) -> &'static str {
        self.names().0
    }

    /// A gateway with this one key, which leads to the fake.
    pub fn config(self, fake: &FakeProvider) -> Config {
        self.config_with(fake, json!({}))
    }

    /// The same with further fields of the key's endpoint, such as `models`.
    pub fn config_with(self, fake: &FakeProvider, more: Value) -> Config {
        let (provider, kind) = self.names();
        let mut endpoint = self.endpoint(fake);
        extend(&mut endpoint, more);
        Config::default()
            .with_key(provider, kind, &endpoint)
            .with_file(&format!("keys/{provider}"), &self.credential(fake))
    }

    /// A fake and a gateway with this one key, for callers without keys.
    ///
    /// # Errors
    ///
    /// One of them did not start.
    pub async fn stand(self) -> Result<Stand> {
        self.stand_with(json!({}), |config| config).await
    }

    /// The same with further fields of the key's endpoint, and changes to the configuration.
    ///
    /// # Errors
    ///
    /// One of them did not start.
    pub async fn stand_with(
        self,
        more: Value,
        change: impl FnOnce(Config) -> Config,
    ) -> Result<Stand> {
        let fake = FakeProvider::start()
            .await
            .context("start the fake provider")?;
        let config = change(self.config_with(&fake, more));
        let gateway = start_gateway(&config, &[]).await?;
        Ok(Stand { fake, gateway })
    }

    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Bedrock(_) => ("bedrock", "awsKeys"),
            Self::BedrockApiKey => ("bedrock", "apiKey"),
            Self::VertexAi => ("google-vertex-ai", "googleServiceAccount"),
            Self::AzureOpenAi => ("azure-openai", "apiKey"),
            Self::AzureOpenAiEntra => ("azure-openai", "entraClient"),
        }
    }

    /// What the file of the key says.
    pub fn credential(self, fake: &FakeProvider) -> String {
        match self {
            Self::Bedrock(AwsPair::LongTerm) => write_pair(&aws_keys::LONG_TERM),
            Self::Bedrock(AwsPair::Temporary) => write_pair(&aws_keys::TEMPORARY),
            Self::BedrockApiKey => aws_keys::BEDROCK_API_KEY.to_owned(),
            Self::VertexAi => fake.google_service_account(),
            Self::AzureOpenAi => azure_openai::API_KEY.to_owned(),
            Self::AzureOpenAiEntra => fake.entra_client(),
        }
    }

    fn endpoint(self, fake: &FakeProvider) -> Value {
        let mut endpoint = match fake.ca_pem() {
            Some(pem) => json!({"url": fake.url(), "caBundle": pem}),
            None => json!({"url": fake.url(), "allowInsecure": true}),
        };
        let place = match self {
            Self::Bedrock(_) | Self::BedrockApiKey => json!({"region": "eu-central-1"}),
            Self::VertexAi => json!({
                "projectId": vertex::PROJECT_ID,
                "location": vertex::LOCATION,
            }),
            Self::AzureOpenAi | Self::AzureOpenAiEntra => json!({}),
        };
        extend(&mut endpoint, place);
        endpoint
    }
}

/// Adds the fields of one object to another.
fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(fields), Value::Object(more)) = (object, more) {
        fields.extend(more);
    }
}

fn write_pair(keys: &AwsKeys) -> String {
    let mut pair = json!({
        "accessKeyId": keys.access_key_id,
        "secretAccessKey": keys.secret_access_key,
    });
    if let Some(token) = keys.session_token {
        extend(&mut pair, json!({ "sessionToken": token }));
    }
    pair.to_string()
}

/// A rig whose gateway has the key of one cloud and lets in who has a client key.
#[derive(Debug)]
pub struct CloudRig {
    /// The processes.
    pub rig: Rig,
    key: ClientKey,
    _folder: KeyFolder,
}

impl CloudRig {
    /// Starts it with a plain HTTP provider.
    ///
    /// # Errors
    ///
    /// A part of it did not start.
    pub async fn start(cloud: Cloud) -> Result<Self> {
        let fake = FakeProvider::start()
            .await
            .context("start the fake provider")?;
        Self::join(cloud, fake).await
    }

    /// Starts it with a provider that speaks TLS and has a private CA.
    ///
    /// # Errors
    ///
    /// A part of it did not start.
    pub async fn start_tls(cloud: Cloud) -> Result<Self> {
        let fake = FakeProvider::start_tls()
            .await
            .context("start the fake provider")?;
        Self::join(cloud, fake).await
    }

    /// Starts it with a plain HTTP provider and changes to the configuration of the gateway.
    ///
    /// # Errors
    ///
    /// A part of it did not start.
    pub async fn start_with(cloud: Cloud, change: impl FnOnce(Config) -> Config) -> Result<Self> {
        let fake = FakeProvider::start()
            .await
            .context("start the fake provider")?;
        let config = change(cloud.config(&fake));
        Self::join_with(config, fake).await
    }

    async fn join(cloud: Cloud, fake: FakeProvider) -> Result<Self> {
        Self::join_with(cloud.config(&fake), fake).await
    }

    async fn join_with(config: Config, fake: FakeProvider) -> Result<Self> {
        let folder = KeyFolder::new()?;
        let config = demand_keys(config);
        let rig = Rig::join(fake, &config, &[folder.variable()]).await?;
        let key = make_key(&rig.gateway, &json!({"user": "ada@example.test"})).await?;
        Ok(Self {
            rig,
            key,
            _folder: folder,
        })
    }

    /// The caller's key, which is all that a client has.
    pub fn key(&self) -> &str {
        &self.key.secret
    }

    /// Runs an SDK's script with all claims, as the client that `name` says, and checks
    /// both ends of what it did.
    ///
    /// # Errors
    ///
    /// The script did not hold its claims, or the gateway its promises.
    pub async fn prove(&self, client: Client, name: &str) -> Result<Ends> {
        let (finished, ends) = self.observe(self.instruct(client, name)).await?;
        finished.succeeded()?;
        Ok(ends)
    }

    /// The same of a script whose requests go on in the cloud's envelope, so that the ends
    /// cannot be compared; returns what the provider got.
    ///
    /// # Errors
    ///
    /// As for [`Self::prove`].
    pub async fn prove_wrapped(&self, client: Client, name: &str) -> Result<Vec<Recorded>> {
        let (finished, requests) = self.observe_wrapped(self.instruct(client, name)).await?;
        finished.succeeded()?;
        Ok(requests)
    }

    /// Runs any client whose requests go on in the cloud's envelope, and checks what the
    /// provider got.
    ///
    /// # Errors
    ///
    /// As for [`Self::observe`].
    pub async fn observe_wrapped(&self, client: Client) -> Result<(Finished, Vec<Recorded>)> {
        let finished = client.run().await?;
        self.rig.tap.settle().await?;
        let requests = self.rig.fake.requests();
        let checked = requests.iter().try_for_each(check_upstream);
        checked
            .and_then(|()| self.check_secrets(requests.iter()))
            .with_context(|| finished.report())?;
        Ok((finished, requests))
    }

    fn instruct(&self, client: Client, name: &str) -> Client {
        client
            .env("ANYRAY_CLIENT", name)
            .env("ANYRAY_URL", &self.rig.tap.url())
            .env("ANYRAY_KEY", self.key())
    }

    /// Runs any client and checks both ends of what it did.
    ///
    /// # Errors
    ///
    /// The client could not run to its end, or the gateway broke a promise.
    pub async fn observe(&self, client: Client) -> Result<(Finished, Ends)> {
        let (finished, ends) = self.rig.observe(client).await?;
        self.check_secrets(ends.pairs.iter().map(|pair| &pair.provider))
            .with_context(|| finished.report())?;
        Ok((finished, ends))
    }

    /// The caller's key goes to no provider, and neither it nor the gateway's into a log.
    fn check_secrets<'r>(&self, requests: impl Iterator<Item = &'r Recorded>) -> Result<()> {
        for (name, value) in requests.flat_map(|request| &request.headers) {
            let leaks = String::from_utf8_lossy(value).contains(self.key());
            ensure!(!leaks, "{name} upstream has the caller's key");
        }
        let gateway = &self.rig.gateway;
        for line in [gateway.access_log(), gateway.diagnostics()].concat() {
            let tells = |secret: &&str| line.contains(secret);
            let is_told = SECRETS.iter().any(tells) || tells(&self.key());
            ensure!(!is_told, "a secret is in the gateway's logs");
        }
        Ok(())
    }
}
