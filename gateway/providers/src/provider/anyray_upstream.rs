//! Another gateway that speaks OpenAI's and Anthropic's APIs: Anyray, `LiteLLM`, Portkey.

use anyray_wire::{
    Dialect,
    gateway_config::{CredentialKind, Endpoint},
};

use http::HeaderName;

use super::{Adaptation, AuthScheme, Provider};
use crate::{
    path::Operation,
    settings::{Need, Settings},
};

#[derive(Debug)]
pub(crate) struct AnyrayUpstream;

impl Provider for AnyrayUpstream {
    fn slug(&self) -> &'static str {
        "anyray-upstream"
    }

    fn accepts(&self, dialect: Dialect, operation: Operation) -> Option<Adaptation> {
        Adaptation::as_is(
            &[
                Dialect::OpenAiChat,
                Dialect::OpenAiResponses,
                Dialect::AnthropicMessages,
            ],
            dialect,
            operation,
        )
    }

    /// Portkey's own service has a header for its keys.
    fn auth(&self, _kind: CredentialKind, host: &str) -> AuthScheme {
        if host == "api.portkey.ai" {
            AuthScheme::ApiKeyHeader(HeaderName::from_static("x-portkey-api-key"))
        } else {
            AuthScheme::Bearer
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            url: Need::Required,
            ..Settings::default()
        }
    }

    fn public_url(&self, _endpoint: &Endpoint) -> Option<String> {
        None
    }

    fn path_prefix(&self) -> &'static str {
        "/v1"
    }

    fn may_loop(&self) -> bool {
        true
    }
}
