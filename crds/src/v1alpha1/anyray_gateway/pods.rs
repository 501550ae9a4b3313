//! What a gateway's pods are made of.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::ResourceRequirements, apimachinery::pkg::api::resource::Quantity,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validation;

/// The container image of a gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [validation::IMAGE_WHOLE]))]
pub struct Image {
    /// Registry and name, for example `registry.example.com/anyray-gateway`.
    /// Default: the image of the operator's own release.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = r"^[a-z0-9]([-a-z0-9._/]|:[0-9]+/)*[a-z0-9]$")
    )]
    pub repository: Option<String>,
    /// Tag, for example `1.2.3`. Ignored where a digest is given, except by people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}$"))]
    pub tag: Option<String>,
    /// Digest, for example `sha256:` and 64 hexadecimal digits. It wins over the tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// When nodes pull the image. Default: as the operator is told, `IfNotPresent` unless it is
    /// told otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_policy: Option<PullPolicy>,
    /// Secrets of the namespace with credentials for the registry. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub pull_secrets: Vec<PullSecret>,
}

/// When nodes pull an image: at each start of a container, where they do not have it, or never.
/// Default: as the operator is told, `IfNotPresent` unless it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum PullPolicy {
    /// At each start of a container.
    Always,
    /// Where the node does not have it.
    IfNotPresent,
    /// Never: the node must have it.
    Never,
}

/// A Secret with credentials for a registry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PullSecret {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// How a pod ends: streams in flight get time to finish.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [validation::DRAIN_FITS]))]
pub struct Drain {
    /// How long a pod that is to end still takes new connections, so that every load balancer has
    /// heard of it, in seconds. Default: 5.
    #[schemars(range(min = 0, max = 300))]
    pub pre_stop_seconds: i32,
    /// How long requests in flight may go on after that, in seconds. Default: 90.
    #[schemars(range(min = 1, max = 3600))]
    pub drain_seconds: i32,
    /// After how many seconds the kubelet kills the pod. Default: 120.
    #[schemars(range(min = 2, max = 7200))]
    pub termination_grace_period_seconds: i32,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            pre_stop_seconds: 5,
            drain_seconds: 90,
            termination_grace_period_seconds: 120,
        }
    }
}

/// What pods carry besides what the operator gives them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Further labels of the pods. A change restarts them, one by one. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    #[schemars(extend("x-kubernetes-validations" = [validation::FOREIGN_LABELS]))]
    pub labels: BTreeMap<String, String>,
    /// Further annotations of the pods. A change restarts them, one by one. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    #[schemars(extend("x-kubernetes-validations" = [validation::FOREIGN_ANNOTATIONS]))]
    pub annotations: BTreeMap<String, String>,
}

/// 250m of a CPU and 128Mi asked for, 512Mi allowed.
pub(super) fn default_resources() -> ResourceRequirements {
    let quantities = |pairs: &[(&str, &str)]| {
        let quantity =
            |(name, value): &(&str, &str)| ((*name).to_owned(), Quantity((*value).to_owned()));
        Some(pairs.iter().map(quantity).collect())
    };
    ResourceRequirements {
        claims: None,
        requests: quantities(&[("cpu", "250m"), ("memory", "128Mi")]),
        limits: quantities(&[("memory", "512Mi")]),
    }
}
