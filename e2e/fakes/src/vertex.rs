//! Google Vertex AI's front: whom it lets in, and the headers of its answers.
//!
//! Its errors are in `error`, what it does to Claude's requests in `claude`; Gemini
//! has a module of its own, the token server is in [`oauth::google`](crate::oauth::google).

pub(crate) mod claude;
pub(crate) mod error;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AUTHORIZATION, SERVER, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
    },
    request::Parts,
};
use serde_json::Value;

use crate::{
    oauth::{google::SCOPE, tokens::Tokens},
    openai::find_bearer,
    prompt::find_model,
    refusal::Refusal,
    vertex::error::{refuse_permission, refuse_publisher_model},
};

/// The only project that the fake serves.
pub const PROJECT_ID: &str = "anyray-fakes-project";

/// The only location that the fake serves.
pub const LOCATION: &str = "europe-west1";

/// Headers of every answer.
pub(crate) fn build_headers() -> HeaderMap {
    let fixed = [
        (VARY, "Origin, X-Origin, Referer"),
        (SERVER, "scaffolding on HTTPServer2"),
        (X_XSS_PROTECTION, "0"),
        (X_FRAME_OPTIONS, "SAMEORIGIN"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    fixed
        .into_iter()
        .map(|(name, value): (HeaderName, _)| (name, HeaderValue::from_static(value)))
        .collect()
}

/// A token that Google's server issued and that is still good, for the project and
/// the location that there are; `now` is Unix time in seconds.
///
/// # Errors
///
/// The provider's 401, 403 and 404 otherwise.
pub(crate) fn check_credentials(parts: &Parts, tokens: &Tokens, now: u64) -> Result<(), Refusal> {
    check_token(&parts.headers, tokens, now)?;
    let Some(place) = find_place(parts.uri.path()) else {
        return Ok(());
    };
    if place.project != PROJECT_ID {
        return Err(refuse_permission(place.resource));
    }
    if place.location != LOCATION {
        return Err(refuse_publisher_model(place.resource));
    }
    Ok(())
}

fn check_token(headers: &HeaderMap, tokens: &Tokens, now: u64) -> Result<(), Refusal> {
    if headers.contains_key("x-goog-api-key") {
        let message = "API keys are not supported by this API. Expected OAuth2 access token or \
                       other authentication credentials that assert a principal. See \
                       https://cloud.google.com/docs/authentication";
        return Err(Refusal::new(401, message));
    }
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    let Some(first) = first else {
        let message = "Request is missing required authentication credential. Expected OAuth 2 \
                       access token, login cookie or other valid authentication credential. See \
                       https://developers.google.com/identity/sign-in/web/devconsole-project.";
        return Err(Refusal::new(401, message));
    };
    let token = find_bearer(first).filter(|_| second.is_none());
    let audience = token.and_then(|token| tokens.find_audience(token, now));
    if audience.as_deref() == Some(SCOPE) {
        return Ok(());
    }
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, \
                   login cookie or other valid authentication credential. See \
                   https://developers.google.com/identity/sign-in/web/devconsole-project.";
    Err(Refusal::new(401, message))
}

/// Looks at the model of a chat in OpenAI's dialect, which names its publisher.
///
/// # Errors
///
/// The provider's 400 for a model without one.
pub(crate) fn admit_chat(request: Value) -> Result<Value, Refusal> {
    let model = find_model(&request).unwrap_or_default();
    if model.starts_with("google/") {
        return Ok(request);
    }
    let message = format!("Malformed publisher model `{model}`: expected `google/MODEL`.");
    Err(Refusal::new(400, message))
}

/// Where a path says that a model is.
struct Place<'a> {
    project: &'a str,
    location: &'a str,
    /// The path from `projects` on, without the method at its end.
    resource: &'a str,
}

fn find_place(path: &str) -> Option<Place<'_>> {
    let at = path.find("projects/")?;
    let resource = path.get(at..)?;
    let resource = resource.rsplit_once(':').map_or(resource, |(name, _)| name);
    let mut segments = resource.split('/').skip(1);
    let project = segments.next()?;
    let location = segments.nth(1)?;
    Some(Place {
        project,
        location,
        resource,
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const NOW: u64 = 1_790_812_800;

    fn check(tokens: &Tokens, place: &str, headers: &[(&str, &str)]) -> u16 {
        let path = format!("/v1/{place}/publishers/google/models/m:generateContent");
        let request = Request::builder().uri(path);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        check_credentials(&parts, tokens, NOW).map_or_else(|refusal| refusal.status, |()| 200)
    }

    fn place() -> String {
        format!("projects/{PROJECT_ID}/locations/{LOCATION}")
    }

    #[test]
    fn only_tokens_of_googles_own_server_are_taken() {
        let tokens = Tokens::default();
        let bearer = |audience| format!("Bearer {}", tokens.issue("", audience, NOW).token);
        let (good, of_another) = (bearer(SCOPE), bearer("https://cognitiveservices.azure.com"));
        for (headers, status) in [
            (vec![("authorization", good.as_str())], 200),
            (vec![], 401),
            (vec![("authorization", "Bearer ya29.made-up")], 401),
            (vec![("authorization", of_another.as_str())], 401),
            (
                vec![
                    ("authorization", good.as_str()),
                    ("authorization", good.as_str()),
                ],
                401,
            ),
            (
                vec![("authorization", good.as_str()), ("x-goog-api-key", "k")],
                401,
            ),
        ] {
            assert_eq!(check(&tokens, &place(), &headers), status, "{headers:?}");
        }
    }

    #[test]
    fn other_projects_are_forbidden_and_other_locations_have_no_model() {
        let tokens = Tokens::default();
        let bearer = format!("Bearer {}", tokens.issue("", SCOPE, NOW).token);
        for (project, location, status) in [
            (PROJECT_ID, LOCATION, 200),
            ("another", LOCATION, 403),
            ("-", "-", 403),
            (PROJECT_ID, "us-east5", 404),
        ] {
            let place = format!("projects/{project}/locations/{location}");
            let headers = [("authorization", bearer.as_str())];
            assert_eq!(check(&tokens, &place, &headers), status, "{place}");
        }
    }

    #[test]
    fn resources_are_named_without_the_method() {
        let place = find_place("/v1/projects/p/locations/l/publishers/google/models/m:countTokens");
        let place = place.expect("a place");
        assert_eq!((place.project, place.location), ("p", "l"));
        assert_eq!(
            place.resource,
            "projects/p/locations/l/publishers/google/models/m"
        );
    }
}
