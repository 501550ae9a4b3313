//! What a caller asks for, read from method, path and headers.
//!
//! The tables of paths are in `anyray_providers`; what else the gateway answers is in `api`.

pub mod auth;
pub mod passthrough;
pub mod service_account;

use anyray_providers::{ALL, Methods, Operation, Provider, Route, path};
use anyray_wire::{Dialect, anyray::headers};
use http::{HeaderMap, header::UPGRADE, request::Parts};

use crate::error::GatewayError;

/// A request that the gateway serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// What it does.
    pub operation: Operation,
    /// What its body looks like, and errors must.
    pub dialect: Dialect,
    /// The provider whose own path it is; `None` for the plain paths.
    pub native: Option<&'static dyn Provider>,
    /// The model that the path names. A body's counts for nothing then.
    pub path_model: Option<String>,
    /// The path as received, beginning with `/`; without `/v1` if it is a plain one.
    pub path: String,
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
    let plain = without_version(full);
    if !is_safe(plain) {
        return Err(GatewayError::UnsafePath);
    }
    let (native, route, path) = find(full)
        .or_else(|| find_passthrough(full, passthrough_paths).map(|route| (None, route, plain)))
        .ok_or(GatewayError::UnknownPath)?;
    if !route.methods.contain(&parts.method) {
        return Err(GatewayError::MethodNotAllowed {
            allow: route.methods.allow,
        });
    }
    Ok(Inbound {
        operation: route.operation,
        dialect: route
            .dialect
            .unwrap_or_else(|| caller_dialect(&parts.headers)),
        native,
        path_model: route.model,
        path: path.to_owned(),
    })
}

/// The dialect in which a caller expects an error, where the request itself could not be read.
pub fn error_dialect(parts: &Parts) -> Dialect {
    find(parts.uri.path())
        .and_then(|(_, route, _)| route.dialect)
        .unwrap_or_else(|| caller_dialect(&parts.headers))
}

/// What a path leads to, be it a plain one or a provider's own; and the path as it goes on.
fn find(full: &str) -> Option<(Option<&'static dyn Provider>, Route, &str)> {
    let plain = without_version(full);
    if let Some(route) = path::find_plain(plain) {
        return Some((None, route, plain));
    }
    ALL.iter()
        .find_map(|provider| Some((Some(*provider), provider.read_path(full)?, full)))
}

fn find_passthrough(full: &str, patterns: &[String]) -> Option<Route> {
    let is_listed = patterns
        .iter()
        .any(|pattern| path::matches_pattern(pattern, full));
    is_listed.then_some(Route {
        methods: Methods::ANY,
        operation: Operation::Passthrough,
        dialect: None,
        model: None,
    })
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
