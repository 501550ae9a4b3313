//! `POST /connect/redeem`: an invite code becomes a client key, once. `GET /connect/verify`: is it good?

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;
use crate::gateway_config::ClientKeys;

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

/// Answer to `GET /connect/verify`: the caller is let in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyResponse {
    /// Whether callers need a client key.
    pub client_keys: ClientKeys,
    /// Whether callers may have their own subscriptions pay.
    pub subscription_passthrough: bool,
    /// The key that the request came with; absent if it had none and needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<VerifiedKey>,
}

/// What a client key says to its holder.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedKey {
    /// Its public id; absent for the token of a `ServiceAccount`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Whose it is.
    pub user: String,
    /// Their team, if the key names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// When it ends, RFC 3339; absent if never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Patterns of the models that it may ask for; empty if all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Providers that it may use; empty if all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
}
