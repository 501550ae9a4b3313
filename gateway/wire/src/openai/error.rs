//! OpenAI's error envelope and the events that end a failed stream.
//!
//! Source: <https://platform.openai.com/docs/guides/error-codes> and the `response.failed` event of
//! <https://platform.openai.com/docs/api-reference/responses-streaming>.

use serde::Serialize;

/// `{"error": {...}}`, the body of every failed answer.
#[derive(Debug, Serialize)]
pub struct Envelope<'a> {
    /// What went wrong.
    pub error: Detail<'a>,
}

/// The inside of the envelope.
#[derive(Debug, Serialize)]
pub struct Detail<'a> {
    /// Text for a person.
    pub message: &'a str,
    /// Class of the error, such as `invalid_request_error`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The offending parameter; always null on errors of the gateway.
    pub param: Option<&'a str>,
    /// Machine-readable code, such as `provider_key_missing`.
    pub code: &'a str,
}

/// The event that ends a failed Responses stream.
///
/// Codex reads the code inside `response`, not at the top level.
#[derive(Debug, Serialize)]
pub struct ResponseFailed<'a> {
    /// Always `response.failed`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// One more than that of the last event.
    pub sequence_number: u64,
    /// The failed response.
    pub response: FailedResponse<'a>,
}

/// The response object inside [`ResponseFailed`].
#[derive(Debug, Serialize)]
pub struct FailedResponse<'a> {
    /// The id that the stream began with.
    pub id: &'a str,
    /// Always `response`.
    pub object: &'static str,
    /// Always `failed`.
    pub status: &'static str,
    /// Why.
    pub error: ResponseError<'a>,
    /// Always empty: what was streamed so far stands.
    pub output: [(); 0],
}

/// The error of a failed response.
#[derive(Debug, Serialize)]
pub struct ResponseError<'a> {
    /// Always `server_error`: the closed list of the API has no better word.
    pub code: &'static str,
    /// Text for a person.
    pub message: &'a str,
}
