//! Answers of the endpoints that generate, in one piece or as a stream.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde_json::Value;

use crate::{
    answer::{
        Answer, Wait,
        voice::{Voice, add_spoofs, content_length},
    },
    anthropic,
    json::Json,
    openai,
    prompt::{Prompt, is_streaming},
    refusal::Refusal,
    reply::Reply,
    route::Generate,
    scenario::Scenario,
    stream::{Events, plan_body, plan_stream},
};

/// Answers with text or a call, streaming if the request asks for it.
///
/// # Errors
///
/// The provider's 400 if the request lacks what it needs.
pub(crate) fn generate(
    voice: Voice,
    endpoint: Generate,
    request: &Value,
    scenario: &Scenario,
    headers: &HeaderMap,
) -> Result<Answer, Refusal> {
    let prompt = read_prompt(endpoint, request, headers)?;
    let reply = Reply::new(prompt, scenario, voice.stamp.serial, voice.stamp.now);
    let is_stream = is_streaming(request);
    // A response has its own word for a failure; it is in the content.
    let scenario = match (scenario, endpoint) {
        (Scenario::Failed, Generate::Responses) => &Scenario::Answer,
        (Scenario::Failed, _) if !is_stream => return Ok(voice.refuse_with(500)),
        (scenario, _) => scenario,
    };
    Ok(if is_stream {
        stream(
            voice,
            endpoint,
            &build_events(endpoint, &reply, request),
            scenario,
        )
    } else {
        voice.say(&build_body(endpoint, &reply, request), scenario)
    })
}

fn stream(voice: Voice, endpoint: Generate, events: &Events, scenario: &Scenario) -> Answer {
    let mut headers = voice.build_headers();
    let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    add_spoofs(&mut headers, scenario);
    let steps = if matches!(scenario, Scenario::CutBody | Scenario::WrongLength) {
        let body = events.join();
        headers.extend(content_length(&body, scenario));
        plan_body(&body, scenario)
    } else {
        plan_stream(events, scenario, |number| {
            build_error_frame(voice, endpoint, number)
        })
    };
    Answer {
        wait: Wait::No,
        status: StatusCode::OK,
        headers,
        steps,
    }
}

fn build_error_frame(voice: Voice, endpoint: Generate, number: usize) -> Bytes {
    match endpoint {
        Generate::Chat | Generate::Completions => openai::error::build_frame(),
        Generate::Responses => openai::responses::events::build_error_frame(number),
        Generate::Messages => {
            anthropic::error::build_frame(&anthropic::request_id(voice.stamp.serial))
        }
    }
}

fn read_prompt(
    endpoint: Generate,
    request: &Value,
    headers: &HeaderMap,
) -> Result<Prompt, Refusal> {
    match endpoint {
        Generate::Chat => openai::chat::read_prompt(request),
        Generate::Completions => openai::completions::read_prompt(request),
        Generate::Responses => openai::responses::read_prompt(request),
        Generate::Messages => anthropic::messages::read_prompt(request, headers),
    }
}

fn build_body(endpoint: Generate, reply: &Reply, request: &Value) -> Json {
    match endpoint {
        Generate::Chat => openai::chat::build_answer(reply),
        Generate::Completions => openai::completions::build_answer(reply),
        Generate::Responses => openai::responses::build_answer(reply, request),
        Generate::Messages => anthropic::messages::build_answer(reply),
    }
}

fn build_events(endpoint: Generate, reply: &Reply, request: &Value) -> Events {
    match endpoint {
        Generate::Chat => openai::chat::build_events(reply, request),
        Generate::Completions => openai::completions::build_events(reply, request),
        Generate::Responses => openai::responses::events::build_events(reply, request),
        Generate::Messages => anthropic::messages::build_events(reply),
    }
}
