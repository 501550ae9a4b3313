//! What `Invite` and `ClientKey` share: whom a key is for, and what it may do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The gateway that an object belongs to, in its own namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatewayRef {
    /// Name of the AnyrayGateway.
    #[schemars(length(min = 1, max = 52))]
    pub name: String,
}

/// What a key may do. A change takes effect on every pod within seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Permissions {
    /// Models that may be asked for; `*` stands for any characters, for example `claude-*`.
    /// Requests that name no model, such as a list of models, are not checked against it; those of
    /// `passthroughPaths` are refused. Default: all models.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 128),
        inner(length(min = 1, max = 256), regex(pattern = r"^[^\x00-\x1f\x7f]*$"))
    )]
    pub models: Vec<String>,
    /// Providers that may be used, by their name in the header `x-anyray-provider`.
    /// Default: all providers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            length(min = 1, max = 63),
            regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
        )
    )]
    pub providers: Vec<String>,
    /// Requests per minute, on each pod; more are refused with 429. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_minute: Option<i32>,
    /// Requests at once, on each pod; more are refused with 429. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrent_requests: Option<i32>,
}
