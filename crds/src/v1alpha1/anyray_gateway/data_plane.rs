//! What a gateway does with requests: the part of the spec that becomes `gateway.json`.

use std::time::Duration as StdDuration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{v1alpha1::reference::ConfigMapKeyRef, validation};

/// Who may call. A change reaches running pods within seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Auth {
    /// Whether callers need a client key. Default: Required.
    pub client_keys: ClientKeys,
    /// Confirms that a gateway without client keys may be reached from outside the cluster.
    /// Default: false.
    pub acknowledge_open: bool,
    /// Lets callers use their own subscription at a provider: with `x-anyray-auth-mode:
    /// passthrough` their token goes on to the provider's own hosts, or to those of
    /// `egress.customHosts`, and their client key travels in `x-anyray-api-key`. Default: false.
    pub subscription_passthrough: bool,
}

/// Whether callers need a client key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ClientKeys {
    /// Only callers with a ClientKey of this gateway are served.
    #[default]
    Required,
    /// Callers without a client key are served, too; a wrong one is still refused.
    Optional,
}

/// The API for invites and client keys.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Admin {
    /// Whether `/admin` answers. Default: true.
    pub enabled: bool,
    /// The entry of a Secret that holds the admin token: 16 to 256 printable characters. After a
    /// change the token of before is good for 15 minutes more. Default: the operator makes a token
    /// in the Secret NAME-admin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_secret_ref: Option<AdminTokenRef>,
    /// Host by which `/admin` may be called from outside the cluster. Inside, any name of the
    /// Service and `localhost` do. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub host: Option<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            enabled: true,
            token_secret_ref: None,
            host: None,
        }
    }
}

/// The entry of a Secret that holds an admin token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminTokenRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Entry of the Secret's `data`. Default: `token`.
    #[serde(default = "default_token_entry")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

fn default_token_entry() -> String {
    "token".to_owned()
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
    /// Further hosts that callers may name in `x-anyray-custom-host`, to which only their own
    /// credentials go, never yours. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub custom_hosts: Vec<CustomHost>,
}

/// A host that callers may name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomHost {
    /// Name of the host, in lower case, with a port unless that is 443: `llm.example.com:8443`.
    /// No address and no pattern.
    #[schemars(
        length(min = 1, max = 259),
        regex(
            pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\.[a-z]([-a-z0-9]*[a-z0-9])?(:[1-9][0-9]{0,4})?$"
        )
    )]
    pub host: String,
    /// PEM certificates that are trusted instead of the public ones. Default: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<ConfigMapKeyRef>,
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
pub(crate) const DURATION: &str = r"^-?([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$";

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
