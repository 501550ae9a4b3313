//! What a caller asks for, read from method, path and headers.
//!
//! The table of inference paths is here; what else the gateway answers is in `api`.

use anyray_wire::{Dialect, anyray::headers};
use http::{HeaderMap, Method, header::UPGRADE, request::Parts};

use crate::error::GatewayError;

/// What a request does, for routing, accounting and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// OpenAI chat completions.
    ChatCompletions,
    /// OpenAI legacy completions.
    Completions,
    /// OpenAI Responses: a new response.
    Responses,
    /// OpenAI Responses: reading, cancelling or deleting one.
    StoredResponses,
    /// OpenAI embeddings.
    Embeddings,
    /// The list of models, or one of them, in either API.
    Models,
    /// Anthropic messages.
    Messages,
    /// Anthropic token counting.
    CountTokens,
    /// A path of `passthroughPaths`.
    Passthrough,
}

impl Operation {
    /// The operation's name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::StoredResponses => "stored_responses",
            Self::Embeddings => "embeddings",
            Self::Models => "models",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Passthrough => "passthrough",
        }
    }

    /// Whether the request's body names a model.
    pub fn has_model(self) -> bool {
        self.is_metered() || self == Self::CountTokens
    }

    /// Whether a successful answer must say how many tokens it cost.
    pub fn is_metered(self) -> bool {
        matches!(
            self,
            Self::ChatCompletions
                | Self::Completions
                | Self::Responses
                | Self::Embeddings
                | Self::Messages
        )
    }
}

/// A request that the gateway serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// What it does.
    pub operation: Operation,
    /// What its body looks like, and errors must.
    pub dialect: Dialect,
    /// The path without `/v1`, as received, beginning with `/`.
    pub path: String,
}

/// One row of the table of inference paths.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// Without `/v1`; a trailing `/*` stands for everything below.
    pattern: &'static str,
    methods: &'static [Method],
    allow: &'static str,
    operation: Operation,
    /// `None` where `anthropic-version` decides.
    dialect: Option<Dialect>,
}

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const GET_POST_DELETE: &[Method] = &[Method::GET, Method::POST, Method::DELETE];
/// CONNECT and TRACE mean something else to a proxy than to a provider.
const PASSTHROUGH_METHODS: &[Method] = &[
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];
const PASSTHROUGH_ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
const CHAT: Option<Dialect> = Some(Dialect::OpenAiChat);
const RESPONSES: Option<Dialect> = Some(Dialect::OpenAiResponses);
const MESSAGES: Option<Dialect> = Some(Dialect::AnthropicMessages);

/// Every inference path, served with and without `/v1`.
const TABLE: &[Row] = &[
    row("/chat/completions", POST, Operation::ChatCompletions, CHAT),
    row("/messages", POST, Operation::Messages, MESSAGES),
    row("/responses", POST, Operation::Responses, RESPONSES),
    row(
        "/messages/count_tokens",
        POST,
        Operation::CountTokens,
        MESSAGES,
    ),
    row("/embeddings", POST, Operation::Embeddings, CHAT),
    row("/completions", POST, Operation::Completions, CHAT),
    row("/responses/compact", POST, Operation::Responses, RESPONSES),
    row("/models", GET, Operation::Models, None),
    row("/models/*", GET, Operation::Models, None),
    row(
        "/responses/*",
        GET_POST_DELETE,
        Operation::StoredResponses,
        RESPONSES,
    ),
];

const fn row(
    pattern: &'static str,
    methods: &'static [Method],
    operation: Operation,
    dialect: Option<Dialect>,
) -> Row {
    let allow = match methods.len() {
        3 => "GET, POST, DELETE",
        _ if matches!(methods, [Method::GET]) => "GET",
        _ => "POST",
    };
    Row {
        pattern,
        methods,
        allow,
        operation,
        dialect,
    }
}

/// Reads what the request asks for.
///
/// # Errors
/// [`GatewayError::WebSocket`], [`GatewayError::UnsafePath`], [`GatewayError::UnknownPath`] or
/// [`GatewayError::MethodNotAllowed`].
pub fn read(parts: &Parts, passthrough_paths: &[String]) -> Result<Inbound, GatewayError> {
    if is_websocket(&parts.headers) {
        return Err(GatewayError::WebSocket);
    }
    let full = parts.uri.path();
    let path = without_version(full);
    if !is_safe(path) {
        return Err(GatewayError::UnsafePath);
    }
    let caller = caller_dialect(&parts.headers);
    let inbound = |operation, dialect: Option<Dialect>| Inbound {
        operation,
        dialect: dialect.unwrap_or(caller),
        path: path.to_owned(),
    };
    if let Some(row) = TABLE.iter().find(|row| matches_pattern(row.pattern, path)) {
        return if row.methods.contains(&parts.method) {
            Ok(inbound(row.operation, row.dialect))
        } else {
            Err(GatewayError::MethodNotAllowed { allow: row.allow })
        };
    }
    if passthrough_paths
        .iter()
        .any(|pattern| matches_pattern(pattern, full))
    {
        return if PASSTHROUGH_METHODS.contains(&parts.method) {
            Ok(inbound(Operation::Passthrough, None))
        } else {
            Err(GatewayError::MethodNotAllowed {
                allow: PASSTHROUGH_ALLOW,
            })
        };
    }
    Err(GatewayError::UnknownPath)
}

/// The dialect in which a caller expects an error, where the request itself could not be read.
pub fn error_dialect(parts: &Parts) -> Dialect {
    let path = without_version(parts.uri.path());
    TABLE
        .iter()
        .find(|row| matches_pattern(row.pattern, path))
        .and_then(|row| row.dialect)
        .unwrap_or_else(|| caller_dialect(&parts.headers))
}

/// On paths that two APIs share, Anthropic's mandatory version header tells its callers.
fn caller_dialect(headers: &HeaderMap) -> Dialect {
    if headers.contains_key(headers::ANTHROPIC_VERSION) {
        Dialect::AnthropicMessages
    } else {
        Dialect::OpenAiChat
    }
}

fn is_websocket(headers: &HeaderMap) -> bool {
    headers
        .get_all(UPGRADE)
        .iter()
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn without_version(path: &str) -> &str {
    match path.strip_prefix("/v1") {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

fn matches_pattern(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty()),
        None => pattern == path,
    }
}

/// Whether no provider can read the path as another one than the gateway does.
fn is_safe(path: &str) -> bool {
    path.strip_prefix('/')
        .is_some_and(|path| path.split('/').all(is_safe_segment))
}

/// Percent-encoded dots and slashes count as what they stand for; `%2F` alone is fine, model ids
/// have it.
fn is_safe_segment(segment: &str) -> bool {
    if !segment.contains(['%', '.', '\\']) {
        return !segment.is_empty();
    }
    let plain = segment.to_ascii_lowercase();
    // Controls, and what would be something else after a second decoding.
    let is_odd = ["%0", "%1", "%25", "%7f"]
        .iter()
        .any(|code| plain.contains(code));
    let plain = plain
        .replace("%2e", ".")
        .replace("%5c", "\\")
        .replace("%2f", "/");
    let is_step = |part: &str| matches!(part.split(';').next(), None | Some("" | "." | ".."));
    !is_odd && !plain.contains('\\') && !plain.split('/').any(is_step)
}

#[cfg(test)]
mod tests;
