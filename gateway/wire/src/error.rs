//! Errors of the gateway itself, in the shape that the caller's SDK expects.
//!
//! Errors of a provider pass through byte for byte and never come here.

use bytes::Bytes;
use http::HeaderName;
use serde::Serialize;

use crate::{
    Dialect, anthropic,
    aws_event_stream::{self, Kind, Message},
    bedrock, gemini, openai, sse,
};

/// Who coined the codes of ours, in Google's error details.
const DOMAIN: &str = "anyray.ai";

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
        Dialect::BedrockInvoke | Dialect::BedrockConverse => json(&bedrock_body(detail)),
        Dialect::GeminiGenerate => json(&gemini_envelope(detail)),
    }
}

/// The header that must go with the body, where the dialect has the class of an error there.
pub fn class_header(dialect: Dialect, status: u16) -> Option<(HeaderName, &'static str)> {
    match dialect {
        Dialect::BedrockInvoke | Dialect::BedrockConverse => {
            Some((bedrock::error::CLASS_HEADER, bedrock_class(status)))
        }
        Dialect::OpenAiChat
        | Dialect::OpenAiResponses
        | Dialect::AnthropicMessages
        | Dialect::GeminiGenerate => None,
    }
}

/// The bytes that end a stream which failed after its head was sent: a frame of
/// [`aws_event_stream`] for Bedrock's own dialects, server-sent events for the others.
///
/// The stream must stand between two frames; nothing may follow. A stream of Gemini that was asked
/// for without `alt=sse` is one JSON array, which no event can end.
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
        Dialect::BedrockInvoke | Dialect::BedrockConverse => {
            let exception = Message {
                kind: Kind::Exception(bedrock_exception(dialect, detail.status).to_owned()),
                payload: json(&bedrock_body(detail)),
            };
            aws_event_stream::encode(&exception).unwrap_or_default()
        }
        Dialect::GeminiGenerate => sse::encode(None, &json(&gemini_envelope(detail))),
    }
}

/// Class of an error in Anthropic's vocabulary.
///
/// Source: <https://docs.anthropic.com/en/api/errors>.
pub(crate) fn anthropic_kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
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

/// Class of an error in Amazon Bedrock's vocabulary.
///
/// Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>.
/// A caller that is unknown gets 403 there; its class goes with our 401.
fn bedrock_class(status: u16) -> &'static str {
    match status {
        401 => "UnrecognizedClientException",
        402 => "ServiceQuotaExceededException",
        403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 | 504 => "ModelTimeoutException",
        409 => "ConflictException",
        424 => "ModelErrorException",
        429 => "ThrottlingException",
        503 | 529 => "ServiceUnavailableException",
        400..=499 => "ValidationException",
        _ => "InternalServerException",
    }
}

/// Class of an error in a stream of Amazon Bedrock.
///
/// Source: `ResponseStream` and `ConverseStreamOutput` of
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Types_Amazon_Bedrock_Runtime.html>;
/// the latter knows no time-out.
fn bedrock_exception(dialect: Dialect, status: u16) -> &'static str {
    match status {
        408 | 504 if dialect == Dialect::BedrockInvoke => "modelTimeoutException",
        408 | 424 | 502 | 504 => "modelStreamErrorException",
        429 => "throttlingException",
        503 | 529 => "serviceUnavailableException",
        400..=499 => "validationException",
        _ => "internalServerException",
    }
}

/// Class of an error in Google's vocabulary.
///
/// Source: <https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>.
fn google_status(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

fn bedrock_body<'a>(detail: &ErrorDetail<'a>) -> bedrock::error::Body<'a> {
    bedrock::error::Body {
        message: detail.message,
        error_code: detail.code,
    }
}

fn gemini_envelope<'a>(detail: &ErrorDetail<'a>) -> gemini::error::Envelope<'a> {
    gemini::error::Envelope {
        error: gemini::error::Detail {
            code: detail.status,
            message: detail.message,
            status: google_status(detail.status),
            details: [gemini::error::ErrorInfo {
                kind: gemini::error::ERROR_INFO,
                reason: detail.code,
                domain: DOMAIN,
            }],
        },
    }
}

fn anthropic_envelope<'a>(detail: &ErrorDetail<'a>) -> anthropic::error::Envelope<'a> {
    anthropic::error::Envelope {
        kind: "error",
        error: anthropic::error::Detail {
            kind: anthropic_kind(detail.status),
            message: detail.message,
            details: Some(anthropic::error::Details {
                error_code: detail.code,
            }),
        },
        request_id: Some(detail.request_id),
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
pub(crate) fn json(shape: &impl Serialize) -> Bytes {
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

    #[test]
    fn bedrock_has_the_class_of_an_error_beside_the_body() {
        let expected =
            r#"{"message":"the provider closed the stream early","errorCode":"upstream_cut"}"#;
        for dialect in [Dialect::BedrockInvoke, Dialect::BedrockConverse] {
            assert_eq!(text(&body(dialect, &CUT)), expected);
            for (status, class) in [
                (400, "ValidationException"),
                (401, "UnrecognizedClientException"),
                (403, "AccessDeniedException"),
                (404, "ResourceNotFoundException"),
                (408, "ModelTimeoutException"),
                (413, "ValidationException"),
                (424, "ModelErrorException"),
                (429, "ThrottlingException"),
                (500, "InternalServerException"),
                (502, "InternalServerException"),
                (503, "ServiceUnavailableException"),
                (504, "ModelTimeoutException"),
            ] {
                let (name, value) = class_header(dialect, status).expect("a class");
                assert_eq!((name.as_str(), value), ("x-amzn-errortype", class));
            }
        }
    }

    #[test]
    fn other_dialects_have_no_header_for_the_class() {
        for dialect in [
            Dialect::OpenAiChat,
            Dialect::OpenAiResponses,
            Dialect::AnthropicMessages,
            Dialect::GeminiGenerate,
        ] {
            assert_eq!(class_header(dialect, 400), None);
        }
    }

    #[test]
    fn gemini_bodies_name_googles_status_and_our_code() {
        let expected = r#"{"error":{"code":502,"message":"the provider closed the stream early","status":"UNAVAILABLE","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"upstream_cut","domain":"anyray.ai"}]}}"#;
        assert_eq!(text(&body(Dialect::GeminiGenerate, &CUT)), expected);
        for (status, name) in [
            (400, "INVALID_ARGUMENT"),
            (401, "UNAUTHENTICATED"),
            (403, "PERMISSION_DENIED"),
            (404, "NOT_FOUND"),
            (429, "RESOURCE_EXHAUSTED"),
            (500, "INTERNAL"),
            (503, "UNAVAILABLE"),
            (504, "DEADLINE_EXCEEDED"),
        ] {
            let body = body(Dialect::GeminiGenerate, &ErrorDetail { status, ..CUT });
            let expected = format!(r#""status":"{name}""#);
            assert!(text(&body).contains(&expected), "{status}");
        }
    }

    #[test]
    fn gemini_streams_end_in_an_event_with_the_error() {
        let end = stream_end(Dialect::GeminiGenerate, &CUT, StreamPosition::default());
        assert!(text(&end).starts_with("data: {\"error\":{\"code\":502,"));
        assert!(text(&end).ends_with("}\n\n"));
    }

    #[test]
    fn bedrock_streams_end_in_an_exception_frame() {
        for (dialect, status, class) in [
            (Dialect::BedrockInvoke, 400, "validationException"),
            (Dialect::BedrockInvoke, 429, "throttlingException"),
            (Dialect::BedrockInvoke, 500, "internalServerException"),
            (Dialect::BedrockInvoke, 502, "modelStreamErrorException"),
            (Dialect::BedrockInvoke, 503, "serviceUnavailableException"),
            (Dialect::BedrockInvoke, 504, "modelTimeoutException"),
            (Dialect::BedrockConverse, 504, "modelStreamErrorException"),
        ] {
            let detail = ErrorDetail { status, ..CUT };
            let mut decoder = aws_event_stream::Decoder::default();
            decoder.push(&stream_end(dialect, &detail, StreamPosition::default()));
            let expected = Message {
                kind: Kind::Exception(class.to_owned()),
                payload: body(dialect, &detail),
            };
            assert_eq!(decoder.next_message(), Ok(Some(expected)));
            assert!(decoder.is_between_frames());
        }
    }
}
