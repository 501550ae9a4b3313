//! `AnyrayGateway`: one gateway, as its users order it and as the operator reports on it.

pub mod data_plane;
pub mod pods;
pub mod service;

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Affinity, ResourceRequirements, Toleration, TopologySpreadConstraint},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use data_plane::{Admin, Auth, Egress, Limits, Observability, Providers, Routing, Timeouts};
use pods::{Drain, Image, PodTemplate};
use service::Service;

use crate::validation;

/// A gateway for LLM providers, under one base URL.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, CustomResource, JsonSchema)]
#[kube(
    group = "anyray.ai",
    version = "v1alpha1",
    kind = "AnyrayGateway",
    namespaced,
    doc = "A gateway for LLM providers, under one base URL. It puts the ProviderKeys of its namespace on the requests that come in; SDKs and coding tools only need its address.",
    derive = "PartialEq",
    status = "AnyrayGatewayStatus",
    shortname = "agw",
    category = "anyray",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Replicas", type_ = "string", json_path = ".status.replicaSummary"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address"),
    printcolumn(name = "Keys", type_ = "string", json_path = ".status.providerKeys", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = (validation::GATEWAY_NAME.rule, validation::GATEWAY_NAME.message),
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::AUTH_OPEN]))]
pub struct AnyrayGatewaySpec {
    /// Who may call. Default: holders of a client key.
    #[serde(default)]
    pub auth: Auth,
    /// The API for invites and client keys.
    #[serde(default)]
    pub admin: Admin,
    /// Which ProviderKeys the gateway uses. Default: all of its namespace.
    #[serde(default)]
    pub providers: Providers,
    /// Which ProviderKey serves which model. A change reaches running pods within seconds.
    #[serde(default)]
    pub routing: Routing,
    /// Further paths of the providers' APIs that callers may use, such as `/v1/files`, or
    /// `/v1/files/*` for all below it. They are open to every caller, with your key.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(
            length(max = 256),
            regex(
                pattern = r"^/v1(/[-A-Za-z0-9_~!$&'()+,;=:@][-A-Za-z0-9._~!$&'()+,;=:@]*)+(/\*)?$"
            )
        )
    )]
    pub passthrough_paths: Vec<String>,
    /// Which addresses the gateway may connect to. Default: public ones.
    #[serde(default)]
    pub egress: Egress,
    /// Bounds per pod that keep it alive under load. A change reaches running pods within seconds.
    #[serde(default)]
    pub limits: Limits,
    /// How long the gateway waits, as durations such as `500ms`, `90s` or `1h30m`. A change
    /// reaches running pods within seconds.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// What the gateway tells about its work.
    #[serde(default)]
    pub observability: Observability,

    /// How many pods. `kubectl scale` and a HorizontalPodAutoscaler can set it, too. Default: 2.
    #[serde(default = "default_replicas")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: i32,
    /// The container image. A change restarts the pods, one by one.
    /// Default: the image of the operator's own release.
    #[serde(default)]
    pub image: Image,
    /// How a pod ends.
    #[serde(default)]
    pub drain: Drain,
    /// CPU and memory of each pod. A change restarts the pods, one by one.
    /// Default: 250m CPU and 128Mi asked for, at most 512Mi.
    #[serde(default = "pods::default_resources")]
    pub resources: ResourceRequirements,
    /// Further labels and annotations of the pods.
    #[serde(default)]
    pub pod_template: PodTemplate,
    /// Labels of the nodes that pods may run on. Default: any node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that pods tolerate. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub tolerations: Vec<Toleration>,
    /// Where pods should and must run. Default: nothing beyond the spread below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// How pods spread over the cluster. Default: over nodes and zones, where there is room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    /// Name of a PriorityClass for the pods. Default: the cluster's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// The Service in front of the pods.
    #[serde(default)]
    pub service: Service,
}

fn default_replicas() -> i32 {
    2
}

/// What the operator found and did.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnyrayGatewayStatus {
    /// The `metadata.generation` that this status speaks of; -1 until the operator has seen the
    /// object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `ResolvedRefs`, `Programmed`, `Available` and, as their summary, `Ready`;
    /// `Reconciling` and `Stalled` only while they are true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Base URL for callers inside the cluster, for example `http://team-a.llm.svc:8787`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Base URL for callers outside the cluster, once a load balancer has an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_address: Option<String>,
    /// SHA-256 of the configuration that the pods are to run, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_hash: Option<String>,
    /// Names of the ProviderKeys in use, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub provider_keys: Vec<String>,
    /// The routing rules in force whose ProviderKey is in use, as `match` patterns, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Pods of the newest and of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Pods that serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,
    /// Ready pods that reported `configHash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programmed_replicas: Option<i32>,
    /// `readyReplicas` of those wanted, for people: `2/2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica_summary: Option<String>,
    /// Label selector of the pods, for `kubectl scale` and HorizontalPodAutoscalers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
}
