//! Gemini's dialect: `generateContent`, `streamGenerateContent` and `countTokens`.
//!
//! <https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models/generateContent>;
//! requests are read in `request`, errors are in `vertex::error`.

mod request;

use bytes::Bytes;
use serde_json::Value;

use crate::{
    anthropic::write_time,
    gemini::request::Thinking,
    identity::long_id,
    json::{Json, array, object},
    prompt::Prompt,
    reply::{Ending, Output, Reply, Usage},
    route::Delivery,
    stream::Events,
    vertex::error::{build_body, refuse_with},
};

pub(crate) use crate::gemini::request::{admit, read_prompt};

/// What the model thinks, if it is to tell.
const THOUGHT: &str = "The user wants to hear the same again.";

/// Tokens of the thought, told or not: they count beside those of the answer.
const THOUGHT_TOKENS: u64 = 8;

/// Stands beside a call, for the client to send back as it is.
const THOUGHT_SIGNATURE: &str = "CiQBYW55cmF5LWZha2VzIHRob3VnaHQgc2lnbmF0dXJl";

/// The answer in one piece.
pub(crate) fn build_answer(reply: &Reply, request: &Value) -> Json {
    let thinking = Thinking::find(request);
    let said = match &reply.output {
        Output::Text(pieces) => object! { "text" => pieces.concat() },
        Output::Call { name, arguments } => build_call(name, &arguments.concat()),
    };
    let parts = build_thought(&thinking).into_iter().chain([said]).collect();
    let candidate = build_candidate(parts).with("finishReason", finish_reason(reply));
    build_response(reply, candidate, &|usage| build_usage(usage, &thinking))
}

/// The answer as a stream: the thought, the pieces, the finish reason with the usage.
pub(crate) fn build_events(reply: &Reply, request: &Value, delivery: Delivery) -> Events {
    let thinking = Thinking::find(request);
    let said = match &reply.output {
        Output::Text(pieces) => pieces
            .iter()
            .map(|piece| object! { "text" => piece.as_str() })
            .collect(),
        Output::Call { name, arguments } => vec![build_call(name, &arguments.concat())],
    };
    let parts = build_thought(&thinking).into_iter().chain(said);
    let mut events: Vec<Json> = parts
        .map(|part| build_response(reply, build_candidate(vec![part]), &|_| build_no_usage()))
        .collect();
    let finish =
        build_candidate(vec![object! { "text" => "" }]).with("finishReason", finish_reason(reply));
    events.push(build_response(reply, finish, &|usage| {
        build_usage(usage, &thinking)
    }));
    let events = events.iter().enumerate();
    let mut frames: Vec<Bytes> = events
        .map(|(number, event)| build_frame(event, number, delivery).into())
        .collect();
    let terminal = frames.len() - 1;
    if delivery == Delivery::List {
        frames.push(Bytes::from_static(LIST_END.as_bytes()));
    }
    Events { frames, terminal }
}

/// What ends a list.
const LIST_END: &str = "\n]\n";

/// An event as it stands in a stream; `number` is its place. Google's events end with
/// carriage returns.
fn build_frame(event: &Json, number: usize, delivery: Delivery) -> String {
    let event = event.to_text();
    match (delivery, number) {
        (Delivery::Whole, _) => event,
        (Delivery::Events, _) => format!("data: {event}\r\n\r\n"),
        (Delivery::List, 0) => format!("[{event}"),
        (Delivery::List, _) => format!(",\r\n{event}"),
    }
}

/// The error of a stream, which is its last event; `number` is its place.
pub(crate) fn build_error_frame(number: usize, delivery: Delivery) -> Bytes {
    let frame = build_frame(&build_body(&refuse_with(503)), number, delivery);
    let end = if delivery == Delivery::List {
        LIST_END
    } else {
        ""
    };
    format!("{frame}{end}").into()
}

/// The answer of `countTokens`.
pub(crate) fn count_tokens(prompt: &Prompt) -> Json {
    object! {
        "totalTokens" => prompt.words,
        "totalBillableCharacters" => prompt.text.chars().filter(|c| !c.is_whitespace()).count(),
        "promptTokensDetails" => build_details(prompt.words),
    }
}

fn build_response(reply: &Reply, candidate: Json, usage: &dyn Fn(&Usage) -> Json) -> Json {
    let response = object! { "candidates" => array![candidate] };
    let response = match &reply.usage {
        Some(words) => response.with("usageMetadata", usage(words)),
        None => response,
    };
    response
        .with("modelVersion", reply.model.as_str())
        .with("createTime", write_time(reply.created))
        .with("responseId", long_id("", reply.serial))
}

fn build_candidate(parts: Vec<Json>) -> Json {
    object! { "content" => object! { "role" => "model", "parts" => parts } }
}

fn build_thought(thinking: &Thinking) -> Option<Json> {
    let thought = object! { "text" => THOUGHT, "thought" => true };
    thinking.is_told.then_some(thought)
}

/// A call comes whole, also in a stream.
fn build_call(name: &str, arguments: &str) -> Json {
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
    object! {
        "functionCall" => object! { "name" => name, "args" => arguments },
        "thoughtSignature" => THOUGHT_SIGNATURE,
    }
}

/// All that an event before the last says of usage.
fn build_no_usage() -> Json {
    object! { "trafficType" => "ON_DEMAND" }
}

/// Usage; the prompt's tokens include those of the cache, the candidates' exclude
/// the thoughts.
fn build_usage(usage: &Usage, thinking: &Thinking) -> Json {
    let thoughts = if thinking.is_off { 0 } else { THOUGHT_TOKENS };
    let counts = object! {
        "promptTokenCount" => usage.input,
        "candidatesTokenCount" => usage.output,
        "totalTokenCount" => usage.input + usage.output + thoughts,
        "trafficType" => "ON_DEMAND",
        "promptTokensDetails" => build_details(usage.input),
        "candidatesTokensDetails" => build_details(usage.output),
    };
    // Google leaves out what is nothing.
    [
        ("cachedContentTokenCount", usage.cached),
        ("thoughtsTokenCount", thoughts),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .fold(counts, |counts, (key, count)| counts.with(key, count))
}

fn build_details(tokens: u64) -> Json {
    array![object! { "modality" => "TEXT", "tokenCount" => tokens }]
}

fn finish_reason(reply: &Reply) -> &'static str {
    match reply.ending {
        Ending::Incomplete => "MAX_TOKENS",
        Ending::Complete | Ending::Failed => "STOP",
    }
}

#[cfg(test)]
mod tests;
