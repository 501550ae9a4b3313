//! `gateway.json`: the file that the operator, or a person, writes and the gateway reads.
//!
//! The schema is strict: an unknown field is an error, so that a typing mistake never passes for
//! a setting.
//! Secrets are not in it; it names files beside it that hold them.
//! What a value must be beyond its type is checked by the modules below, so that who writes the
//! file and who reads it cannot differ over it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::check::MAX_TIMEOUT_MS;

pub mod api_key;
pub mod check;
pub mod credential;
pub mod egress;
pub mod endpoint;
pub mod model_pattern;

/// The only value of `schemaVersion` so far.
pub const SCHEMA_VERSION: u32 = 1;

/// Name of the configuration file inside the configuration directory.
pub const CONFIG_FILE: &str = "gateway.json";

/// Name of the optional index inside the configuration directory, see [`Index`].
pub const INDEX_FILE: &str = "index.json";

/// Largest file that the gateway reads from the directory, in bytes: the size limit of Kubernetes'
/// objects.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// A value that is of the right type but not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// Path of the field inside what was checked, such as `url`; empty where that is the field.
    pub field: String,
    /// What was wrong and what to do. Quotes nothing of the value.
    pub message: String,
}

impl FieldError {
    /// An error of the field of this name.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }

    /// The same error as seen from the object that has what was checked as its field `parent`.
    #[must_use]
    pub fn under(self, parent: &str) -> Self {
        let field = match self.field.as_str() {
            "" => parent.to_owned(),
            field => format!("{parent}.{field}"),
        };
        Self { field, ..self }
    }
}

/// What one gateway serves, and how.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewayConfig {
    /// Version of this schema; must be 1.
    #[schemars(extend("const" = 1))]
    pub schema_version: u32,
    /// Who may call. Required: there is no default that suits everyone.
    pub auth: Auth,
    /// The API for invites and client keys. Default: `/admin` is not served.
    #[serde(default)]
    pub admin: Option<Admin>,
    /// The provider credentials that the gateway holds, and where each one goes.
    ///
    /// The first key of a provider that has a credential is that provider's default.
    /// Default: none; then callers bring their own provider credentials.
    #[serde(default)]
    pub provider_keys: Vec<ProviderKey>,
    /// Which provider key serves which model.
    #[serde(default)]
    pub routing: Routing,
    /// Further paths of the providers' APIs that callers may use, such as `/v1/files` or
    /// `/v1/files/*`.
    ///
    /// A trailing `/*` stands for everything below. Default: none.
    #[serde(default)]
    pub passthrough_paths: Vec<String>,
    /// Which addresses the gateway may connect to.
    #[serde(default)]
    pub egress: Egress,
    /// Bounds that keep the gateway alive under load.
    #[serde(default)]
    pub limits: Limits,
    /// How long the gateway waits.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Whether a line is logged per request. Default: true.
    #[serde(default = "default_true")]
    pub access_log: bool,
}

/// Who may call.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Auth {
    /// Whether a client key is demanded of every caller. Default: Required.
    #[serde(default)]
    pub client_keys: ClientKeys,
    /// Lets callers use their own subscription at a provider, by `x-anyray-auth-mode: passthrough`.
    /// Default: false.
    #[serde(default)]
    pub subscription_passthrough: bool,
}

/// Whether callers need a client key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ClientKeys {
    /// Only callers with a known client key are served.
    #[default]
    Required,
    /// Callers without a client key are served, too; a wrong one is refused wherever the gateway
    /// has a store of client keys to ask.
    Optional,
}

/// The API for invites and client keys.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admin {
    /// The file that holds the admin token. After a change the token of before is good for 15
    /// minutes more.
    pub credential: AdminCredential,
    /// Host by which `/admin` may be called from outside, in lower case and without a port.
    /// Names inside a cluster, private addresses and `localhost` do without. Default: none.
    #[serde(default)]
    pub host: Option<String>,
}

/// Where the admin token is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdminCredential {
    /// Path of the file that holds the token, relative to the configuration directory, without
    /// `..`. White space around the token is ignored.
    pub file: String,
    /// Version of the secret, free text, see the one of a provider key. Default: none.
    #[serde(default)]
    pub version: Option<String>,
}

/// One provider credential.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderKey {
    /// Unique name: lower-case letters, digits, `-` and `.`, at most 253 characters.
    pub name: String,
    /// Slug of the provider, such as `openai` or `google-vertex-ai`.
    pub provider: String,
    /// Where the secret is.
    ///
    /// Absent while there is none, for example because the key is suspended or its Secret is
    /// missing: requests that this key would serve are then refused with 424 instead of going
    /// elsewhere.
    #[serde(default)]
    pub credential: Option<Credential>,
    /// Where requests go. Default: the provider's public API; some providers need settings for it.
    #[serde(default)]
    pub endpoint: Option<Endpoint>,
}

/// Where the secret of a provider key is.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credential {
    /// Path of the file that holds the secret, relative to the configuration directory, without
    /// `..`, for example `keys/openai`.
    pub file: String,
    /// Version of the secret, free text. It enters the reported hash, so that a rotation can be
    /// seen without a hash of the key. Default: none.
    #[serde(default)]
    pub version: Option<String>,
    /// What the file holds. Default: apiKey.
    #[serde(
        default,
        rename = "type",
        skip_serializing_if = "CredentialKind::is_api_key"
    )]
    pub kind: CredentialKind,
}

/// What the file of a credential holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CredentialKind {
    /// An API key: one line, white space around it is ignored.
    #[default]
    ApiKey,
    /// Access keys of AWS: JSON with `accessKeyId`, `secretAccessKey` and perhaps `sessionToken`.
    AwsKeys,
    /// The JSON file that Google hands out for a service account.
    GoogleServiceAccount,
    /// A client secret of Microsoft Entra: JSON with `tenantId`, `clientId`, `clientSecret` and
    /// perhaps `authority`, which is `https://login.microsoftonline.com` by default.
    EntraClient,
}

impl CredentialKind {
    /// The kind's name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "apiKey",
            Self::AwsKeys => "awsKeys",
            Self::GoogleServiceAccount => "googleServiceAccount",
            Self::EntraClient => "entraClient",
        }
    }

    /// Left out where it is written, so that gateways before there were others can read it.
    fn is_api_key(&self) -> bool {
        *self == Self::ApiKey
    }
}

/// Where requests of a provider key go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// Base URL, as the provider's own SDK takes it: with `/v1` for OpenAI, without for all others.
    /// Default: the provider's public API, in the region or location below; `azure-openai` and
    /// `anyray-upstream` have none.
    #[serde(default)]
    pub url: Option<String>,
    /// Allows plain `http`. Default: false.
    #[serde(default)]
    pub allow_insecure: bool,
    /// PEM certificates to trust instead of the built-in roots. Default: the built-in roots.
    #[serde(default)]
    pub ca_bundle: Option<String>,
    /// Region of AWS, such as `eu-central-1`. For `bedrock`, which needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Project of Google Cloud. For `google-vertex-ai`, which needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_id: Option<String>,
    /// Location in Google Cloud, such as `europe-west1` or `global`. For `google-vertex-ai`, which
    /// needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Version of Azure's API, such as `2024-10-21`. For `azure-openai`; with it, the plain paths
    /// of OpenAI go to Azure's older API with a deployment in each path. Default: absent, then to
    /// `/openai/v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// What the provider calls a model, by the name that callers use: a deployment of Azure, an
    /// inference profile of Bedrock. A model that is not in it keeps its name. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, String>,
}

/// Which provider key serves which model.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Routing {
    /// Rules in order; the first that matches the request's `model` decides. Default: none.
    #[serde(default)]
    pub models: Vec<ModelRule>,
}

/// One routing rule.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelRule {
    /// Model name; `*` stands for any characters, for example `claude-*`.
    #[serde(rename = "match")]
    pub pattern: String,
    /// Name of the provider key.
    pub provider_key: String,
    /// States that `providerKeys` has no such entry at present: requests that match are then
    /// refused with 424 instead of going elsewhere. Default: false.
    #[serde(default)]
    pub unresolved: bool,
}

/// Which addresses the gateway may connect to.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Egress {
    /// Allows every private, loopback and link-local address. Default: false.
    #[serde(default)]
    pub allow_private_addresses: bool,
    /// Networks that are allowed although private, for example `10.1.0.0/16`. Default: none.
    #[serde(default)]
    pub allowed_networks: Vec<String>,
    /// Further hosts that callers may name in `x-anyray-custom-host`; only their own credentials go
    /// there. Default: none.
    #[serde(default)]
    pub custom_hosts: Vec<CustomHost>,
}

/// A host that callers may name.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CustomHost {
    /// Name of the host in lower case, with a port unless that is 443: `llm.example.com:8443`.
    pub host: String,
    /// PEM certificates to trust instead of the built-in roots. Default: the built-in roots.
    #[serde(default)]
    pub ca_bundle: Option<String>,
}

/// Bounds on what the gateway takes in at once.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// Largest request body, in bytes; more is refused with 413. Default: 67108864 (64 MiB).
    #[schemars(range(min = 1))]
    pub max_body_bytes: u64,
    /// Bytes of request bodies held at once, over all requests; more is refused with 503.
    ///
    /// Of each body at most the first MiB is held, unless it is signed, goes in another envelope or
    /// gets another name of its model: then all of it is.
    /// Default: 134217728 (128 MiB).
    #[schemars(range(min = 1))]
    pub max_buffered_bytes: u64,
    /// Requests served at once; more are refused with 503. Default: 4096.
    #[schemars(range(min = 1))]
    pub max_concurrent_requests: u32,
    /// Connections held open at once; more wait in the kernel's queue. Default: 16384.
    #[schemars(range(min = 1))]
    pub max_connections: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 64 << 20,
            max_buffered_bytes: 128 << 20,
            max_concurrent_requests: 4096,
            max_connections: 16_384,
        }
    }
}

/// How long the gateway waits, in milliseconds.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timeouts {
    /// For a connection to a provider, TLS included. Default: 5000.
    #[schemars(range(min = 1, max = MAX_TIMEOUT_MS))]
    pub connect_ms: u64,
    /// For the head of a provider's answer. Default: 600000, as long as the SDKs wait.
    #[schemars(range(min = 1, max = MAX_TIMEOUT_MS))]
    pub first_byte_ms: u64,
    /// Between two pieces of a provider's answer. Default: 300000.
    #[schemars(range(min = 1, max = MAX_TIMEOUT_MS))]
    pub idle_ms: u64,
    /// For a whole request, from head to last byte; absent means no limit. Default: absent.
    #[schemars(range(min = 1, max = MAX_TIMEOUT_MS))]
    pub total_ms: Option<u64>,
    /// Between two pieces of a request body. Default: 30000.
    #[schemars(range(min = 1, max = MAX_TIMEOUT_MS))]
    pub request_body_ms: u64,
    /// How long a stream may be silent before the caller gets a ping. Default: 15000.
    #[schemars(range(min = 1, max = MAX_TIMEOUT_MS))]
    pub ping_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect_ms: 5_000,
            first_byte_ms: 600_000,
            idle_ms: 300_000,
            total_ms: None,
            request_body_ms: 30_000,
            ping_ms: 15_000,
        }
    }
}

/// `index.json`: digests of the files of one configuration, written by the operator.
///
/// It lets the gateway see that a directory holds one consistent set, not half of an old and half
/// of a new one.
/// Where it is present, every file that the gateway reads must be in it and must match.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Index {
    /// SHA-256 of each file as 64 lower-case hexadecimal digits, by path relative to the
    /// directory.
    pub files: BTreeMap<String, String>,
}

fn default_true() -> bool {
    true
}
