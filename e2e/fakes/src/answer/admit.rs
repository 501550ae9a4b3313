//! Whom a provider lets in, and how a cloud's requests become those of the dialect
//! that is behind it.

use http::{HeaderMap, request::Parts};
use serde_json::Value;

use crate::{
    anthropic, azure_openai,
    bedrock::{self, credentials::Door},
    gemini,
    oauth::tokens::Tokens,
    openai,
    refusal::Refusal,
    route::{Dialect, Route, Target},
    vertex,
};

/// Looks at the credentials of a request; `now` is Unix time in seconds.
///
/// # Errors
///
/// The provider's refusal if they are missing or wrong.
pub(super) fn check_credentials(
    route: &Route,
    parts: &Parts,
    body: &[u8],
    tokens: &Tokens,
    now: u64,
) -> Result<(), Refusal> {
    match (&route.target, route.dialect) {
        (Target::Unknown, _) => Ok(()),
        (_, Dialect::OpenAi) => openai::check_credentials(&parts.headers),
        (_, Dialect::Anthropic) => anthropic::check_credentials(&parts.headers),
        (_, Dialect::Vertex | Dialect::VertexList | Dialect::VertexClaude) => {
            vertex::check_credentials(parts, tokens, now)
        }
        (_, Dialect::AzureOpenAi) => azure_openai::check_credentials(parts, tokens, now),
        (_, Dialect::Bedrock) => {
            bedrock::credentials::check_credentials(parts, body, Door::Operations, now)
        }
        (_, Dialect::BedrockClaude) => {
            bedrock::credentials::check_credentials(parts, body, Door::Messages, now)
        }
    }
}

/// Turns the request that a path is made for into one that names its model, as the
/// dialect's own do.
///
/// # Errors
///
/// The provider's refusal of what is only allowed, or only missing, without a cloud.
pub(super) fn admit(route: &Route, request: Value, headers: &HeaderMap) -> Result<Value, Refusal> {
    let model = route.model.as_deref();
    match (route.dialect, model) {
        (Dialect::OpenAi | Dialect::Anthropic, _) | (Dialect::Bedrock, None) => Ok(request),
        (Dialect::Bedrock, Some(model)) => bedrock::admit(request, model),
        (Dialect::BedrockClaude, _) => anthropic::check_version(headers).map(|()| request),
        (Dialect::VertexClaude, _) => vertex::claude::admit(request, headers, model),
        (Dialect::Vertex | Dialect::VertexList, Some(model)) => gemini::admit(request, model),
        (Dialect::Vertex | Dialect::VertexList, None) => vertex::admit_chat(request),
        (Dialect::AzureOpenAi, _) => azure_openai::admit(request, model),
    }
}
