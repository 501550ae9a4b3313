//! OpenAI's dialect: what all its endpoints share.

pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod embeddings;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod models;
pub(crate) mod responses;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use crate::{identity::long_id, json::Json, json::object, refusal::Refusal, reply::Usage};

/// The last event of a stream of chats or completions.
pub(crate) const DONE: &[u8] = b"data: [DONE]\n\n";

/// Headers of every answer.
pub(crate) fn build_headers(serial: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let fixed = [
        ("openai-organization", "org-anyray-fakes"),
        ("openai-processing-ms", "12"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-limit-tokens", "2000000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-remaining-tokens", "1999900"),
        ("x-ratelimit-reset-requests", "6ms"),
        ("x-ratelimit-reset-tokens", "3ms"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(id) = HeaderValue::try_from(request_id(serial)) {
        headers.insert("x-request-id", id);
    }
    headers
}

/// The `x-request-id` of an answer.
pub(crate) fn request_id(serial: u64) -> String {
    long_id("req_", serial)
}

/// Exactly one `authorization: Bearer`, of any value.
///
/// # Errors
///
/// The provider's 401 otherwise.
pub(crate) fn check_credentials(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    let Some(first) = first else {
        let message = "You didn't provide an API key. You need to provide your API key in an \
                       Authorization header using Bearer auth (i.e. Authorization: Bearer \
                       YOUR_KEY).";
        return Err(Refusal::new(401, message).with_code("invalid_api_key"));
    };
    if second.is_none() && is_bearer(first) {
        return Ok(());
    }
    let message = "Incorrect API key provided. You can find your API key at \
                   https://platform.openai.com/account/api-keys.";
    Err(Refusal::new(401, message).with_code("invalid_api_key"))
}

/// Whether a value is `Bearer`, in any case, and a key.
pub(crate) fn is_bearer(value: &HeaderValue) -> bool {
    find_bearer(value).is_some()
}

/// The key behind `Bearer`.
pub(crate) fn find_bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    Some(key.trim()).filter(|key| scheme.eq_ignore_ascii_case("bearer") && !key.is_empty())
}

/// Usage of chats and completions; input includes what the cache did.
pub(crate) fn build_usage(usage: &Usage) -> Json {
    object! {
        "prompt_tokens" => usage.input,
        "completion_tokens" => usage.output,
        "total_tokens" => usage.input + usage.output,
        "prompt_tokens_details" => object! {
            "cached_tokens" => usage.cached,
            "cache_write_tokens" => usage.written,
            "audio_tokens" => 0_u64,
        },
        "completion_tokens_details" => object! {
            "reasoning_tokens" => 0_u64,
            "audio_tokens" => 0_u64,
            "accepted_prediction_tokens" => 0_u64,
            "rejected_prediction_tokens" => 0_u64,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(authorizations: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in authorizations {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        check_credentials(&headers).is_ok()
    }

    #[test]
    fn exactly_one_bearer_is_taken() {
        assert!(check(&["Bearer x"]));
        assert!(check(&["bearer x"]));
        assert!(!check(&[]));
        assert!(!check(&["Bearer "]));
        assert!(!check(&["Basic x"]));
        assert!(!check(&["Bearer x", "Bearer x"]));
    }
}
