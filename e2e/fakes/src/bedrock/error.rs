//! AWS's error bodies, their header, and the failures in the middle of a stream.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use crate::{
    bedrock::event_stream::{error_frame, exception_frame},
    json::{Json, object},
    refusal::Refusal,
    scenario::{ParseScenarioError, Scenario, StreamFault},
};

/// What the front of every service says itself, before Bedrock sees the request.
const FRONT: [&str; 6] = [
    ACCESS_DENIED,
    INCOMPLETE_SIGNATURE,
    INVALID_SIGNATURE,
    UNKNOWN_OPERATION,
    UNRECOGNIZED_CLIENT,
    TOO_LARGE,
];

pub(crate) const ACCESS_DENIED: &str = "AccessDeniedException";
pub(crate) const INCOMPLETE_SIGNATURE: &str = "IncompleteSignatureException";
pub(crate) const INVALID_SIGNATURE: &str = "InvalidSignatureException";
pub(crate) const UNRECOGNIZED_CLIENT: &str = "UnrecognizedClientException";
const TOO_LARGE: &str = "RequestEntityTooLargeException";
const UNKNOWN_OPERATION: &str = "UnknownOperationException";

/// The provider's refusal with a status, worded as it words it.
///
/// AWS has no 529: a model that is overloaded is a 503 there.
pub(crate) fn refuse_with(status: u16) -> Refusal {
    let (name, message) = match status {
        403 => (
            ACCESS_DENIED,
            "You don't have access to the model with the specified model ID.",
        ),
        404 => (
            "ResourceNotFoundException",
            "Could not resolve the foundation model from the provided model identifier.",
        ),
        408 => (
            "ModelTimeoutException",
            "Model has timed out in processing the request. Try your request again.",
        ),
        413 => (TOO_LARGE, "Request body is too large."),
        424 => (
            "ModelErrorException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
        429 => (
            "ThrottlingException",
            "Too many requests, please wait before trying again.",
        ),
        503 | 529 => (
            "ServiceUnavailableException",
            "Bedrock is unable to process your request.",
        ),
        500..=599 => (
            "InternalServerException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
        _ => (
            "ValidationException",
            "Malformed input request, please reformat your input and try again.",
        ),
    };
    let status = if status == 529 { 503 } else { status };
    Refusal::new(status, message).with_code(name)
}

/// The request breaks a rule of Bedrock or of the model.
pub(crate) fn refuse_input(message: impl Into<String>) -> Refusal {
    Refusal::new(400, message.into()).with_code("ValidationException")
}

/// The body has a key that the path stands for.
pub(crate) fn refuse_extraneous(key: &str) -> Refusal {
    refuse_input(format!(
        "Malformed input request: #: extraneous key [{key}] is not permitted, please reformat \
         your input and try again."
    ))
}

/// The front of the service does not let the request in.
pub(crate) fn refuse_access(name: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::new(403, message.into()).with_code(name)
}

/// No operation has this path and method.
pub(crate) fn refuse_operation() -> Refusal {
    Refusal::new(404, "").with_code(UNKNOWN_OPERATION)
}

/// A model name asks for a scenario that there is not.
pub(crate) fn refuse_model(model: &str, why: &ParseScenarioError) -> Refusal {
    let message = format!("Could not resolve the foundation model from {model}: {why}");
    Refusal::new(404, message).with_code("ResourceNotFoundException")
}

/// The body of an error.
///
/// The front spells its key as it likes: `Message` where access is denied, none where
/// no operation is found.
pub(crate) fn build_body(refusal: &Refusal) -> Json {
    let message = refusal.message.as_ref();
    match name_of(refusal) {
        UNKNOWN_OPERATION => object! {
            "Output" => object! { "__type" => "com.amazon.coral.service#UnknownOperationException" },
            "Version" => "1.0",
        },
        ACCESS_DENIED => object! { "Message" => message },
        _ => object! { "message" => message },
    }
}

/// The header by which clients tell errors apart.
pub(crate) fn build_header(refusal: &Refusal) -> Option<(HeaderName, HeaderValue)> {
    let name = name_of(refusal);
    let service = if FRONT.contains(&name) {
        "com.amazon.coral.service"
    } else {
        "com.amazon.bedrock"
    };
    let value = format!("{name}:http://internal.amazon.com/coral/{service}/");
    let value = HeaderValue::try_from(value).ok()?;
    Some((HeaderName::from_static("x-amzn-errortype"), value))
}

/// The dialects' own refusals bring no name; of those AWS knows, it is by status.
fn name_of(refusal: &Refusal) -> &'static str {
    let by_status = || refuse_with(refusal.status).code;
    refusal.code.or_else(by_status).unwrap_or_default()
}

/// The last frame of a stream that fails as a scenario says.
pub(crate) fn build_frame(scenario: &Scenario) -> Bytes {
    let fault = match scenario {
        Scenario::Exception { fault, .. } => *fault,
        Scenario::Failed => StreamFault::InternalServer,
        _ => StreamFault::ServiceUnavailable,
    };
    let (name, message) = match fault {
        StreamFault::InternalServer => (
            "internalServerException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
        StreamFault::ModelStreamError => (
            "modelStreamErrorException",
            "The model stream was interrupted. Try your request again.",
        ),
        StreamFault::ModelTimeout => (
            "modelTimeoutException",
            "Model has timed out in processing the request. Try your request again.",
        ),
        StreamFault::ServiceUnavailable => (
            "serviceUnavailableException",
            "Bedrock is unable to process your request.",
        ),
        StreamFault::Throttling => (
            "throttlingException",
            "Too many tokens, please wait before trying again.",
        ),
        StreamFault::Validation => (
            "validationException",
            "The provided request is not valid for this model.",
        ),
        StreamFault::Unmodelled => {
            return error_frame("InternalFailure", "The service failed in a way of its own.");
        }
    };
    exception_frame(name, &object! { "message" => message }.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_name_and_the_status_of_aws() {
        for (status, answered, name) in [
            (400, 400, "ValidationException"),
            (403, 403, "AccessDeniedException"),
            (404, 404, "ResourceNotFoundException"),
            (408, 408, "ModelTimeoutException"),
            (424, 424, "ModelErrorException"),
            (429, 429, "ThrottlingException"),
            (500, 500, "InternalServerException"),
            (503, 503, "ServiceUnavailableException"),
            (529, 503, "ServiceUnavailableException"),
        ] {
            let refusal = refuse_with(status);
            assert_eq!((refusal.status, refusal.code), (answered, Some(name)));
        }
    }

    #[test]
    fn the_header_says_who_refused() {
        let value = |refusal: &Refusal| {
            let (_, value) = build_header(refusal).expect("a header");
            value.to_str().expect("text").to_owned()
        };
        assert_eq!(
            value(&refuse_input("no")),
            "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"
        );
        assert_eq!(
            value(&refuse_access(INVALID_SIGNATURE, "no")),
            "InvalidSignatureException:http://internal.amazon.com/coral/com.amazon.coral.service/"
        );
        assert!(value(&Refusal::new(400, "no")).starts_with("ValidationException:"));
    }

    #[test]
    fn the_key_of_the_message_is_that_of_the_refusing_part() {
        for (refusal, body) in [
            (refuse_input("no"), r#"{"message":"no"}"#),
            (refuse_access(ACCESS_DENIED, "no"), r#"{"Message":"no"}"#),
            (
                refuse_operation(),
                r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#,
            ),
        ] {
            assert_eq!(build_body(&refusal).to_text(), body);
        }
    }
}
