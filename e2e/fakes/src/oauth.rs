//! Token servers: what Google's and Microsoft's share.
//!
//! How they are asked and how they refuse is here, whom they know in [`google`] and
//! [`entra`], what they issued in `tokens`.

pub mod entra;
pub mod google;
pub(crate) mod tokens;

use bytes::Bytes;
use http::{HeaderMap, header::CONTENT_TYPE};

use crate::{
    json::{Json, object},
    oauth::tokens::Issued,
    refusal::Refusal,
    route::decode,
};

/// The kind of body that token servers read.
const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of a request for a token.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a body; one of another kind has no fields.
    pub(crate) fn read(headers: &HeaderMap, body: &Bytes) -> Self {
        let kind = headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let is_form = kind.is_some_and(|kind| kind.split(';').next() == Some(FORM));
        let text = std::str::from_utf8(body).ok().filter(|_| is_form);
        let pairs = text.unwrap_or_default().split('&');
        let pairs = pairs.filter_map(|pair| pair.split_once('='));
        Self(
            pairs
                .map(|(name, value)| (decode_field(name), decode_field(value)))
                .collect(),
        )
    }

    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value)
            .filter(|value| !value.is_empty())
            .map(String::as_str)
    }
}

fn decode_field(field: &str) -> String {
    decode(&field.replace('+', " ")).into_owned()
}

/// A refusal in the words of RFC 6749, section 5.2.
fn refuse(status: u16, error: &'static str, description: impl Into<String>) -> Refusal {
    Refusal::new(status, description.into()).with_code(error)
}

/// The answer to a granted request.
pub(crate) fn build_grant(issued: &Issued) -> Json {
    object! {
        "access_token" => issued.token.as_str(),
        "expires_in" => issued.life_s,
        "token_type" => "Bearer",
    }
}

/// The answer to a refused request.
pub(crate) fn build_refusal(refusal: &Refusal) -> Json {
    object! {
        "error" => refusal.code.unwrap_or("server_error"),
        "error_description" => refusal.message.as_ref(),
    }
}

/// The refusal of [`Scenario::Status`](crate::Scenario::Status).
pub(crate) fn refuse_with(status: u16) -> Refusal {
    match status {
        400 => refuse(400, "invalid_grant", "Bad Request"),
        401 => refuse(401, "invalid_client", "Unauthorized"),
        429 => refuse(429, "rate_limit_exceeded", "Rate Limit Exceeded"),
        503 => refuse(
            503,
            "temporarily_unavailable",
            "The service is unavailable.",
        ),
        _ => refuse(status, "internal_failure", "Backend Error"),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(kind: &'static str, body: &'static str) -> Form {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        Form::read(&headers, &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn fields_are_decoded() {
        let form = read(FORM, "grant_type=a%3Ab&scope=one+two&empty=");
        assert_eq!(form.find("grant_type"), Some("a:b"));
        assert_eq!(form.find("scope"), Some("one two"));
        assert_eq!(form.find("empty"), None);
    }

    #[test]
    fn only_forms_have_fields() {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        assert_eq!(read(kind, "a=b").find("a"), Some("b"));
        assert_eq!(read("application/json", "a=b").find("a"), None);
    }

    #[test]
    fn bodies_are_those_of_the_standard() {
        assert_eq!(
            build_refusal(&refuse_with(400)).to_text(),
            r#"{"error":"invalid_grant","error_description":"Bad Request"}"#
        );
    }
}
