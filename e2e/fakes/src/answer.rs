//! Builds the answer to a request: route, credentials, scenario, content.
//!
//! Pure but for the memory of the director and of the token servers. What is in an
//! answer is written by the dialects, when its bytes leave by `stream`; `service`
//! sends it. Credentials are looked at in `admit`, text and calls are in `generate`,
//! tokens in `token`, what a dialect does alike everywhere in `voice`.

mod admit;
mod generate;
mod token;
mod voice;

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SERVER},
    request::Parts,
};
use serde_json::Value;

use crate::{
    answer::{
        admit::{admit, check_credentials},
        generate::generate,
        token::answer_token,
        voice::Voice,
    },
    anthropic, azure_openai, bedrock,
    director::Director,
    gemini,
    json::Json,
    oauth::tokens::Tokens,
    openai,
    prompt::find_model,
    refusal::Refusal,
    reply::Reply,
    route::{Compute, Dialect, Page, Route, Target, find_route},
    scenario::Scenario,
    stream::Step,
    vertex,
};

const HTML_PAGE: &[u8] = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
    <center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n\
    </body>\r\n</html>\r\n";

/// An answer that is ready to be played.
#[derive(Debug)]
pub(crate) struct Answer {
    /// What comes before the status line.
    pub(crate) wait: Wait,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) steps: Vec<Step>,
}

/// What comes before the status line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Nothing.
    No,
    /// A pause.
    For(Duration),
    /// Silence until the client leaves.
    Forever,
}

/// Number and time of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) serial: u64,
    /// Unix time in seconds.
    pub(crate) now: u64,
}

/// Answers a request whose body is whole.
pub(crate) fn build_answer(
    parts: &Parts,
    body: &Bytes,
    director: &Director,
    tokens: &Tokens,
    stamp: Stamp,
) -> Answer {
    let route = route_of(parts);
    if let Target::Token(issuer) = &route.target {
        return answer_token(issuer, parts, body, tokens, stamp);
    }
    if leads_nowhere(&route) {
        return build_nowhere(parts.uri.path());
    }
    let voice = Voice {
        dialect: route.dialect,
        stamp,
    };
    let answer = match check_credentials(&route, parts, body, tokens, stamp.now) {
        Ok(()) => answer_route(voice, route, parts, body, director),
        Err(refusal) => voice.refuse(&refusal),
    };
    voice.finish(answer, parts)
}

/// Answers a request that is let in.
fn answer_route(
    voice: Voice,
    route: Route,
    parts: &Parts,
    body: &Bytes,
    director: &Director,
) -> Answer {
    let request: Result<Value, _> = serde_json::from_slice(body);
    let model = model_of(&route, request.as_ref().ok());
    let scenario = match director.choose(model) {
        Ok(scenario) => scenario,
        Err(error) => return voice.refuse(&voice.refuse_model(model, &error)),
    };
    match &scenario {
        Scenario::Status(status) => return voice.refuse_with(*status),
        Scenario::Html => return build_html(),
        Scenario::ContentFilter if route.dialect == Dialect::AzureOpenAi => {
            return voice.refuse(&azure_openai::error::refuse_prompt());
        }
        _ => {}
    }
    let request = request
        .map_err(|_| voice.refuse_json())
        .and_then(|request| admit(&route, request, &parts.headers));
    let answer = match route.target {
        Target::Generate(endpoint) => request
            .and_then(|request| generate(voice, endpoint, &request, &scenario, &parts.headers)),
        Target::Compute(endpoint) => request
            .and_then(|request| compute(endpoint, &request, voice.stamp))
            .map(|body| voice.say(&body, &scenario)),
        Target::Page(page) => Ok(voice.say(&voice.build_page(&page), &scenario)),
        Target::WrongMethod => Err(voice.refuse_method(parts)),
        Target::Token(_) | Target::Unknown => Err(voice.refuse_path(parts)),
    };
    let answer = answer.unwrap_or_else(|refusal| voice.refuse(&refusal));
    Answer {
        wait: wait_of(&scenario, &answer),
        ..answer
    }
}

/// Whether a request goes to a token server rather than to a provider.
pub(crate) fn asks_for_token(parts: &Parts) -> bool {
    matches!(route_of(parts).target, Target::Token(_))
}

/// The body was too large to be read to its end.
pub(crate) fn refuse_size(parts: &Parts, stamp: Stamp) -> Answer {
    let mut answer = Voice {
        dialect: route_of(parts).dialect,
        stamp,
    }
    .refuse_with(413);
    answer
        .headers
        .insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn route_of(parts: &Parts) -> Route {
    let has_version = parts.headers.contains_key("anthropic-version");
    let path = parts.uri.path_and_query();
    let path = path.map_or("/", |path| path.as_str());
    find_route(&parts.method, path, has_version)
}

/// Google's front shows a page for what no service has, method or path.
fn leads_nowhere(route: &Route) -> bool {
    matches!(
        (&route.target, route.dialect),
        (
            Target::Unknown | Target::WrongMethod,
            Dialect::Vertex | Dialect::VertexList | Dialect::VertexClaude
        )
    )
}

fn model_of<'a>(route: &'a Route, request: Option<&'a Value>) -> &'a str {
    let model = match (&route.target, &route.model) {
        (Target::Page(Page::Model(id)), _) => id,
        (_, Some(model)) => model,
        _ => request.and_then(find_model).unwrap_or_default(),
    };
    match route.dialect {
        Dialect::Bedrock | Dialect::BedrockClaude => bedrock::model::scenario_name(model),
        _ => model,
    }
}

fn wait_of(scenario: &Scenario, answer: &Answer) -> Wait {
    let is_stream = answer.headers.get(CONTENT_LENGTH).is_none();
    match scenario {
        Scenario::Hang => Wait::Forever,
        Scenario::Silent { ms } | Scenario::SilentMidFrame { ms } | Scenario::Drip { ms }
            if !is_stream =>
        {
            Wait::For(Duration::from_millis(*ms))
        }
        _ => Wait::No,
    }
}

fn compute(endpoint: Compute, request: &Value, stamp: Stamp) -> Result<Json, Refusal> {
    match endpoint {
        Compute::Embeddings => openai::embeddings::build_answer(request),
        Compute::CountTokens => anthropic::count_tokens::build_answer(request),
        Compute::InputTokens => Ok(openai::responses::paths::count_input(
            &openai::responses::read_prompt(request)?,
        )),
        Compute::Compact => {
            let prompt = openai::responses::read_prompt(request)?;
            let reply = Reply::new(prompt, &Scenario::Answer, stamp.serial, stamp.now);
            Ok(openai::responses::paths::build_compaction(&reply))
        }
        Compute::BedrockTokens => bedrock::count_tokens::build_answer(request),
        Compute::GeminiTokens => Ok(gemini::count_tokens(&gemini::read_prompt(request)?)),
    }
}

/// The page of [`Scenario::Html`], in no dialect.
fn build_html() -> Answer {
    let server = (SERVER, HeaderValue::from_static("cloudflare"));
    let mut answer = build_page(StatusCode::BAD_GATEWAY, Bytes::from_static(HTML_PAGE));
    answer.headers.extend([server]);
    answer
}

/// The page of a path that Google does not have.
fn build_nowhere(path: &str) -> Answer {
    let page = vertex::error::build_page(path);
    build_page(StatusCode::NOT_FOUND, page.into())
}

fn build_page(status: StatusCode, page: Bytes) -> Answer {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html")),
        (CONTENT_LENGTH, page.len().into()),
    ];
    Answer {
        wait: Wait::No,
        status,
        headers: headers.into_iter().collect(),
        steps: vec![Step::Send(page)],
    }
}

#[cfg(test)]
mod tests;
