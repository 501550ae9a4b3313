//! Anthropic's own API, and whatever else speaks it at another endpoint.

use anyray_wire::{
    Dialect,
    anyray::headers,
    gateway_config::{CredentialKind, Endpoint},
};

use super::{Adaptation, AuthScheme, Provider};
use crate::path::Operation;

#[derive(Debug)]
pub(crate) struct Anthropic;

impl Provider for Anthropic {
    fn slug(&self) -> &'static str {
        "anthropic"
    }

    fn accepts(&self, dialect: Dialect, operation: Operation) -> Option<Adaptation> {
        Adaptation::as_is(&[Dialect::AnthropicMessages], dialect, operation)
    }

    fn auth(&self, _kind: CredentialKind, _host: &str) -> AuthScheme {
        AuthScheme::ApiKeyHeader(headers::X_API_KEY)
    }

    fn public_url(&self, _endpoint: &Endpoint) -> Option<String> {
        Some("https://api.anthropic.com".to_owned())
    }

    fn path_prefix(&self) -> &'static str {
        "/v1"
    }

    fn own_hosts(&self) -> &'static [&'static str] {
        &["api.anthropic.com"]
    }

    /// Anthropic's keys and subscription tokens begin with `sk-ant-`; `OpenAI`'s keys with
    /// `sk-proj-`, and its subscription tokens are JWTs.
    fn may_own(&self, token: &str) -> bool {
        !(token.starts_with("sk-proj-") || token.starts_with("eyJ"))
    }
}
