//! OpenAI's own API, and whatever else speaks it at another endpoint.

use anyray_wire::Dialect;

use super::{AuthScheme, Provider};

#[derive(Debug)]
pub(super) struct OpenAi;

impl Provider for OpenAi {
    fn slug(&self) -> &'static str {
        "openai"
    }

    fn speaks(&self, dialect: Dialect) -> bool {
        matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses)
    }

    fn default_endpoint(&self) -> &'static str {
        "https://api.openai.com/v1"
    }

    fn path_prefix(&self) -> &'static str {
        ""
    }

    fn auth(&self) -> AuthScheme {
        AuthScheme::Bearer
    }

    /// `chatgpt.com` serves the seats of Codex.
    fn own_hosts(&self) -> &'static [&'static str] {
        &["api.openai.com", "chatgpt.com"]
    }

    fn may_own(&self, token: &str) -> bool {
        !token.starts_with("sk-ant-")
    }
}
