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
    anthropic, azure_openai, bedrock, gemini,
    json::Json,
    openai,
    prompt::{Prompt, is_streaming},
    refusal::Refusal,
    reply::Reply,
    route::{Delivery, Dialect, Generate},
    scenario::Scenario,
    stream::{Events, Framing, plan_body, plan_stream},
    vertex,
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
    let is_stream = match endpoint {
        Generate::Gemini(delivery) => delivery != Delivery::Whole,
        Generate::Bedrock(operation) => operation.is_streaming(),
        _ => is_streaming(request),
    };
    // A response has its own word for a failure; it is in the content.
    let scenario = match (scenario, endpoint) {
        (Scenario::Failed, Generate::Responses) => &Scenario::Answer,
        (Scenario::Failed, _) if !is_stream => return Ok(voice.refuse_with(500)),
        (scenario, _) => scenario,
    };
    let mut answer = if is_stream {
        stream(
            voice,
            endpoint,
            &build_events(voice, endpoint, &reply, request),
            scenario,
        )
    } else {
        voice.say(&build_body(voice, endpoint, &reply, request), scenario)
    };
    if let Generate::Bedrock(operation) = endpoint {
        answer.headers.extend(operation.build_headers(&reply));
    }
    Ok(answer)
}

fn stream(voice: Voice, endpoint: Generate, events: &Events, scenario: &Scenario) -> Answer {
    let mut headers = voice.build_headers();
    let kind = match endpoint {
        Generate::Gemini(Delivery::List) => "application/json; charset=UTF-8",
        Generate::Gemini(_) => "text/event-stream",
        Generate::Bedrock(_) => "application/vnd.amazon.eventstream",
        _ => "text/event-stream; charset=utf-8",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    add_spoofs(&mut headers, scenario);
    let steps = if matches!(scenario, Scenario::CutBody | Scenario::WrongLength) {
        let body = events.join();
        headers.extend(content_length(&body, scenario));
        plan_body(&body, scenario)
    } else {
        let framing = match endpoint {
            Generate::Bedrock(_) => Framing::EventStream,
            _ => Framing::Text,
        };
        plan_stream(events, framing, scenario, |number| {
            build_error_frame(voice, endpoint, scenario, number)
        })
    };
    Answer {
        wait: Wait::No,
        status: StatusCode::OK,
        headers,
        steps,
    }
}

fn build_error_frame(
    voice: Voice,
    endpoint: Generate,
    scenario: &Scenario,
    number: usize,
) -> Bytes {
    match endpoint {
        Generate::Chat | Generate::Completions => openai::error::build_frame(),
        Generate::Responses => openai::responses::events::build_error_frame(number),
        Generate::Messages => anthropic::error::build_frame(&request_id(voice)),
        Generate::Gemini(delivery) => gemini::build_error_frame(number, delivery),
        Generate::Bedrock(_) => bedrock::error::build_frame(scenario),
    }
}

/// The id that Anthropic's errors hold.
fn request_id(voice: Voice) -> String {
    let serial = voice.stamp.serial;
    match voice.dialect {
        Dialect::VertexClaude => vertex::claude::request_id(serial),
        Dialect::BedrockClaude => bedrock::request_id(serial),
        _ => anthropic::request_id(serial),
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
        Generate::Gemini(_) => gemini::read_prompt(request),
        Generate::Bedrock(operation) => operation.read_prompt(request, headers),
    }
}

fn build_body(voice: Voice, endpoint: Generate, reply: &Reply, request: &Value) -> Json {
    let body = match endpoint {
        Generate::Chat => openai::chat::build_answer(reply),
        Generate::Completions => openai::completions::build_answer(reply),
        Generate::Responses => openai::responses::build_answer(reply, request),
        Generate::Messages => anthropic::messages::build_answer(reply),
        Generate::Gemini(_) => gemini::build_answer(reply, request),
        Generate::Bedrock(operation) => operation.build_answer(reply, request),
    };
    match (voice.dialect, endpoint) {
        (Dialect::AzureOpenAi, Generate::Chat | Generate::Completions) => {
            azure_openai::filter::note_answer(body)
        }
        _ => body,
    }
}

fn build_events(voice: Voice, endpoint: Generate, reply: &Reply, request: &Value) -> Events {
    let is_filtered = voice.dialect == Dialect::AzureOpenAi;
    match endpoint {
        Generate::Chat if is_filtered => {
            azure_openai::filter::build_events(openai::chat::build_chunks(reply, request))
        }
        Generate::Completions if is_filtered => {
            azure_openai::filter::build_events(openai::completions::build_chunks(reply, request))
        }
        Generate::Chat => openai::chat::build_events(reply, request),
        Generate::Completions => openai::completions::build_events(reply, request),
        Generate::Responses => openai::responses::events::build_events(reply, request),
        Generate::Messages => anthropic::messages::build_events(reply),
        Generate::Gemini(delivery) => gemini::build_events(reply, request, delivery),
        Generate::Bedrock(operation) => operation.build_events(reply, request),
    }
}
