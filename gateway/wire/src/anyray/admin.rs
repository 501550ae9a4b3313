//! Bodies of the admin API: invites, client keys, health.
//!
//! Times are RFC 3339. Secrets appear only in the answer that creates them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// What a key may do; the same in every body.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Permissions {
    /// Models that may be asked for; `*` stands for any characters. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Slugs of the providers that may be used. Default: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
    /// Requests per minute and replica. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Requests at once and replica. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrent_requests: Option<u32>,
}

/// `POST /admin/invites`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateInvite {
    /// Whom the invite is for, 1 to 254 characters, for example an e-mail address.
    pub user: String,
    /// Their team, 1 to 63 characters. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// Life of the code, in seconds, from 60 to 2592000. Default: 259200, three days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// Life of the key, in seconds from when the code is redeemed. Default: no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_expires_in_seconds: Option<u64>,
    /// What the key may do.
    #[serde(default)]
    pub permissions: Permissions,
}

/// The answer to `POST /admin/invites`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedInvite {
    /// Name of the `Invite`.
    pub id: String,
    /// The code, `ari_…`. It is not stored and cannot be read again.
    pub token: Secret,
    /// Whom the invite is for.
    pub user: String,
    /// Their team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When the code ends.
    pub expires_at: String,
}

/// One invite of `GET /admin/invites`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InviteSummary {
    /// Name of the `Invite`.
    pub id: String,
    /// Whom the invite is for.
    pub user: String,
    /// Their team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// `pending`, `issued`, `redeemed`, `expired` or `revoked`.
    pub status: String,
    /// When it was made.
    pub created_at: String,
    /// When the code ends.
    pub expires_at: String,
    /// When it was redeemed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redeemed_at: Option<String>,
    /// Id of the key that it was redeemed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

/// `POST /admin/client-keys`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateClientKey {
    /// Whose key it is, 1 to 254 characters.
    pub user: String,
    /// Their team, 1 to 63 characters. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// What the key is for, at most 256 characters. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Life of the key, in seconds. Default: no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
    /// What the key may do.
    #[serde(default)]
    pub permissions: Permissions,
}

/// The answer to `POST /admin/client-keys`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CreatedClientKey {
    /// The key's id.
    pub id: String,
    /// The key, `ark_…`. It is not stored and cannot be read again.
    pub key: Secret,
    /// Whose key it is.
    pub user: String,
    /// Their team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it ends; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

/// One key of `GET /admin/client-keys`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientKeySummary {
    /// The key's id, or the object's name where it has none.
    pub id: String,
    /// Name of the `ClientKey`.
    pub name: String,
    /// Whose key it is.
    pub user: String,
    /// Their team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// `pending`, `active`, `suspended`, `expired` or `revoked`.
    pub status: String,
    /// When it was made.
    pub created_at: String,
    /// When it ends; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When this replica last saw it used; absent if it did not since its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<String>,
}

/// Answer of both lists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct List<T> {
    /// In the order of their names.
    pub data: Vec<T>,
}

/// `GET /admin/health`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// Whether this replica serves all that it is configured for.
    pub ok: bool,
    /// The store of invites and client keys.
    pub store: StoreHealth,
    /// SHA-256 of the configuration in force.
    pub config_hash: String,
}

/// The store's state, as this replica sees it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoreHealth {
    /// `kubernetes`, `files` or `none`.
    pub kind: String,
    /// Whether the store answers and this replica has read all of it.
    pub ok: bool,
    /// How many client keys this replica knows.
    pub client_keys: usize,
}
