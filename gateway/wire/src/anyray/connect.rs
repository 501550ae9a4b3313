//! `POST /connect/redeem`: an invite code becomes a client key, once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// What is redeemed. The code may also stand in `authorization: Bearer ari_…`, with no body.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub struct RedeemRequest {
    /// The invite code, `ari_…`; `invite` is another name for it.
    #[serde(alias = "invite")]
    pub token: Secret,
}

/// The new key. Nobody can read it a second time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedeemResponse {
    /// The client key, `ark_…`.
    pub key: Secret,
    /// The key's public id, which names it in logs and in the admin API.
    pub key_id: String,
    /// Whom the invite was for.
    pub user: String,
    /// Their team, if the invite names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// When the key ends, RFC 3339; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}
