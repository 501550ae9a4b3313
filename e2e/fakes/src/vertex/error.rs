//! Google's error bodies, the page of a path that there is not, and which of the
//! errors of Claude on Vertex AI are Google's.
//!
//! <https://cloud.google.com/apis/design/errors>

use crate::{
    json::{Json, array, object},
    refusal::Refusal,
    scenario::ParseScenarioError,
};

/// The provider's refusal with a status, worded as it words it.
pub(crate) fn refuse_with(status: u16) -> Refusal {
    let message = match status {
        400 => "Request contains an invalid argument.",
        401 => "Request had invalid authentication credentials.",
        403 => "The caller does not have permission",
        404 => "Requested entity was not found.",
        413 => "Request payload size exceeds the limit: 67108864 bytes.",
        429 => {
            "Resource exhausted. Please try again later. Please refer to \
             https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details."
        }
        503 => "The service is currently unavailable.",
        504 => "Deadline expired before operation could complete.",
        500..=599 => "Internal error encountered.",
        _ => "The request could not be processed.",
    };
    Refusal::new(status, message)
}

/// The caller has nothing to do with this project.
pub(crate) fn refuse_permission(resource: &str) -> Refusal {
    let message = format!(
        "Permission 'aiplatform.endpoints.predict' denied on resource \
         '//aiplatform.googleapis.com/{resource}' (or it may not exist)."
    );
    Refusal::new(403, message)
}

/// The location does not have this model.
pub(crate) fn refuse_publisher_model(resource: &str) -> Refusal {
    let message = format!(
        "Publisher Model `{resource}` was not found or your project does not have access to it. \
         Please ensure you are using a valid model version."
    );
    Refusal::new(404, message)
}

/// A model name asks for a scenario that there is not.
pub(crate) fn refuse_model(model: &str, why: &ParseScenarioError) -> Refusal {
    Refusal::new(
        404,
        format!("Publisher Model `{model}` was not found: {why}."),
    )
}

/// A field is not one of the method's.
pub(crate) fn refuse_field(field: &str) -> Refusal {
    let message =
        format!("Invalid JSON payload received. Unknown name \"{field}\": Cannot find field.");
    Refusal::new(400, message)
}

/// The body is not JSON.
pub(crate) fn refuse_json() -> Refusal {
    Refusal::new(
        400,
        "Invalid JSON payload received. Unexpected end of string.",
    )
}

/// Whether Google's front refuses with this status when Claude is behind it; the
/// model's own refusals have Anthropic's shape.
pub(crate) fn is_of_the_front(status: u16) -> bool {
    matches!(status, 401 | 403 | 404 | 429 | 500 | 503 | 504)
}

/// The body of an error.
pub(crate) fn build_body(refusal: &Refusal) -> Json {
    let details = find_reason(refusal.status).map(|reason| {
        array![object! {
            "@type" => "type.googleapis.com/google.rpc.ErrorInfo",
            "reason" => reason,
            "domain" => "googleapis.com",
            "metadata" => object! { "service" => "aiplatform.googleapis.com" },
        }]
    });
    let error = object! {
        "code" => u64::from(refusal.status),
        "message" => refusal.message.as_ref(),
        "status" => find_status(refusal.status),
    };
    let error = match details {
        Some(details) => error.with("details", details),
        None => error,
    };
    object! { "error" => error }
}

/// The page that Google's front shows for a path that no service has.
pub(crate) fn build_page(path: &str) -> String {
    let path = path.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  \
         <title>Error 404 (Not Found)!!1</title>\n  \
         <p><b>404.</b> <ins>That’s an error.</ins>\n  \
         <p>The requested URL <code>{path}</code> was not found on this server.  \
         <ins>That’s all we know.</ins>\n"
    )
}

fn find_reason(status: u16) -> Option<&'static str> {
    match status {
        401 => Some("ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        403 => Some("IAM_PERMISSION_DENIED"),
        _ => None,
    }
}

fn find_status(status: u16) -> &'static str {
    match status {
        400 | 413 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500..=599 => "INTERNAL",
        _ => "UNKNOWN",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn bodies_repeat_the_status_and_name_it() {
        assert_eq!(
            build_body(&refuse_with(503)).to_text(),
            r#"{"error":{"code":503,"message":"The service is currently unavailable.","status":"UNAVAILABLE"}}"#
        );
        for (status, name) in [
            (400, "INVALID_ARGUMENT"),
            (401, "UNAUTHENTICATED"),
            (403, "PERMISSION_DENIED"),
            (404, "NOT_FOUND"),
            (429, "RESOURCE_EXHAUSTED"),
            (500, "INTERNAL"),
            (504, "DEADLINE_EXCEEDED"),
        ] {
            let body = build_body(&refuse_with(status)).to_text();
            let body: Value = serde_json::from_str(&body).expect("JSON");
            assert_eq!(body["error"]["status"], name);
            assert_eq!(body["error"]["code"], status);
        }
    }

    #[test]
    fn the_page_shows_the_path_as_text() {
        let page = build_page("/projects/<p>");
        assert!(page.contains("<code>/projects/&lt;p></code>"), "{page}");
    }
}
