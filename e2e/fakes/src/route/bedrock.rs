//! The paths of Amazon Bedrock: `bedrock-runtime` and the control plane `bedrock`.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations.html>

use http::Method;

use super::{Compute, Dialect, Generate, Page, Route, Target, compute, decode, generate, read};
use crate::bedrock::Operation;

/// The route, if the path is one of Bedrock's.
pub(super) fn find_route(method: &Method, segments: &[&str]) -> Option<Route> {
    let operation = |operation| generate(method, Generate::Bedrock(operation));
    let target = match segments {
        ["model", model, action] => {
            let target = match *action {
                "invoke" => operation(Operation::Invoke),
                "invoke-with-response-stream" => operation(Operation::InvokeStream),
                "converse" => operation(Operation::Converse),
                "converse-stream" => operation(Operation::ConverseStream),
                "count-tokens" => compute(method, Compute::BedrockTokens),
                _ => Target::Unknown,
            };
            return Some(Route::new(Dialect::Bedrock, target).with_model(model));
        }
        // An id with a bare slash in it is no path of AWS's.
        ["model", ..] => Target::Unknown,
        ["anthropic", "v1", "messages", rest @ ..] => {
            let target = super::find_message(method, rest);
            return Some(Route::new(Dialect::BedrockClaude, target));
        }
        ["inference-profiles"] => read(method, Page::InferenceProfiles),
        ["inference-profiles", id] => read(method, Page::InferenceProfile(decode(id).into_owned())),
        ["foundation-models"] => read(method, Page::FoundationModels),
        _ => return None,
    };
    Some(Route::new(Dialect::Bedrock, target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::find_route;

    fn find(method: &Method, path: &str) -> Route {
        find_route(method, path, false)
    }

    #[test]
    fn each_operation_is_found_under_its_model() {
        for (action, target) in [
            (
                "invoke",
                Target::Generate(Generate::Bedrock(Operation::Invoke)),
            ),
            (
                "invoke-with-response-stream",
                Target::Generate(Generate::Bedrock(Operation::InvokeStream)),
            ),
            (
                "converse",
                Target::Generate(Generate::Bedrock(Operation::Converse)),
            ),
            (
                "converse-stream",
                Target::Generate(Generate::Bedrock(Operation::ConverseStream)),
            ),
            ("count-tokens", Target::Compute(Compute::BedrockTokens)),
            ("cancel", Target::Unknown),
        ] {
            let route = find(&Method::POST, &format!("/model/m/{action}"));
            assert_eq!((route.dialect, route.target), (Dialect::Bedrock, target));
        }
    }

    #[test]
    fn ids_are_decoded_once() {
        for (segment, id) in [
            ("anthropic.claude-v2:1", "anthropic.claude-v2:1"),
            ("anthropic.claude-v2%3A1", "anthropic.claude-v2:1"),
            ("arn:aws:a%2Fb", "arn:aws:a/b"),
            ("arn%253Aaws", "arn%3Aaws"),
        ] {
            let route = find(&Method::POST, &format!("/model/{segment}/converse"));
            assert_eq!(route.model.as_deref(), Some(id), "{segment}");
        }
    }

    #[test]
    fn a_bare_slash_in_an_id_leads_nowhere() {
        let route = find(&Method::POST, "/model/arn:aws:a/b/converse");
        assert_eq!(route, Route::new(Dialect::Bedrock, Target::Unknown));
    }

    #[test]
    fn the_messages_api_has_the_prefix_of_its_maker() {
        for (path, target) in [
            (
                "/anthropic/v1/messages",
                Target::Generate(Generate::Messages),
            ),
            (
                "/anthropic/v1/messages/count_tokens",
                Target::Compute(Compute::CountTokens),
            ),
        ] {
            let route = find(&Method::POST, path);
            assert_eq!(route, Route::new(Dialect::BedrockClaude, target));
        }
    }

    #[test]
    fn the_control_plane_is_read() {
        for (path, page) in [
            (
                "/inference-profiles?type=SYSTEM_DEFINED",
                Page::InferenceProfiles,
            ),
            (
                "/inference-profiles/a%2Fb",
                Page::InferenceProfile("a/b".to_owned()),
            ),
            ("/foundation-models", Page::FoundationModels),
        ] {
            let route = find(&Method::GET, path);
            assert_eq!(route, Route::new(Dialect::Bedrock, Target::Page(page)));
        }
    }
}
