//! One JSON line per request on standard output, without a word of content.
//!
//! How lines get out without anyone waiting for it is in `log_buffer`.

use jiff::Timestamp;
use serde::Serialize;

/// One request, as the log tells it.
///
/// Names with dots group by entity, as in the diagnostics.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// When the request ended.
    pub timestamp: Timestamp,
    /// Always `request`.
    pub message: &'static str,
    /// The gateway's id of the request.
    #[serde(rename = "request.id")]
    pub request_id: &'a str,
    /// See `Operation::name`.
    pub operation: &'static str,
    /// Provider slug.
    pub provider: &'static str,
    /// Name of the provider key; absent where the caller brought its own credential.
    #[serde(rename = "provider.key", skip_serializing_if = "Option::is_none")]
    pub provider_key: Option<&'a str>,
    /// Id of the client key, or the name of its `ClientKey`; absent where none was needed.
    #[serde(rename = "client.key", skip_serializing_if = "Option::is_none")]
    pub client_key: Option<&'a str>,
    /// Team that the request is attributed to.
    #[serde(rename = "client.team", skip_serializing_if = "Option::is_none")]
    pub team: Option<&'a str>,
    /// Model that was asked for, if it looks like a model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    /// HTTP status of the answer; 0 where the caller left before it, or the gateway panicked.
    pub status: u16,
    /// `ok`, `client_gone`, the error's code, or `internal_error` for a panic.
    pub outcome: &'static str,
    /// From the head of the request to the end of the answer.
    pub duration_ms: f64,
    /// From the head of the request to the head of the provider's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<f64>,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// Token counts, where the answer reported them.
    #[serde(flatten)]
    pub tokens: Option<Tokens>,
}

/// Token counts of one answer.
#[derive(Debug, Serialize)]
pub struct Tokens {
    /// Fresh input.
    #[serde(rename = "tokens.input")]
    pub input: u64,
    /// Output, reasoning included.
    #[serde(rename = "tokens.output")]
    pub output: u64,
    /// Read from a cache.
    #[serde(rename = "tokens.cache_read")]
    pub cache_read: u64,
    /// Written to a cache.
    #[serde(rename = "tokens.cache_write")]
    pub cache_write: u64,
}
