//! Errors of the gateway itself, in the shape that the caller's SDK expects.
//!
//! Errors of a provider pass through byte for byte and never come here.

use bytes::Bytes;
use serde::Serialize;

use crate::{Dialect, anthropic, openai, sse};

/// One error of the gateway, before it takes a dialect's shape.
#[derive(Clone, Copy, Debug)]
pub struct ErrorDetail<'a> {
    /// The HTTP status that goes with it; decides the error's class in each dialect.
    pub status: u16,
    /// Machine-readable code of ours, such as `provider_key_missing`.
    pub code: &'a str,
    /// Text for a person: what was wrong, where, what to do.
    pub message: &'a str,
    /// The gateway's id of the request.
    pub request_id: &'a str,
}

/// Where a failed stream stood, so that its last event fits what came before.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamPosition<'a> {
    /// `response.id` of a Responses stream, where it was seen.
    pub response_id: Option<&'a str>,
    /// `sequence_number` of the last Responses event, where it was seen.
    pub sequence_number: Option<u64>,
}

/// The JSON body of an error answer.
pub fn body(dialect: Dialect, detail: &ErrorDetail<'_>) -> Bytes {
    match dialect {
        Dialect::AnthropicMessages => json(&anthropic_envelope(detail)),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => json(&openai_envelope(detail)),
    }
}

/// The SSE bytes that end a stream which failed after its head was sent.
///
/// The stream must stand between two frames; nothing may follow.
pub fn stream_end(
    dialect: Dialect,
    detail: &ErrorDetail<'_>,
    position: StreamPosition<'_>,
) -> Bytes {
    match dialect {
        Dialect::AnthropicMessages => {
            sse::encode(Some("error"), &json(&anthropic_envelope(detail)))
        }
        Dialect::OpenAiChat => {
            let mut frames = sse::encode(None, &json(&openai_envelope(detail))).to_vec();
            frames.extend_from_slice(&sse::encode(None, b"[DONE]"));
            frames.into()
        }
        Dialect::OpenAiResponses => {
            let event = response_failed(detail, position);
            sse::encode(Some(event.kind), &json(&event))
        }
    }
}

/// Class of an error in Anthropic's vocabulary.
///
/// Source: <https://docs.anthropic.com/en/api/errors>.
fn anthropic_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        504 => "timeout_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// Class of an error in OpenAI's vocabulary.
fn openai_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        429 => "rate_limit_error",
        504 => "timeout_error",
        400..=499 => "invalid_request_error",
        _ => "server_error",
    }
}

fn anthropic_envelope<'a>(detail: &ErrorDetail<'a>) -> anthropic::error::Envelope<'a> {
    anthropic::error::Envelope {
        kind: "error",
        error: anthropic::error::Detail {
            kind: anthropic_kind(detail.status),
            message: detail.message,
            details: anthropic::error::Details {
                error_code: detail.code,
            },
        },
        request_id: detail.request_id,
    }
}

fn openai_envelope<'a>(detail: &ErrorDetail<'a>) -> openai::error::Envelope<'a> {
    openai::error::Envelope {
        error: openai::error::Detail {
            message: detail.message,
            kind: openai_kind(detail.status),
            param: None,
            code: detail.code,
        },
    }
}

fn response_failed<'a>(
    detail: &ErrorDetail<'a>,
    position: StreamPosition<'a>,
) -> openai::error::ResponseFailed<'a> {
    openai::error::ResponseFailed {
        kind: "response.failed",
        sequence_number: position
            .sequence_number
            .map_or(0, |last| last.saturating_add(1)),
        response: openai::error::FailedResponse {
            id: position.response_id.unwrap_or(detail.request_id),
            object: "response",
            status: "failed",
            error: openai::error::ResponseError {
                code: "server_error",
                message: detail.message,
            },
            output: [],
        },
    }
}

/// Serialises one of the shapes above, which hold only strings and numbers.
fn json(shape: &impl Serialize) -> Bytes {
    serde_json::to_vec(shape).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CUT: ErrorDetail<'static> = ErrorDetail {
        status: 502,
        code: "upstream_cut",
        message: "the provider closed the stream early",
        request_id: "req_1",
    };

    fn text(bytes: &Bytes) -> &str {
        std::str::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn bodies_take_the_shape_of_the_dialect() {
        let anthropic = r#"{"type":"error","error":{"type":"api_error","message":"the provider closed the stream early","details":{"error_code":"upstream_cut"}},"request_id":"req_1"}"#;
        assert_eq!(text(&body(Dialect::AnthropicMessages, &CUT)), anthropic);
        let openai = r#"{"error":{"message":"the provider closed the stream early","type":"server_error","param":null,"code":"upstream_cut"}}"#;
        assert_eq!(text(&body(Dialect::OpenAiChat, &CUT)), openai);
        assert_eq!(text(&body(Dialect::OpenAiResponses, &CUT)), openai);
    }

    #[test]
    fn anthropic_streams_end_in_an_error_event() {
        let end = stream_end(Dialect::AnthropicMessages, &CUT, StreamPosition::default());
        assert!(text(&end).starts_with("event: error\ndata: {\"type\":\"error\","));
        assert!(text(&end).ends_with("}\n\n"));
    }

    #[test]
    fn chat_streams_end_in_an_error_frame_and_done() {
        let end = stream_end(Dialect::OpenAiChat, &CUT, StreamPosition::default());
        assert!(text(&end).starts_with("data: {\"error\":{"));
        assert!(text(&end).ends_with("\n\ndata: [DONE]\n\n"));
    }

    #[test]
    fn responses_streams_end_in_response_failed_with_the_next_sequence_number() {
        let position = StreamPosition {
            response_id: Some("resp_7"),
            sequence_number: Some(4),
        };
        let end = stream_end(Dialect::OpenAiResponses, &CUT, position);
        assert!(text(&end).starts_with(
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"sequence_number\":5,\"response\":{\"id\":\"resp_7\""
        ));
    }
}
