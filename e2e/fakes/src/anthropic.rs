//! Anthropic's dialect: what all its endpoints share.

pub(crate) mod count_tokens;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod messages;
pub(crate) mod models;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jiff::Timestamp;
use serde_json::Value;

use crate::{identity::short_id, openai::is_bearer, refusal::Refusal};

/// The versions that the provider knows.
const VERSIONS: [&str; 3] = ["2023-01-01", "2023-06-01", "2026-10-21"];

/// The version that refuses sampling parameters.
const STRICT_VERSION: &str = "2026-10-21";

/// Headers of every answer; `now` is Unix time in seconds.
pub(crate) fn build_headers(serial: u64, now: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let fixed = [
        (
            "anthropic-organization-id",
            "00000000-0000-4000-8000-00000000fa4e",
        ),
        ("anthropic-ratelimit-requests-limit", "4000"),
        ("anthropic-ratelimit-requests-remaining", "3999"),
        ("anthropic-ratelimit-tokens-limit", "2400000"),
        ("anthropic-ratelimit-tokens-remaining", "2399000"),
        ("anthropic-ratelimit-input-tokens-limit", "2000000"),
        ("anthropic-ratelimit-input-tokens-remaining", "1999000"),
        ("anthropic-ratelimit-output-tokens-limit", "400000"),
        ("anthropic-ratelimit-output-tokens-remaining", "400000"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let reset = HeaderValue::try_from(write_time(now + 1));
    for name in [
        "anthropic-ratelimit-requests-reset",
        "anthropic-ratelimit-tokens-reset",
        "anthropic-ratelimit-input-tokens-reset",
        "anthropic-ratelimit-output-tokens-reset",
    ] {
        headers.extend(
            reset
                .iter()
                .map(|reset| (http::HeaderName::from_static(name), reset.clone())),
        );
    }
    if let Ok(id) = HeaderValue::try_from(request_id(serial)) {
        headers.insert("request-id", id);
    }
    headers
}

/// The `request-id` of an answer, also in the body of an error.
pub(crate) fn request_id(serial: u64) -> String {
    short_id("req_01", serial)
}

/// RFC 3339, to the second.
pub(crate) fn write_time(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    Timestamp::from_second(seconds)
        .map(|time| time.to_string())
        .unwrap_or_default()
}

/// One `x-api-key` or one bearer of any value, and a version that there is.
///
/// # Errors
///
/// The provider's 401 and 400 otherwise.
pub(crate) fn check_credentials(headers: &HeaderMap) -> Result<(), Refusal> {
    let keys: Vec<_> = headers.get_all("x-api-key").iter().collect();
    let bearers: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
    match (keys.as_slice(), bearers.as_slice()) {
        ([], []) => return Err(Refusal::new(401, "x-api-key header is required")),
        // With both, the provider looks at the key alone.
        ([key], _) if !key.is_empty() => {}
        ([], [bearer]) if is_bearer(bearer) => {}
        ([], _) => return Err(Refusal::new(401, "Invalid bearer token")),
        _ => return Err(Refusal::new(401, "invalid x-api-key")),
    }
    check_version(headers)
}

/// A version that there is.
///
/// # Errors
///
/// The provider's 400 otherwise.
pub(crate) fn check_version(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(version) = find_version(headers) else {
        return Err(Refusal::new(400, "anthropic-version: header is required"));
    };
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    let message = format!("anthropic-version: {version:?} is not a valid version");
    Err(Refusal::new(400, message))
}

/// Whether the version of a request refuses sampling parameters; in a cloud the body
/// names it, and the header counts for nothing.
pub(crate) fn is_strict(request: &Value, headers: &HeaderMap) -> bool {
    let of_the_body = request.get("anthropic_version").and_then(Value::as_str);
    of_the_body.or_else(|| find_version(headers)) == Some(STRICT_VERSION)
}

fn find_version(headers: &HeaderMap) -> Option<&str> {
    headers.get("anthropic-version")?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&'static str, &'static str)]) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        check_credentials(&headers).map_or_else(|refusal| refusal.status, |()| 200)
    }

    #[test]
    fn a_key_or_a_bearer_and_a_version_are_needed() {
        let version = ("anthropic-version", "2023-06-01");
        for (headers, status) in [
            (vec![("x-api-key", "k"), version], 200),
            (vec![("authorization", "Bearer k"), version], 200),
            (
                vec![("x-api-key", "k"), ("authorization", "Bearer k"), version],
                200,
            ),
            (vec![version], 401),
            (vec![("x-api-key", ""), version], 401),
            (vec![("x-api-key", "k"), ("x-api-key", "k"), version], 401),
            (
                vec![
                    ("authorization", "Bearer k"),
                    ("authorization", "Bearer k"),
                    version,
                ],
                401,
            ),
            (vec![("x-api-key", "k")], 400),
            (
                vec![("x-api-key", "k"), ("anthropic-version", "2020-01-01")],
                400,
            ),
        ] {
            assert_eq!(check(&headers), status, "{headers:?}");
        }
    }

    #[test]
    fn times_are_written_as_the_provider_does() {
        assert_eq!(write_time(1_790_812_800), "2026-10-01T00:00:00Z");
    }
}
