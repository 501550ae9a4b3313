//! OpenAI's own API, and whatever else speaks it at another endpoint.

use anyray_wire::{
    Dialect,
    gateway_config::{CredentialKind, Endpoint},
};

use super::{Adaptation, AuthScheme, Provider};
use crate::path::Operation;

#[derive(Debug)]
pub(crate) struct OpenAi;

impl Provider for OpenAi {
    fn slug(&self) -> &'static str {
        "openai"
    }

    fn accepts(&self, dialect: Dialect, operation: Operation) -> Option<Adaptation> {
        Adaptation::as_is(
            &[Dialect::OpenAiChat, Dialect::OpenAiResponses],
            dialect,
            operation,
        )
    }

    fn auth(&self, _kind: CredentialKind, _host: &str) -> AuthScheme {
        AuthScheme::Bearer
    }

    fn public_url(&self, _endpoint: &Endpoint) -> Option<String> {
        Some("https://api.openai.com/v1".to_owned())
    }

    /// `chatgpt.com` serves the subscriptions of Codex.
    fn own_hosts(&self) -> &'static [&'static str] {
        &["api.openai.com", "chatgpt.com"]
    }

    fn may_own(&self, token: &str) -> bool {
        !token.starts_with("sk-ant-")
    }
}
