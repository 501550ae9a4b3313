//! The paths of Azure OpenAI and of Microsoft Entra's token server.
//!
//! <https://learn.microsoft.com/azure/ai-services/openai/reference>; the paths of
//! `v1` are OpenAI's own.

use http::Method;

use super::{
    Compute, Dialect, Generate, Issuer, Route, Target, compute, decode, find_models,
    find_parameter, find_response, generate, issue,
};

/// The route, if the path is one of Azure's.
pub(super) fn find_route(method: &Method, segments: &[&str], query: &str) -> Option<Route> {
    let azure = |target| Route::new(Dialect::AzureOpenAi, target);
    Some(match segments {
        [tenant, "oauth2", "v2.0", "token"] => {
            let tenant = decode(tenant).into_owned();
            azure(issue(method, Issuer::Entra { tenant }))
        }
        ["openai", "v1", "models", rest @ ..] => azure(find_models(method, rest)),
        ["openai", "v1", "responses", rest @ ..] => azure(find_response(method, rest)),
        ["openai", "v1", rest @ ..] => azure(find_call(method, rest)),
        ["openai", ..] if !has_api_version(query) => azure(Target::Unknown),
        ["openai", "deployments", deployment, rest @ ..] => {
            azure(find_call(method, rest)).with_model(deployment)
        }
        // Both stand beside the deployments, not below them.
        ["openai", "models", rest @ ..] => azure(find_models(method, rest)),
        ["openai", "responses", rest @ ..] => azure(find_response(method, rest)),
        ["openai", ..] => azure(Target::Unknown),
        _ => return None,
    })
}

fn find_call(method: &Method, rest: &[&str]) -> Target {
    match rest {
        ["chat", "completions"] => generate(method, Generate::Chat),
        ["completions"] => generate(method, Generate::Completions),
        ["embeddings"] => compute(method, Compute::Embeddings),
        _ => Target::Unknown,
    }
}

/// `2024-10-21`, or the same with `-preview`.
fn has_api_version(query: &str) -> bool {
    find_parameter(query, "api-version").is_some_and(|version| {
        let date = version.strip_suffix("-preview").unwrap_or(&version);
        date.len() == 10
            && date.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{Page, find_route};

    const VERSION: &str = "api-version=2024-10-21";

    fn find(path: &str) -> Route {
        find_route(&Method::POST, path, false)
    }

    #[test]
    fn each_deployment_has_the_three_calls() {
        for (call, target) in [
            ("chat/completions", Target::Generate(Generate::Chat)),
            ("completions", Target::Generate(Generate::Completions)),
            ("embeddings", Target::Compute(Compute::Embeddings)),
            ("responses", Target::Unknown),
        ] {
            let route = find(&format!("/openai/deployments/my%20chat/{call}?{VERSION}"));
            assert_eq!(
                (route.dialect, route.target),
                (Dialect::AzureOpenAi, target)
            );
            assert_eq!(route.model.as_deref(), Some("my chat"));
        }
    }

    #[test]
    fn responses_and_models_stand_beside_the_deployments() {
        let responses = find(&format!("/openai/responses?{VERSION}"));
        assert_eq!(responses.target, Target::Generate(Generate::Responses));
        let models = find_route(&Method::GET, &format!("/openai/models?{VERSION}"), false);
        assert_eq!(models.target, Target::Page(Page::Models));
    }

    #[test]
    fn only_v1_does_without_a_version() {
        for (path, target) in [
            (
                "/openai/v1/chat/completions",
                Target::Generate(Generate::Chat),
            ),
            (
                "/openai/v1/responses",
                Target::Generate(Generate::Responses),
            ),
            (
                "/openai/v1/embeddings?api-version=preview",
                Target::Compute(Compute::Embeddings),
            ),
            ("/openai/responses", Target::Unknown),
            ("/openai/deployments/d/chat/completions", Target::Unknown),
        ] {
            assert_eq!(find(path).target, target, "{path}");
        }
    }

    #[test]
    fn versions_are_dates() {
        for (version, is_good) in [
            ("2024-10-21", true),
            ("2025-04-01-preview", true),
            ("preview", false),
            ("2024-10-2", false),
            ("2024_10_21", false),
            ("", false),
        ] {
            assert_eq!(
                has_api_version(&format!("a=b&api-version={version}")),
                is_good,
                "{version}"
            );
        }
    }

    #[test]
    fn each_tenant_has_a_token_server() {
        let issuer = Issuer::Entra {
            tenant: "t".to_owned(),
        };
        assert_eq!(find("/t/oauth2/v2.0/token").target, Target::Token(issuer));
    }
}
