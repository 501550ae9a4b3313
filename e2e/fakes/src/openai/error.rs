//! OpenAI's error bodies and the error object inside a stream.

use bytes::Bytes;

use crate::{
    json::{Json, object},
    refusal::Refusal,
    scenario::ParseScenarioError,
    stream::data_frame,
};

/// The provider's refusal with a status, worded as it words it.
pub(crate) fn refuse_with(status: u16) -> Refusal {
    match status {
        400 => Refusal::new(400, "Invalid value: 'fake'.").with_code("invalid_value"),
        401 => Refusal::new(401, "Incorrect API key provided.").with_code("invalid_api_key"),
        403 => Refusal::new(403, "You are not allowed to sample from this model."),
        404 => Refusal::new(
            404,
            "The model does not exist or you do not have access to it.",
        )
        .with_code("model_not_found"),
        413 => Refusal::new(413, "Request body is larger than 64 MiB."),
        429 => Refusal::new(
            429,
            "Rate limit reached for requests. Please try again in 1s.",
        )
        .with_code("rate_limit_exceeded"),
        503 => Refusal::new(
            503,
            "The server is currently overloaded. Please try again later.",
        ),
        500..=599 => Refusal::new(
            status,
            "The server had an error while processing your request. Sorry!",
        ),
        _ => Refusal::new(status, "The request could not be processed."),
    }
}

/// A model name asks for a scenario that there is not.
pub(crate) fn refuse_model(model: &str, why: &ParseScenarioError) -> Refusal {
    let message =
        format!("The model `{model}` does not exist or you do not have access to it: {why}.");
    Refusal::new(404, message).with_code("model_not_found")
}

/// A field that has to be there is not.
pub(crate) fn refuse_missing(param: &'static str) -> Refusal {
    Refusal::new(400, format!("Missing required parameter: '{param}'."))
        .with_code("missing_required_parameter")
        .with_param(param)
}

/// The body of an error.
pub(crate) fn build_body(refusal: &Refusal) -> Json {
    object! {
        "error" => object! {
            "message" => refusal.message.as_ref(),
            "type" => find_type(refusal.status),
            "param" => refusal.param,
            "code" => refusal.code,
        },
    }
}

/// The error of a chat or completion stream: a `data:` object like any other.
pub(crate) fn build_frame() -> Bytes {
    data_frame(&build_body(&refuse_with(500)))
}

fn find_type(status: u16) -> &'static str {
    match status {
        429 => "requests",
        500..=599 => "server_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_the_four_keys_of_the_provider() {
        assert_eq!(
            build_body(&refuse_missing("messages")).to_text(),
            r#"{"error":{"message":"Missing required parameter: 'messages'.","type":"invalid_request_error","param":"messages","code":"missing_required_parameter"}}"#
        );
        assert!(
            build_body(&refuse_with(529))
                .to_text()
                .contains(r#""type":"server_error""#)
        );
    }
}
