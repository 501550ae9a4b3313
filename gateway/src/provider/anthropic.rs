//! Anthropic's own API, and whatever else speaks it at another endpoint.

use anyray_wire::{Dialect, anyray::headers};

use super::{AuthScheme, Provider};

#[derive(Debug)]
pub(super) struct Anthropic;

impl Provider for Anthropic {
    fn slug(&self) -> &'static str {
        "anthropic"
    }

    fn speaks(&self, dialect: Dialect) -> bool {
        dialect == Dialect::AnthropicMessages
    }

    fn default_endpoint(&self) -> &'static str {
        "https://api.anthropic.com"
    }

    fn path_prefix(&self) -> &'static str {
        "/v1"
    }

    fn auth(&self) -> AuthScheme {
        AuthScheme::ApiKeyHeader(headers::X_API_KEY)
    }

    fn own_hosts(&self) -> &'static [&'static str] {
        &["api.anthropic.com"]
    }

    /// Anthropic's keys and seat tokens begin with `sk-ant-`; `OpenAI`'s keys with `sk-proj-`, and
    /// its seat tokens are JWTs.
    fn may_own(&self, token: &str) -> bool {
        !(token.starts_with("sk-proj-") || token.starts_with("eyJ"))
    }
}
