//! What a gateway does with requests: the part of the spec that becomes `gateway.json`.

use std::time::Duration as StdDuration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validation;

/// Who may call.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// Whether callers need a client key. Only `Optional` exists so far: everyone who can reach
    /// the gateway is served. There is no default, so that nobody opens a gateway unawares.
    pub client_keys: ClientKeys,
    /// Confirms that a gateway without client keys may be reached from outside the cluster.
    /// Default: false.
    #[serde(default)]
    pub acknowledge_open: bool,
}

/// Whether callers need a client key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ClientKeys {
    /// Every caller is served.
    Optional,
}

/// Which ProviderKeys a gateway uses.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Providers {
    /// Selects ProviderKeys of the namespace by their labels. Default: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// Which ProviderKey serves which model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Routing {
    /// Rules in order; the first whose `match` fits the request's `model` decides. Where none
    /// fits, the first ProviderKey by name of the provider whose API is called serves it.
    /// Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub models: Vec<ModelRule>,
}

/// One routing rule.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelRule {
    /// Name of a model; `*` stands for any characters, for example `claude-*`.
    #[serde(rename = "match")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub pattern: String,
    /// Name of a ProviderKey of the namespace that this gateway selects.
    #[schemars(length(min = 1, max = 63))]
    pub provider_key: String,
}

/// Which addresses a gateway may connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Egress {
    /// Allows every private, loopback and link-local address, the cluster's own among them.
    /// Default: false.
    pub allow_private_addresses: bool,
    /// Networks that are allowed although private, for example `10.1.0.0/16`. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 64)))]
    #[schemars(extend("x-kubernetes-validations" = [validation::NETWORKS]))]
    pub allowed_networks: Vec<String>,
}

/// Bounds per pod that keep it alive under load. A change reaches running pods within seconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Largest request body, in bytes; more is refused with 413. Default: 67108864 (64 MiB).
    #[schemars(range(min = 1))]
    pub max_body_bytes: i64,
    /// Bytes of request bodies held at once, over all requests; more is refused with 503.
    /// Default: 134217728 (128 MiB).
    #[schemars(range(min = 1))]
    pub max_buffered_bytes: i64,
    /// Requests served at once; more are refused with 503. Default: 4096.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub max_concurrent_requests: i32,
    /// Connections held open at once; more wait in the kernel's queue. Default: 16384.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub max_connections: i32,
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

/// A duration as Kubernetes writes it; what is not one would fail in a rule, without a good word.
const DURATION: &str = r"^-?([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$";

/// How long a gateway waits, as durations such as `500ms`, `90s` or `1h30m`. A change reaches
/// running pods within seconds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [validation::TIMEOUTS_RANGE]))]
pub struct Timeouts {
    /// For a connection to a provider, TLS included. Default: 5s.
    #[schemars(length(max = 32), regex(pattern = DURATION))]
    pub connect: Duration,
    /// For the head of a provider's answer. Default: 10m, as long as the SDKs wait.
    #[schemars(length(max = 32), regex(pattern = DURATION))]
    pub first_byte: Duration,
    /// Between two pieces of a provider's answer. Default: 5m.
    #[schemars(length(max = 32), regex(pattern = DURATION))]
    pub idle: Duration,
    /// For a whole request, from head to last byte. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = DURATION))]
    pub total: Option<Duration>,
    /// Between two pieces of a request body. Default: 30s.
    #[schemars(length(max = 32), regex(pattern = DURATION))]
    pub request_body: Duration,
    /// How long a stream may be silent before its caller gets a ping. Default: 15s.
    #[schemars(length(max = 32), regex(pattern = DURATION))]
    pub ping: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let seconds = |seconds| Duration::from(StdDuration::from_secs(seconds));
        Self {
            connect: seconds(5),
            first_byte: seconds(600),
            idle: seconds(300),
            total: None,
            request_body: seconds(30),
            ping: seconds(15),
        }
    }
}

/// What a gateway tells about its work.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Observability {
    /// Whether a line is logged per request, without a word of content. A change reaches running
    /// pods within seconds. Default: true.
    pub access_log: bool,
    /// Least severe level that is logged. A change restarts the pods, one by one. Default: info.
    pub log_level: LogLevel,
}

impl Default for Observability {
    fn default() -> Self {
        Self {
            access_log: true,
            log_level: LogLevel::Info,
        }
    }
}

/// Severity of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Someone must act.
    Error,
    /// Degraded, and went on.
    Warn,
    /// Changes of state.
    Info,
    /// For people at work on the gateway.
    Debug,
}

impl LogLevel {
    /// The level as `ANYRAY_LOG` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}
