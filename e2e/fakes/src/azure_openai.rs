//! Azure OpenAI's front: whom it lets in, which deployments there are, and the headers
//! of its answers.
//!
//! The answers are OpenAI's; what the content filter adds to them is in `filter`,
//! errors are in `error`, the token server is in [`oauth::entra`](crate::oauth::entra).

pub(crate) mod error;
pub(crate) mod filter;
pub(crate) mod models;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS},
    request::Parts,
};
use serde_json::Value;

use crate::{
    azure_openai::error::{refuse_deployment, refuse_key, refuse_token},
    identity::guid,
    oauth::tokens::Tokens,
    openai::find_bearer,
    prompt::find_model,
    refusal::Refusal,
};

/// The only key that the fake takes, in `api-key` or, below `/openai/v1`, as a bearer.
pub const API_KEY: &str = "0fa4e0fa4e0fa4e0fa4e0fa4e0fa4e00";

/// The only name that no deployment has.
pub const MISSING_DEPLOYMENT: &str = "missing";

/// The model behind every deployment, which answers name rather than the deployment.
pub const MODEL: &str = "gpt-5.6-2026-07-01";

/// What a token has to be good for.
const AUDIENCE: &str = "https://cognitiveservices.azure.com";

/// What a token may be good for instead, below `/openai/v1`.
const V1_AUDIENCE: &str = "https://ai.azure.com";

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");

/// Headers of every answer.
pub(crate) fn build_headers(serial: u64) -> HeaderMap {
    let fixed = [
        (
            STRICT_TRANSPORT_SECURITY,
            "max-age=31536000; includeSubDomains; preload",
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("x-ms-region"), "Sweden Central"),
        (HeaderName::from_static("x-ms-rai-invoked"), "true"),
        (
            HeaderName::from_static("x-ratelimit-limit-requests"),
            "10000",
        ),
        (
            HeaderName::from_static("x-ratelimit-limit-tokens"),
            "2000000",
        ),
        (
            HeaderName::from_static("x-ratelimit-remaining-requests"),
            "9999",
        ),
        (
            HeaderName::from_static("x-ratelimit-remaining-tokens"),
            "1999900",
        ),
        (CLIENT_REQUEST_ID, "Not-Set"),
    ];
    let fixed = fixed.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let ids = [("apim-request-id", serial), ("x-request-id", !serial)];
    let ids = ids.into_iter().filter_map(|(name, serial)| {
        let id = HeaderValue::try_from(guid(serial)).ok()?;
        Some((HeaderName::from_static(name), id))
    });
    fixed.into_iter().chain(ids).collect()
}

/// Repeats the id that the client gave the request.
pub(crate) fn repeat_client_id(parts: &Parts, headers: &mut HeaderMap) {
    if let Some(id) = parts.headers.get(CLIENT_REQUEST_ID) {
        headers.insert(CLIENT_REQUEST_ID, id.clone());
    }
}

/// One key or one token that is still good, and not both; `now` is Unix time in
/// seconds.
///
/// # Errors
///
/// The provider's 401 otherwise.
pub(crate) fn check_credentials(parts: &Parts, tokens: &Tokens, now: u64) -> Result<(), Refusal> {
    let is_v1 = parts.uri.path().starts_with("/openai/v1/");
    let keys: Vec<_> = parts.headers.get_all("api-key").iter().collect();
    let bearers: Vec<_> = parts.headers.get_all(AUTHORIZATION).iter().collect();
    match (keys.as_slice(), bearers.as_slice()) {
        ([key], []) if *key == API_KEY => Ok(()),
        ([], [bearer]) => match find_bearer(bearer) {
            Some(API_KEY) if is_v1 => Ok(()),
            Some(token) if is_good(token, is_v1, tokens, now) => Ok(()),
            _ => Err(refuse_token()),
        },
        _ => Err(refuse_key()),
    }
}

fn is_good(token: &str, is_v1: bool, tokens: &Tokens, now: u64) -> bool {
    let audience = tokens.find_audience(token, now);
    audience.is_some_and(|audience| audience == AUDIENCE || is_v1 && audience == V1_AUDIENCE)
}

/// Makes OpenAI's request of one for a deployment, which the path names or else the
/// body; a body's model counts for nothing beside the path's.
///
/// # Errors
///
/// The provider's 404 for [`MISSING_DEPLOYMENT`].
pub(crate) fn admit(mut request: Value, deployment: Option<&str>) -> Result<Value, Refusal> {
    let Some(deployment) = deployment.or_else(|| find_model(&request)) else {
        return Ok(request);
    };
    if deployment == MISSING_DEPLOYMENT {
        return Err(refuse_deployment());
    }
    if let Some(fields) = request.as_object_mut() {
        fields.insert("model".to_owned(), MODEL.into());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use serde_json::json;

    use super::*;

    const CLASSIC: &str = "/openai/deployments/d/embeddings";
    const V1: &str = "/openai/v1/embeddings";
    const NOW: u64 = 1_790_812_800;

    fn parts(path: &str, headers: &[(&str, &str)]) -> Parts {
        let request = Request::builder().uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        request.body(()).expect("a request").into_parts().0
    }

    fn check(tokens: &Tokens, path: &str, headers: &[(&str, &str)]) -> bool {
        check_credentials(&parts(path, headers), tokens, NOW).is_ok()
    }

    #[test]
    fn one_credential_is_taken_and_never_two() {
        let tokens = Tokens::default();
        let key = format!("Bearer {API_KEY}");
        let token = format!("Bearer {}", tokens.issue("", AUDIENCE, NOW).token);
        for (path, headers, is_taken) in [
            (CLASSIC, vec![("api-key", API_KEY)], true),
            (V1, vec![("api-key", API_KEY)], true),
            (CLASSIC, vec![("api-key", "other")], false),
            (CLASSIC, vec![], false),
            (CLASSIC, vec![("authorization", key.as_str())], false),
            (V1, vec![("authorization", key.as_str())], true),
            (CLASSIC, vec![("authorization", token.as_str())], true),
            (V1, vec![("authorization", token.as_str())], true),
            (
                V1,
                vec![("api-key", API_KEY), ("authorization", key.as_str())],
                false,
            ),
            (
                V1,
                vec![("api-key", API_KEY), ("authorization", token.as_str())],
                false,
            ),
            (V1, vec![("api-key", API_KEY), ("api-key", API_KEY)], false),
        ] {
            assert_eq!(
                check(&tokens, path, &headers),
                is_taken,
                "{path} {headers:?}"
            );
        }
    }

    #[test]
    fn tokens_are_for_this_service() {
        let tokens = Tokens::default();
        for (audience, path, is_taken) in [
            (AUDIENCE, CLASSIC, true),
            (V1_AUDIENCE, CLASSIC, false),
            (V1_AUDIENCE, V1, true),
            ("https://graph.microsoft.com", V1, false),
        ] {
            let bearer = format!("Bearer {}", tokens.issue("", audience, NOW).token);
            let headers = [("authorization", bearer.as_str())];
            assert_eq!(
                check(&tokens, path, &headers),
                is_taken,
                "{audience} {path}"
            );
        }
    }

    #[test]
    fn answers_name_the_model_whatever_the_deployment() {
        let body = || json!({"model": "of the body"});
        for (deployment, is_there) in [
            (Some("d"), true),
            (Some(MISSING_DEPLOYMENT), false),
            (None, true),
        ] {
            let request = admit(body(), deployment);
            let model = request.map(|request| request["model"].clone());
            assert_eq!(model.ok(), is_there.then(|| json!(MODEL)), "{deployment:?}");
        }
        let refusal = admit(json!({"model": MISSING_DEPLOYMENT}), None).expect_err("a refusal");
        assert_eq!(
            (refusal.status, refusal.code),
            (404, Some("DeploymentNotFound"))
        );
    }

    #[test]
    fn the_id_of_the_client_comes_back() {
        let mut headers = build_headers(1);
        repeat_client_id(&parts(V1, &[]), &mut headers);
        assert_eq!(headers[CLIENT_REQUEST_ID], "Not-Set");
        repeat_client_id(&parts(V1, &[("x-ms-client-request-id", "a")]), &mut headers);
        assert_eq!(headers[CLIENT_REQUEST_ID], "a");
        assert!(headers.contains_key("apim-request-id"));
    }
}
