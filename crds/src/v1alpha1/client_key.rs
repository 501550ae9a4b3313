//! `ClientKey`: who may call a gateway, and what they may do.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    access::{GatewayRef, Permissions},
    invite::DeletionPolicy,
};
use crate::validation;

/// A caller of a gateway: a person's or a program's key, of which only the hash is known.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, CustomResource, JsonSchema)]
#[expect(clippy::duplicated_attributes, reason = "each column has a type")]
#[kube(
    group = "anyray.ai",
    version = "v1alpha1",
    kind = "ClientKey",
    namespaced,
    doc = "A caller of a gateway: a person's or a program's key, of which only the hash is known. Redeemed Invites and the admin API make them; a program gets one by secretName or serviceAccount. Deleting it, suspending it or a change takes effect on every pod within seconds.",
    derive = "PartialEq",
    status = "ClientKeyStatus",
    shortname = "ckey",
    category = "anyray",
    selectable = ".spec.gatewayRef.name",
    selectable = ".spec.user",
    printcolumn(name = "User", type_ = "string", json_path = ".spec.user"),
    printcolumn(name = "Team", type_ = "string", json_path = ".spec.team"),
    printcolumn(
        name = "Gateway",
        type_ = "string",
        json_path = ".spec.gatewayRef.name"
    ),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expiresAt"),
    printcolumn(
        name = "Invite",
        type_ = "string",
        json_path = ".spec.invite.name",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    validation::CLIENT_KEY_IMMUTABLE, validation::CLIENT_KEY_SOURCE, validation::REVOKED_FOR_GOOD
]))]
pub struct ClientKeySpec {
    /// The gateway that the key opens. It cannot be changed.
    pub gateway_ref: GatewayRef,
    /// Whose key it is, for example an e-mail address or the name of a program. Requests are
    /// attributed to it. It cannot be changed.
    #[schemars(length(min = 1, max = 254), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub user: String,
    /// Their team. It cannot be changed. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub team: Option<String>,
    /// A key that was made elsewhere. Exactly one of `key`, `secretName` and `serviceAccount` is
    /// needed, and none of them can be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KnownKey>,
    /// Name of a Secret of the namespace for the operator to make, with a new key in its entry
    /// `apiKey`, for programs and CI. It belongs to the ClientKey and goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub secret_name: Option<String>,
    /// A ServiceAccount whose pods need no key: they send a projected token for the audience
    /// `anyray.ai/NAMESPACE/GATEWAY` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccountRef>,
    /// The invite that the key came from. It cannot be changed. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<KeyOrigin>,
    /// What the key is for, for people. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub description: Option<String>,
    /// When the key ends. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// What the key may do. Default: everything.
    #[serde(default)]
    pub permissions: Permissions,
    /// Takes the key out of use while it is true. Default: false.
    #[serde(default)]
    pub suspended: bool,
    /// Takes the key out of use for good. Default: false.
    #[serde(default)]
    pub revoked: bool,
}

/// A key that was made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KnownKey {
    /// The key's public part: the 12 characters behind `ark_`.
    #[schemars(length(max = 12), regex(pattern = r"^[0-9a-z]{12}$"))]
    pub id: String,
    /// SHA-256 of the whole key.
    #[schemars(length(max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub hash: String,
}

/// A ServiceAccount.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace. Default: the ClientKey's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// The invite that a key came from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyOrigin {
    /// Name of the Invite.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// SHA-256 of the code, by which the same code cannot be redeemed through another Invite.
    #[schemars(length(max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub code_hash: String,
    /// What becomes of the key when the Invite is deleted. Default: Revoke.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What the operator found.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientKeyStatus {
    /// The `metadata.generation` that this status speaks of; -1 until the operator has seen the
    /// object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `Issued` and `Ready`; the latter is true while the key is accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Where the key stands, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ClientKeyState>,
    /// The key that the operator made for `secretName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KnownKey>,
}

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum ClientKeyState {
    /// The operator has not made the key yet.
    Pending,
    /// The key is accepted.
    Active,
    /// The key is out of use for now.
    Suspended,
    /// The key's time is over.
    Expired,
    /// The key, or its invite, was taken out of use.
    Revoked,
}

impl ClientKeyState {
    /// The state as it stands in `status.state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Active => "Active",
            Self::Suspended => "Suspended",
            Self::Expired => "Expired",
            Self::Revoked => "Revoked",
        }
    }
}
