//! `ProviderKey`: one credential for a provider, and where requests with it go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reference::{ConfigMapKeyRef, SecretKeyRef};

use crate::validation;

/// A credential for an LLM provider, and where requests with it go.
///
/// The gateways of the namespace that select it put it on the requests that they send to this
/// provider; callers never see it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, CustomResource, JsonSchema)]
#[kube(
    group = "anyray.ai",
    version = "v1alpha1",
    kind = "ProviderKey",
    namespaced,
    doc = "A credential for an LLM provider, and where requests with it go. The gateways of the namespace that select it put it on the requests that they send to this provider; callers never see it.",
    derive = "PartialEq",
    status = "ProviderKeyStatus",
    shortname = "pkey",
    category = "anyray",
    printcolumn(name = "Provider", type_ = "string", json_path = ".spec.provider"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Changed", type_ = "date", json_path = ".status.secretChangedAt"),
    printcolumn(name = "Gateways", type_ = "string", json_path = ".status.gatewaySummary"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = (validation::PROVIDER_KEY_NAME.rule, validation::PROVIDER_KEY_NAME.message),
)]
#[serde(rename_all = "camelCase")]
pub struct ProviderKeySpec {
    /// The provider, by the same name as in the header `x-anyray-provider`. It cannot be changed.
    #[schemars(extend("x-kubernetes-validations" = [validation::PROVIDER_IMMUTABLE]))]
    pub provider: Provider,
    /// Where the credential is.
    pub auth: ProviderAuth,
    /// Where requests go. Default: the provider's public API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Takes the credential out of use while it is true: gateways drop it within seconds, without
    /// a restart. Requests then go with another key of the provider, if the gateway has one;
    /// without one, and where a routing rule names this key, they are refused with 424.
    /// Default: false.
    #[serde(default)]
    pub suspend: bool,
}

/// The provider that a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Provider {
    /// OpenAI's API, or one that speaks it.
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic's API, or one that speaks it.
    #[serde(rename = "anthropic")]
    Anthropic,
}

impl Provider {
    /// The provider's name in the header `x-anyray-provider` and in `gateway.json`.
    pub fn slug(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
        }
    }
}

/// Where a provider's credential is.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderAuth {
    /// The entry of a Secret that holds the provider's API key. A new value of the Secret is used
    /// from the next request on, some seconds later, without a restart.
    pub api_key_secret_ref: SecretKeyRef,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::ENDPOINT_SCHEME, validation::ENDPOINT_PARTS, validation::ENDPOINT_CA_BUNDLE]))]
pub struct Endpoint {
    /// Base URL as the provider's own SDK takes it: with `/v1` for `openai`, without for
    /// `anthropic`, for example `https://llm.example.com/v1`.
    #[schemars(length(min = 1, max = 2048))]
    pub url: String,
    /// Allows plain `http://`, which shows the key and all content to the network. Default: false.
    #[serde(default)]
    pub allow_insecure: bool,
    /// PEM certificates that are trusted instead of the public ones. Default: the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle_ref: Option<ConfigMapKeyRef>,
}

/// What the operator found.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderKeyStatus {
    /// The `metadata.generation` that this status speaks of; -1 until the operator has seen the
    /// object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `ResolvedRefs`, `Programmed` and, as their summary, `Ready`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// `metadata.resourceVersion` of the Secret that was used last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_version: Option<String>,
    /// When the operator first used this version of the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_changed_at: Option<Time>,
    /// How many of the gateways that select this key run with it, for people: `2/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_summary: Option<String>,
    /// The gateways that use this key, at most 32, in the order of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub gateways: Vec<UsedBy>,
}

/// A gateway that uses a key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsedBy {
    /// Name of the `AnyrayGateway`.
    pub name: String,
    /// Whether every ready pod of it runs with this version of the key.
    pub programmed: bool,
}
