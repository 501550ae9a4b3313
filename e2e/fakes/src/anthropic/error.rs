//! Anthropic's error bodies and the error event of a stream.

use bytes::Bytes;

use crate::{
    json::{Json, object},
    refusal::Refusal,
    scenario::ParseScenarioError,
    stream::named_frame,
};

/// The provider's refusal with a status, worded as it words it.
pub(crate) fn refuse_with(status: u16) -> Refusal {
    let message = match status {
        400 => "messages.0.content: Input should be a valid list",
        401 => "invalid x-api-key",
        402 => "Your credit balance is too low to access the Anthropic API.",
        403 => "Your account does not have permission to use this resource.",
        404 => "Not Found",
        413 => "Request exceeds the maximum size",
        429 => "This request would exceed your account's rate limit. Please try again later.",
        504 => "The request timed out.",
        529 => "Overloaded",
        500..=599 => "Internal server error",
        _ => "The request could not be processed.",
    };
    Refusal::new(status, message)
}

/// A model name asks for a scenario that there is not.
pub(crate) fn refuse_model(model: &str, why: &ParseScenarioError) -> Refusal {
    Refusal::new(404, format!("model: {model}: {why}"))
}

/// A field that has to be there is not.
pub(crate) fn refuse_missing(field: &str) -> Refusal {
    Refusal::new(400, format!("{field}: Field required"))
}

/// The body of an error.
pub(crate) fn build_body(refusal: &Refusal, request_id: &str) -> Json {
    object! {
        "type" => "error",
        "error" => object! {
            "type" => find_type(refusal.status),
            "message" => refusal.message.as_ref(),
        },
        "request_id" => request_id,
    }
}

/// The error event: `overloaded_error`, as it comes in the middle of streams.
pub(crate) fn build_frame(request_id: &str) -> Bytes {
    named_frame("error", &build_body(&refuse_with(529), request_id))
}

/// Whether the provider tells its clients to come again.
pub(crate) fn is_worth_a_retry(status: u16) -> bool {
    matches!(status, 408 | 409 | 429 | 500..)
}

fn find_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500..=599 => "api_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_shape_of_the_provider() {
        assert_eq!(
            build_body(&refuse_with(529), "req_1").to_text(),
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#
        );
        assert!(
            build_body(&refuse_missing("max_tokens"), "")
                .to_text()
                .contains("max_tokens: Field required")
        );
    }
}
