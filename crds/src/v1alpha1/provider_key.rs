//! `ProviderKey`: one credential for a provider, and where requests with it go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{auth::ProviderAuth, endpoint::Endpoint, provider::Provider};
use crate::validation::{self, by_provider};

pub mod auth;
pub mod endpoint;
pub mod provider;

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
#[schemars(extend("x-kubernetes-validations" = by_provider::all().map(|(_, rule)| rule)))]
pub struct ProviderKeySpec {
    /// The provider, by the same name as in the header `x-anyray-provider`. It cannot be changed.
    #[schemars(extend("x-kubernetes-validations" = [validation::PROVIDER_IMMUTABLE]))]
    pub provider: Provider,
    /// Where the credential is.
    pub auth: ProviderAuth,
    /// Where requests go. Default: the provider's public API; some providers need settings for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Takes the credential out of use while it is true: gateways drop it within seconds, without
    /// a restart. Requests then go with another key of the provider, if the gateway has one;
    /// without one, and where a routing rule names this key, they are refused with 424.
    /// Default: false.
    #[serde(default)]
    pub suspend: bool,
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
