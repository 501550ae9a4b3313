//! Which path is what, and in whose dialect it is answered.
//!
//! OpenAI's and Anthropic's paths are here, those of the cloud providers below.

mod azure_openai;
mod bedrock;
mod vertex;

use std::borrow::Cow;

use http::Method;

use crate::bedrock::Operation;

/// Whose errors, headers and shapes an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// OpenAI.
    OpenAi,
    /// Anthropic.
    Anthropic,
    /// Google Vertex AI.
    Vertex,
    /// The same, errors alone in a list, as its streaming methods send them.
    VertexList,
    /// Claude on Google Vertex AI: Anthropic's answers behind Google's front.
    VertexClaude,
    /// Azure OpenAI: OpenAI's answers behind Azure's front.
    AzureOpenAi,
    /// Amazon Bedrock.
    Bedrock,
    /// Bedrock's Messages API: Anthropic's answers behind AWS's front.
    BedrockClaude,
}

/// Endpoints that generate, streaming or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generate {
    /// `/v1/chat/completions`.
    Chat,
    /// `/v1/completions`.
    Completions,
    /// `/v1/responses`.
    Responses,
    /// `/v1/messages`.
    Messages,
    /// `…:generateContent` and `…:streamGenerateContent`.
    Gemini(Delivery),
    /// `/model/{id}/invoke`, `/model/{id}/converse` and their streams.
    Bedrock(Operation),
}

/// How Gemini delivers an answer, which the path says rather than the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// In one piece.
    Whole,
    /// As server-sent events.
    Events,
    /// As a JSON list that grows.
    List,
}

/// Endpoints that take a model and answer in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compute {
    /// `/v1/embeddings`.
    Embeddings,
    /// `/v1/messages/count_tokens`.
    CountTokens,
    /// `/v1/responses/input_tokens`.
    InputTokens,
    /// `/v1/responses/compact`.
    Compact,
    /// `…:countTokens`.
    GeminiTokens,
    /// `/model/{id}/count-tokens`.
    BedrockTokens,
}

/// Whose token server is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    /// `POST /token`: Google's.
    Google,
    /// `POST /{tenant}/oauth2/v2.0/token`: Microsoft Entra's.
    Entra {
        /// The tenant in the path.
        tenant: String,
    },
}

/// Pages that need no body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// `GET /v1/models`.
    Models,
    /// `GET /v1/models/{id}`.
    Model(String),
    /// `GET /v1/files`.
    Files,
    /// `GET /v1/responses/{id}`.
    Response(String),
    /// `DELETE /v1/responses/{id}`.
    DeleteResponse(String),
    /// `POST /v1/responses/{id}/cancel`.
    CancelResponse(String),
    /// `GET /v1/responses/{id}/input_items`.
    InputItems,
    /// `GET /inference-profiles`.
    InferenceProfiles,
    /// `GET /inference-profiles/{id}`.
    InferenceProfile(String),
    /// `GET /foundation-models`.
    FoundationModels,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A generating endpoint.
    Generate(Generate),
    /// An endpoint with a model and no stream.
    Compute(Compute),
    /// A page.
    Page(Page),
    /// A token server.
    Token(Issuer),
    /// The path exists for other methods.
    WrongMethod,
    /// The path does not exist.
    Unknown,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) dialect: Dialect,
    pub(crate) target: Target,
    /// The model, if the path names it.
    pub(crate) model: Option<String>,
}

impl Route {
    fn new(dialect: Dialect, target: Target) -> Self {
        Self {
            dialect,
            target,
            model: None,
        }
    }

    fn with_model(self, model: &str) -> Self {
        Self {
            model: Some(decode(model).into_owned()),
            ..self
        }
    }
}

/// Finds the route of a path and its query; `has_version` says whether there is an
/// `anthropic-version` header, which decides on paths that OpenAI and Anthropic
/// both have.
pub(crate) fn find_route(method: &Method, path_and_query: &str, has_version: bool) -> Route {
    let (path, query) = path_and_query
        .split_once('?')
        .unwrap_or((path_and_query, ""));
    let by_header = if has_version {
        Dialect::Anthropic
    } else {
        Dialect::OpenAi
    };
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let of_a_cloud = bedrock::find_route(method, &segments)
        .or_else(|| vertex::find_route(method, &segments, query))
        .or_else(|| azure_openai::find_route(method, &segments, query));
    if let Some(route) = of_a_cloud {
        return route;
    }
    let (dialect, target) = match segments.as_slice() {
        ["v1", "messages", rest @ ..] => (Dialect::Anthropic, find_message(method, rest)),
        ["v1", "models", rest @ ..] => (by_header, find_models(method, rest)),
        ["v1", "files"] => (by_header, read(method, Page::Files)),
        ["v1", "chat", "completions"] => (Dialect::OpenAi, generate(method, Generate::Chat)),
        ["v1", "completions"] => (Dialect::OpenAi, generate(method, Generate::Completions)),
        ["v1", "embeddings"] => (Dialect::OpenAi, compute(method, Compute::Embeddings)),
        // The second is ChatGPT's, for Codex with a subscription.
        ["v1", "responses", rest @ ..] | ["backend-api", "codex", "responses", rest @ ..] => {
            (Dialect::OpenAi, find_response(method, rest))
        }
        _ => (by_header, Target::Unknown),
    };
    Route::new(dialect, target)
}

fn find_message(method: &Method, rest: &[&str]) -> Target {
    match rest {
        [] => generate(method, Generate::Messages),
        ["count_tokens"] => compute(method, Compute::CountTokens),
        _ => Target::Unknown,
    }
}

fn find_models(method: &Method, rest: &[&str]) -> Target {
    match rest {
        [] => read(method, Page::Models),
        // Ids with a slash come encoded or bare.
        id => read(method, Page::Model(decode(&id.join("/")).into_owned())),
    }
}

fn find_response(method: &Method, rest: &[&str]) -> Target {
    match rest {
        [] => generate(method, Generate::Responses),
        ["input_tokens"] => compute(method, Compute::InputTokens),
        ["compact"] => compute(method, Compute::Compact),
        [id] if method == Method::DELETE => Target::Page(Page::DeleteResponse((*id).to_owned())),
        [id] => read(method, Page::Response((*id).to_owned())),
        [id, "cancel"] if method == Method::POST => {
            Target::Page(Page::CancelResponse((*id).to_owned()))
        }
        [_, "cancel"] => Target::WrongMethod,
        [_, "input_items"] => read(method, Page::InputItems),
        _ => Target::Unknown,
    }
}

fn generate(method: &Method, endpoint: Generate) -> Target {
    if method == Method::POST {
        Target::Generate(endpoint)
    } else {
        Target::WrongMethod
    }
}

fn compute(method: &Method, endpoint: Compute) -> Target {
    if method == Method::POST {
        Target::Compute(endpoint)
    } else {
        Target::WrongMethod
    }
}

fn read(method: &Method, page: Page) -> Target {
    let reads = method == Method::GET || method == Method::HEAD;
    if reads {
        Target::Page(page)
    } else {
        Target::WrongMethod
    }
}

fn issue(method: &Method, issuer: Issuer) -> Target {
    if method == Method::POST {
        Target::Token(issuer)
    } else {
        Target::WrongMethod
    }
}

/// The value of a key in a query, decoded.
fn find_parameter<'a>(query: &'a str, key: &str) -> Option<Cow<'a, str>> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == key)?;
    Some(decode(value))
}

/// Percent-decoding; what is not valid stays as it is.
pub(crate) fn decode(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.unwrap_or(*first));
        let used = if value.is_some() { 2 } else { 0 };
        rest = after.get(used..).unwrap_or_default();
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(method: &Method, path: &str) -> Target {
        find_route(method, path, false).target
    }

    #[test]
    fn each_documented_path_is_found() {
        for (path, endpoint) in [
            ("/v1/chat/completions", Generate::Chat),
            ("/v1/completions", Generate::Completions),
            ("/v1/responses", Generate::Responses),
            ("/backend-api/codex/responses", Generate::Responses),
            ("/v1/messages", Generate::Messages),
        ] {
            assert_eq!(target(&Method::POST, path), Target::Generate(endpoint));
            assert_eq!(target(&Method::GET, path), Target::WrongMethod);
        }
        assert_eq!(
            target(&Method::POST, "/v1/embeddings"),
            Target::Compute(Compute::Embeddings)
        );
    }

    #[test]
    fn sub_paths_of_responses_carry_the_id() {
        let id = || "resp_1".to_owned();
        for (method, path, page) in [
            (Method::GET, "/v1/responses/resp_1", Page::Response(id())),
            (
                Method::DELETE,
                "/v1/responses/resp_1",
                Page::DeleteResponse(id()),
            ),
            (
                Method::POST,
                "/v1/responses/resp_1/cancel",
                Page::CancelResponse(id()),
            ),
            (
                Method::GET,
                "/v1/responses/resp_1/input_items",
                Page::InputItems,
            ),
        ] {
            assert_eq!(target(&method, path), Target::Page(page));
        }
    }

    #[test]
    fn the_version_header_decides_on_shared_paths() {
        for path in ["/v1/models", "/v1/files", "/nowhere"] {
            assert_eq!(
                find_route(&Method::GET, path, true).dialect,
                Dialect::Anthropic
            );
            assert_eq!(
                find_route(&Method::GET, path, false).dialect,
                Dialect::OpenAi
            );
        }
        assert_eq!(
            find_route(&Method::POST, "/v1/messages", false).dialect,
            Dialect::Anthropic
        );
    }

    #[test]
    fn model_ids_are_decoded_once() {
        let page = |id: &str| Target::Page(Page::Model(id.to_owned()));
        assert_eq!(target(&Method::GET, "/v1/models/a%2Fb"), page("a/b"));
        assert_eq!(target(&Method::GET, "/v1/models/a/b"), page("a/b"));
        assert_eq!(target(&Method::GET, "/v1/models/a%252Fb%"), page("a%2Fb%"));
    }

    #[test]
    fn only_v1_is_known() {
        assert_eq!(target(&Method::POST, "/chat/completions"), Target::Unknown);
        assert_eq!(target(&Method::GET, "/"), Target::Unknown);
    }
}
