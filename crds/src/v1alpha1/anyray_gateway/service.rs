//! How callers reach a gateway.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::validation;

/// The Service in front of a gateway.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("x-kubernetes-validations" = [validation::SERVICE_SOURCE_RANGES, validation::SERVICE_LOAD_BALANCER_ONLY]))]
pub struct Service {
    /// `ClusterIP` for callers inside the cluster, `LoadBalancer` for others. Default: ClusterIP.
    #[serde(rename = "type")]
    pub type_: ServiceType,
    /// The Service's port. Default: 8787.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// Annotations of the Service, for example for a cloud's load balancer. Default: none.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    #[schemars(extend("x-kubernetes-validations" = [validation::FOREIGN_ANNOTATIONS]))]
    pub annotations: BTreeMap<String, String>,
    /// Which implementation provides the load balancer. Default: the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub load_balancer_class: Option<String>,
    /// Networks that the load balancer takes connections from, for example `203.0.113.0/24`.
    /// Required for `LoadBalancer`, unless `allowPublic` is true.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 64)))]
    #[schemars(extend("x-kubernetes-validations" = [validation::NETWORKS]))]
    pub load_balancer_source_ranges: Vec<String>,
    /// Opens a load balancer to every address. Default: false.
    pub allow_public: bool,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            type_: ServiceType::ClusterIP,
            port: 8787,
            annotations: BTreeMap::new(),
            load_balancer_class: None,
            load_balancer_source_ranges: Vec::new(),
            allow_public: false,
        }
    }
}

/// From where a Service can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ServiceType {
    /// From inside the cluster.
    ClusterIP,
    /// From outside, too.
    LoadBalancer,
}
