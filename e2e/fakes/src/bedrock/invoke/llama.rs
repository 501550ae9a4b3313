//! Llama's bodies under `InvokeModel`, which stand for those of all other makers.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-meta.html>.

use serde_json::Value;

use crate::{
    json::{Json, object},
    prompt::{Prompt, count_words_of, find_model, last_text},
    reply::{Ending, Output, Reply},
};

/// Where makers put what the user says.
const PROMPTS: [&str; 5] = ["messages", "prompt", "inputText", "input", "message"];

/// Any body is taken.
pub(super) fn read_prompt(request: &Value) -> Prompt {
    let text = PROMPTS.iter().find_map(|key| last_text(request.get(*key)?));
    Prompt {
        model: find_model(request).unwrap_or_default().to_owned(),
        text: text.unwrap_or_default().to_owned(),
        words: count_words_of(request, &PROMPTS),
        ..Prompt::default()
    }
}

pub(super) fn build_answer(reply: &Reply) -> Json {
    build_event(reply, &pieces(reply).concat(), stop_reason(reply).into())
}

/// The events, and the place of the last.
pub(super) fn list_events(reply: &Reply) -> (Vec<String>, usize) {
    let pieces = pieces(reply).iter();
    let mut events: Vec<String> = pieces
        .map(|piece| build_event(reply, piece, Json::NULL).to_text())
        .collect();
    let terminal = events.len();
    events.push(build_event(reply, "", stop_reason(reply).into()).to_text());
    (events, terminal)
}

/// There are no tools here: a call's arguments are text.
fn pieces(reply: &Reply) -> &[String] {
    let (Output::Text(pieces)
    | Output::Call {
        arguments: pieces, ..
    }) = &reply.output;
    pieces
}

fn build_event(reply: &Reply, text: &str, stop_reason: Json) -> Json {
    let usage = reply.usage.as_ref();
    object! {
        "generation" => text,
        "prompt_token_count" => usage.map(|usage| usage.input),
        "generation_token_count" => usage.map(|usage| usage.output),
        "stop_reason" => stop_reason,
    }
}

fn stop_reason(reply: &Reply) -> &'static str {
    match reply.ending {
        Ending::Incomplete => "length",
        Ending::Complete | Ending::Failed => "stop",
    }
}
