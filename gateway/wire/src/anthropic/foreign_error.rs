//! Errors of the cloud providers that serve Claude, in the envelope that Anthropic's SDKs read.
//!
//! The status stays what it was; so does the message, since clients match its wording.
//! Errors inside a stream are [`crate::bedrock::claude`]'s.

use bytes::Bytes;
use serde::Deserialize;

use super::error::{Detail, Envelope};
use crate::error::{anthropic_kind, json};

/// What is told where the cloud gave no message that can be read.
const NO_MESSAGE: &str = "the provider refused the request and gave no message";

/// The body of an error answer of Bedrock or Vertex in Anthropic's shape; `None` where it has that
/// shape, as Claude's own errors on Vertex have, and should go on as it is.
///
/// `request_id` is the gateway's.
///
/// Understood are AWS's `{"message"}`, and Google's `{"error": {"message", ...}}`, alone or as the
/// first of a list; of anything else only the status is told.
pub fn translate(status: u16, body: &[u8], request_id: &str) -> Option<Bytes> {
    let found = read(body).unwrap_or_default();
    if found.is_anthropic() {
        return None;
    }
    Some(json(&Envelope {
        kind: "error",
        error: Detail {
            kind: kind(status),
            message: found.message().unwrap_or(NO_MESSAGE),
            details: None,
        },
        request_id: Some(request_id),
    }))
}

/// Class of a cloud's error in Anthropic's vocabulary.
fn kind(status: u16) -> &'static str {
    match status {
        408 => "timeout_error",
        // Bedrock's word for a model that failed.
        424 => "api_error",
        _ => anthropic_kind(status),
    }
}

/// All three shapes at once; no field of one means something else in another.
#[derive(Debug, Default, Deserialize)]
struct Found {
    #[serde(rename = "type")]
    kind: Option<String>,
    error: Option<FoundDetail>,
    message: Option<String>,
    /// AWS's front doors write it so.
    #[serde(rename = "Message")]
    front_message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct FoundDetail {
    #[serde(rename = "type")]
    kind: Option<String>,
    message: Option<String>,
}

impl Found {
    fn is_anthropic(&self) -> bool {
        let detail = self.error.as_ref();
        self.kind.as_deref() == Some("error") && detail.is_some_and(|detail| detail.kind.is_some())
    }

    fn message(&self) -> Option<&str> {
        let detail = self.error.as_ref();
        detail
            .and_then(|detail| detail.message.as_deref())
            .or(self.message.as_deref())
            .or(self.front_message.as_deref())
            .filter(|message| !message.is_empty())
    }
}

fn read(body: &[u8]) -> Option<Found> {
    let one = serde_json::from_slice(body);
    // A streaming method of Google's answers with a list.
    one.or_else(|_| serde_json::from_slice::<[Found; 1]>(body).map(|[found]| found))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: Option<(&str, &str)>) {
        let translated = translate(status, body.as_bytes(), "req_1");
        let expected = expected.map(|(kind, message)| {
            format!(
                r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"req_1"}}"#
            )
        });
        let translated = translated.map(|body| String::from_utf8(body.to_vec()).expect("UTF-8"));
        assert_eq!(translated, expected, "{status} {body}");
    }

    #[test]
    fn messages_of_both_clouds_are_kept_word_for_word() {
        let aws = r#"{"message":"prompt is too long: 2 tokens > 1 maximum"}"#;
        let told = "prompt is too long: 2 tokens > 1 maximum";
        check(400, aws, Some(("invalid_request_error", told)));
        let front = r#"{"Message":"User is not authorized"}"#;
        check(
            403,
            front,
            Some(("permission_error", "User is not authorized")),
        );
        let google =
            r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}"#;
        check(429, google, Some(("rate_limit_error", "Quota exceeded")));
        check(
            429,
            &format!("[{google}]"),
            Some(("rate_limit_error", "Quota exceeded")),
        );
    }

    #[test]
    fn what_is_in_anthropics_shape_goes_on_as_it_is() {
        let vertex = r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"},"request_id":"req_vrtx_1"}"#;
        check(400, vertex, None);
    }

    #[test]
    fn every_status_has_a_class() {
        for (status, kind) in [
            (402, "billing_error"),
            (404, "not_found_error"),
            (408, "timeout_error"),
            (409, "conflict_error"),
            (413, "request_too_large"),
            (422, "invalid_request_error"),
            (424, "api_error"),
            (500, "api_error"),
            (502, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
            (529, "overloaded_error"),
        ] {
            check(status, r#"{"message":"x"}"#, Some((kind, "x")));
        }
    }

    #[test]
    fn what_cannot_be_read_tells_the_status_alone() {
        for body in [
            "",
            "<html>",
            "[]",
            "null",
            "{\"error\":7}",
            "{\"message\":\"\"}",
        ] {
            check(502, body, Some(("api_error", NO_MESSAGE)));
        }
    }
}
