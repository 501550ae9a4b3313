//! `Invite`: a code that one person exchanges for a client key, once.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, core::Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    access::{GatewayRef, Permissions},
    anyray_gateway::data_plane::DURATION,
};
use crate::validation;

/// Life of a code where neither `ttl` nor `expiresAt` says otherwise, in hours.
pub const DEFAULT_TTL_HOURS: u32 = 72;

/// An invitation for one person to use a gateway.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, CustomResource, JsonSchema)]
#[kube(
    group = "anyray.ai",
    version = "v1alpha1",
    kind = "Invite",
    namespaced,
    doc = "An invitation for one person to use a gateway. Its code is exchanged for a ClientKey once, by anyray-connect or POST /connect/redeem. Deleting an Invite that was not redeemed makes its code worthless; deleting a redeemed one locks its key out, unless key.deletionPolicy is Keep.",
    derive = "PartialEq",
    status = "InviteStatus",
    shortname = "ainv",
    category = "anyray",
    selectable = ".spec.gatewayRef.name",
    selectable = ".spec.user",
    printcolumn(name = "User", type_ = "string", json_path = ".spec.user"),
    printcolumn(name = "Team", type_ = "string", json_path = ".spec.team"),
    printcolumn(name = "Gateway", type_ = "string", json_path = ".spec.gatewayRef.name"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expiresAt"),
    printcolumn(name = "Key", type_ = "string", json_path = ".status.redemption.keyId", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = (validation::INVITE_NAME.rule, validation::INVITE_NAME.message),
    validation = (validation::REDEMPTION_ONCE.rule, validation::REDEMPTION_ONCE.message),
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    validation::INVITE_IMMUTABLE, validation::INVITE_LIFE, validation::INVITE_CODE, validation::REVOKED_FOR_GOOD
]))]
pub struct InviteSpec {
    /// The gateway that the code opens. It cannot be changed.
    pub gateway_ref: GatewayRef,
    /// Whom the invite is for, for example an e-mail address. The key's requests are attributed to
    /// it. It cannot be changed.
    #[schemars(length(min = 1, max = 254), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub user: String,
    /// Their team. It cannot be changed. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))]
    pub team: Option<String>,
    /// Life of the code from the object's creation, as a duration such as `24h`; from 1m to 720h.
    /// It cannot be changed. Default: 72h, unless `expiresAt` is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = DURATION))]
    pub ttl: Option<Duration>,
    /// When the code ends. Use this instead of `ttl` in Git: an object that is created again must
    /// not get a new life. It cannot be changed. Default: see `ttl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// SHA-256 of a code that was made elsewhere: by the gateway's admin API or by `kubectl anyray
    /// invite create`. It may be published, for example in Git. It cannot be changed.
    /// Default: the operator makes a code and puts it into a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub code_hash: Option<String>,
    /// Name of the Secret that the operator makes for the code, with the command to hand out; it
    /// goes once the code is of no more use. It cannot be changed. Default: the Invite's name with
    /// `-code`. Not allowed beside `codeHash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub secret_name: Option<String>,
    /// The key that the code is exchanged for. It cannot be changed: change the ClientKey.
    #[serde(default)]
    pub key: KeyTemplate,
    /// Takes the code, or the key that it was exchanged for, out of use. It cannot be taken back.
    /// Default: false.
    #[serde(default)]
    pub revoked: bool,
}

/// The key that an invite's code is exchanged for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct KeyTemplate {
    /// Life of the key from when the code is redeemed, as a duration such as `2160h`; at least 1m.
    /// Default: no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), regex(pattern = DURATION))]
    #[schemars(extend("x-kubernetes-validations" = [validation::KEY_LIFE]))]
    pub expires_after: Option<Duration>,
    /// What becomes of the key when the Invite is deleted. Default: Revoke.
    pub deletion_policy: DeletionPolicy,
    /// What the key may do. Default: everything.
    pub permissions: Permissions,
}

/// What becomes of a key when its Invite is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum DeletionPolicy {
    /// The key is refused for as long as there is no Invite with the same code.
    #[default]
    Revoke,
    /// The key goes on; delete the ClientKey to end it.
    Keep,
}

/// What became of an invite.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InviteStatus {
    /// The `metadata.generation` that this status speaks of; -1 until the operator has seen the
    /// object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `Issued` and `Ready`; the latter is true once there is a code to redeem or it
    /// was redeemed, so that tools which wait need no person.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Where the invite stands, for people; the gateway decides by the times and the record below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<InviteState>,
    /// SHA-256 of the code that the operator made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71))]
    pub code_hash: Option<String>,
    /// Name of the Secret with the code, while there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_secret_name: Option<String>,
    /// When the code ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// That the code was redeemed. Written once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redemption: Option<Redemption>,
}

/// Where an invite stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum InviteState {
    /// There is no code yet.
    Pending,
    /// The code can be redeemed.
    Issued,
    /// The code was redeemed.
    Redeemed,
    /// The code has ended unused.
    Expired,
    /// The code, or its key, was taken out of use.
    Revoked,
}

impl InviteState {
    /// The state as it stands in `status.state`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Issued => "Issued",
            Self::Redeemed => "Redeemed",
            Self::Expired => "Expired",
            Self::Revoked => "Revoked",
        }
    }
}

/// That a code was redeemed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redemption {
    /// Id of the key.
    #[schemars(length(max = 12))]
    pub key_id: String,
    /// Name of the ClientKey.
    #[schemars(length(max = 253))]
    pub client_key_name: String,
    /// When.
    pub at: Time,
    /// Name of the gateway's pod that did it, or of the operator where it completed the record.
    #[schemars(length(max = 253))]
    pub by: String,
}
