//! Builds the answer to a request: route, credentials, scenario, content.
//!
//! Pure but for the director's memory. What is in an answer is written by the
//! dialects, when its bytes leave by `stream`; `service` sends it. Text and calls
//! are in `generate`, what a dialect does alike everywhere in `voice`.

mod generate;
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
    answer::{generate::generate, voice::Voice},
    anthropic,
    director::Director,
    json::Json,
    openai,
    prompt::find_model,
    refusal::Refusal,
    reply::Reply,
    route::{Compute, Dialect, Page, Route, Target, find_route},
    scenario::Scenario,
    stream::Step,
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
    stamp: Stamp,
) -> Answer {
    let route = route_of(parts);
    let voice = Voice {
        dialect: route.dialect,
        stamp,
    };
    if let Err(refusal) = check_credentials(&route, &parts.headers) {
        return voice.refuse(&refusal);
    }
    let request: Result<Value, _> = serde_json::from_slice(body);
    let model = model_of(&route.target, request.as_ref().ok());
    let scenario = match director.choose(model) {
        Ok(scenario) => scenario,
        Err(error) => return voice.refuse(&voice.refuse_model(model, &error)),
    };
    match &scenario {
        Scenario::Status(status) => return voice.refuse_with(*status),
        Scenario::Html => return build_html(),
        _ => {}
    }
    let request = request.map_err(|_| voice.refuse_json());
    let answer = match route.target {
        Target::Generate(endpoint) => request
            .and_then(|request| generate(voice, endpoint, &request, &scenario, &parts.headers)),
        Target::Compute(endpoint) => request
            .and_then(|request| compute(endpoint, &request, stamp))
            .map(|body| voice.say(&body, &scenario)),
        Target::Page(page) => Ok(voice.say(&voice.build_page(&page), &scenario)),
        Target::WrongMethod => Err(voice.refuse_method(parts)),
        Target::Unknown => Err(voice.refuse_path(parts)),
    };
    let answer = answer.unwrap_or_else(|refusal| voice.refuse(&refusal));
    Answer {
        wait: wait_of(&scenario, &answer),
        ..answer
    }
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
    find_route(&parts.method, parts.uri.path(), has_version)
}

fn check_credentials(route: &Route, headers: &HeaderMap) -> Result<(), Refusal> {
    match (&route.target, route.dialect) {
        (Target::Unknown, _) => Ok(()),
        (_, Dialect::OpenAi) => openai::check_credentials(headers),
        (_, Dialect::Anthropic) => anthropic::check_credentials(headers),
    }
}

fn model_of<'a>(target: &'a Target, request: Option<&'a Value>) -> &'a str {
    match target {
        Target::Page(Page::Model(id)) => id,
        _ => request.and_then(find_model).unwrap_or_default(),
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
    }
}

/// The page of [`Scenario::Html`], in no dialect.
fn build_html() -> Answer {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html")),
        (SERVER, HeaderValue::from_static("cloudflare")),
        (CONTENT_LENGTH, HTML_PAGE.len().into()),
    ];
    Answer {
        wait: Wait::No,
        status: StatusCode::BAD_GATEWAY,
        headers: headers.into_iter().collect(),
        steps: vec![Step::Send(Bytes::from_static(HTML_PAGE))],
    }
}

#[cfg(test)]
mod tests;
