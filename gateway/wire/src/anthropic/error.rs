//! Anthropic's error envelope, also the payload of its `error` stream event.
//!
//! Source: <https://docs.anthropic.com/en/api/errors>.

use serde::Serialize;

/// `{"type":"error", "error": {...}, "request_id": ...}`.
#[derive(Debug, Serialize)]
pub struct Envelope<'a> {
    /// Always `error`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What went wrong.
    pub error: Detail<'a>,
    /// Equal to the `request-id` header of the answer, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
}

/// The inside of the envelope.
#[derive(Debug, Serialize)]
pub struct Detail<'a> {
    /// Class of the error, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// Text for a person.
    pub message: &'a str,
    /// What the class does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details<'a>>,
}

/// The details of an error.
#[derive(Debug, Serialize)]
pub struct Details<'a> {
    /// Machine-readable code, such as `provider_key_missing`.
    pub error_code: &'a str,
}
