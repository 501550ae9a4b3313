//! The paths of Google Vertex AI and of Google's token server.
//!
//! <https://cloud.google.com/vertex-ai/docs/reference/rest>

use http::Method;

use super::{
    Compute, Delivery, Dialect, Generate, Issuer, Route, Target, compute, find_parameter, generate,
    issue,
};

/// In the place of a model's name: the method that counts Claude's tokens.
const COUNT_TOKENS: &str = "count-tokens";

/// The route, if the path is one of Google's.
pub(super) fn find_route(method: &Method, segments: &[&str], query: &str) -> Option<Route> {
    Some(match segments {
        ["token"] => Route::new(Dialect::Vertex, issue(method, Issuer::Google)),
        ["v1" | "v1beta1", "projects", _, "locations", _, rest @ ..] => match rest {
            ["publishers", publisher, "models", call] => {
                find_publisher(method, publisher, call, query)
            }
            ["endpoints", "openapi", "chat", "completions"] => {
                Route::new(Dialect::VertexList, generate(method, Generate::Chat))
            }
            _ => unknown(),
        },
        ["v1" | "v1beta1", "projects", ..] | ["projects", ..] => unknown(),
        _ => return None,
    })
}

/// `call` is `{model}:{method}`.
fn find_publisher(method: &Method, publisher: &str, call: &str, query: &str) -> Route {
    let Some((model, action)) = call.rsplit_once(':') else {
        return unknown();
    };
    let claude = |target| Route::new(Dialect::VertexClaude, target);
    let route = match (publisher, action) {
        ("anthropic", "rawPredict") if model == COUNT_TOKENS => {
            return claude(compute(method, Compute::CountTokens));
        }
        ("anthropic", "rawPredict" | "streamRawPredict") => {
            claude(generate(method, Generate::Messages))
        }
        ("google", "generateContent") => gemini(method, Delivery::Whole),
        ("google", "streamGenerateContent") => {
            let wants_events = find_parameter(query, "alt").is_some_and(|alt| alt == "sse");
            gemini(
                method,
                if wants_events {
                    Delivery::Events
                } else {
                    Delivery::List
                },
            )
        }
        ("google", "countTokens") => {
            Route::new(Dialect::Vertex, compute(method, Compute::GeminiTokens))
        }
        _ => return unknown(),
    };
    route.with_model(model)
}

fn gemini(method: &Method, delivery: Delivery) -> Route {
    let dialect = match delivery {
        Delivery::Whole | Delivery::Events => Dialect::Vertex,
        Delivery::List => Dialect::VertexList,
    };
    Route::new(dialect, generate(method, Generate::Gemini(delivery)))
}

fn unknown() -> Route {
    Route::new(Dialect::Vertex, Target::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::find_route;

    const PLACE: &str = "projects/p/locations/l";

    fn find(path: &str) -> Route {
        find_route(&Method::POST, path, false)
    }

    #[test]
    fn both_versions_lead_to_the_models_of_both_publishers() {
        for version in ["v1", "v1beta1"] {
            for (call, dialect, endpoint) in [
                (
                    "anthropic/models/m:rawPredict",
                    Dialect::VertexClaude,
                    Generate::Messages,
                ),
                (
                    "anthropic/models/m:streamRawPredict",
                    Dialect::VertexClaude,
                    Generate::Messages,
                ),
                (
                    "google/models/m:generateContent",
                    Dialect::Vertex,
                    Generate::Gemini(Delivery::Whole),
                ),
                (
                    "google/models/m:streamGenerateContent?alt=sse",
                    Dialect::Vertex,
                    Generate::Gemini(Delivery::Events),
                ),
                (
                    "google/models/m:streamGenerateContent",
                    Dialect::VertexList,
                    Generate::Gemini(Delivery::List),
                ),
            ] {
                let route = find(&format!("/{version}/{PLACE}/publishers/{call}"));
                assert_eq!(route.dialect, dialect, "{call}");
                assert_eq!(route.target, Target::Generate(endpoint), "{call}");
                assert_eq!(route.model.as_deref(), Some("m"), "{call}");
            }
        }
    }

    #[test]
    fn dates_in_model_names_come_raw_or_encoded() {
        for model in ["claude-a@20250929", "claude-a%4020250929"] {
            let route = find(&format!(
                "/v1/{PLACE}/publishers/anthropic/models/{model}:rawPredict"
            ));
            assert_eq!(route.model.as_deref(), Some("claude-a@20250929"));
        }
    }

    #[test]
    fn tokens_are_counted_for_both_publishers() {
        for (call, endpoint, model) in [
            (
                "anthropic/models/count-tokens:rawPredict",
                Compute::CountTokens,
                None,
            ),
            (
                "google/models/m:countTokens",
                Compute::GeminiTokens,
                Some("m"),
            ),
        ] {
            let route = find(&format!("/v1/{PLACE}/publishers/{call}"));
            assert_eq!(route.target, Target::Compute(endpoint));
            assert_eq!(route.model.as_deref(), model);
        }
    }

    #[test]
    fn chats_name_their_model_in_the_body() {
        let route = find(&format!("/v1/{PLACE}/endpoints/openapi/chat/completions"));
        assert_eq!(route.target, Target::Generate(Generate::Chat));
        assert_eq!((route.dialect, route.model), (Dialect::VertexList, None));
    }

    #[test]
    fn without_a_version_there_is_nothing() {
        for path in [
            format!("/{PLACE}/publishers/google/models/m:generateContent"),
            format!("/v2/{PLACE}/publishers/google/models/m:generateContent"),
            format!("/v1/{PLACE}/publishers/google/models/m"),
            format!("/v1/{PLACE}/publishers/google/models/m:rawPredict"),
            format!("/v1/{PLACE}/publishers/meta/models/m:rawPredict"),
            "/v1/projects/p".to_owned(),
        ] {
            assert_eq!(find(&path).target, Target::Unknown, "{path}");
        }
    }

    #[test]
    fn tokens_are_issued_to_who_posts() {
        assert_eq!(find("/token").target, Target::Token(Issuer::Google));
        let read = find_route(&Method::GET, "/token", false);
        assert_eq!(read.target, Target::WrongMethod);
    }
}
