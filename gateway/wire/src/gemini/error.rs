//! Google's error envelope, also the payload of the event that ends a failed stream.
//!
//! Source: <https://cloud.google.com/apis/design/errors> and
//! <https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>.

use serde::Serialize;

/// `@type` of [`ErrorInfo`].
pub const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";

/// `{"error": {...}}`, the body of every failed answer.
#[derive(Debug, Serialize)]
pub struct Envelope<'a> {
    /// What went wrong.
    pub error: Detail<'a>,
}

/// The inside of the envelope: a `google.rpc.Status`.
#[derive(Debug, Serialize)]
pub struct Detail<'a> {
    /// The HTTP status.
    pub code: u16,
    /// Text for a person.
    pub message: &'a str,
    /// Class of the error: a name of `google.rpc.Code`, such as `INVALID_ARGUMENT`.
    pub status: &'static str,
    /// What the class does not say.
    pub details: [ErrorInfo<'a>; 1],
}

/// A `google.rpc.ErrorInfo`.
#[derive(Debug, Serialize)]
pub struct ErrorInfo<'a> {
    /// Always [`ERROR_INFO`].
    #[serde(rename = "@type")]
    pub kind: &'static str,
    /// Machine-readable code, such as `provider_key_missing`.
    pub reason: &'a str,
    /// Who coined the code.
    pub domain: &'static str,
}
