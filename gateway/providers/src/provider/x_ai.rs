//! xAI's own API, which is OpenAI's.
//!
//! Source: <https://docs.x.ai/api-reference>.

use anyray_wire::{
    Dialect,
    gateway_config::{CredentialKind, Endpoint},
};

use super::{Adaptation, AuthScheme, Provider};
use crate::path::Operation;

#[derive(Debug)]
pub(crate) struct XAi;

impl Provider for XAi {
    fn slug(&self) -> &'static str {
        "x-ai"
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
        Some("https://api.x.ai".to_owned())
    }

    fn path_prefix(&self) -> &'static str {
        "/v1"
    }

    fn own_hosts(&self) -> &'static [&'static str] {
        &["api.x.ai"]
    }

    fn may_own(&self, token: &str) -> bool {
        token.starts_with("xai-")
    }
}
