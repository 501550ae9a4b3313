//! Converse and `ConverseStream`: one shape for the models of all makers.
//!
//! What a request must be is in `check`.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.

mod check;

use serde_json::{Value, json};

use crate::{
    bedrock::{LATENCY_MS, converse::check::check_request, event_stream::event_frame, padding},
    identity::long_id,
    json::{Json, array, object},
    prompt::{Function, Prompt, count_words_of, find_model, last_text},
    refusal::Refusal,
    reply::{BEFORE_TOOL, Ending, Output, Reply, Usage},
    stream::Events,
};

/// Reads a request.
///
/// # Errors
///
/// AWS's 400 if the conversation is not one.
pub(crate) fn read_prompt(request: &Value) -> Result<Prompt, Refusal> {
    check_request(request)?;
    Ok(read_conversation(request))
}

/// Reads what is there, whether or not it makes a conversation.
pub(crate) fn read_conversation(request: &Value) -> Prompt {
    let messages = request.get("messages").and_then(Value::as_array);
    let mut messages = messages.into_iter().flatten().rev();
    let user = messages.find(|message| message.get("role") == Some(&json!("user")));
    let blocks = user.and_then(|message| message.get("content")?.as_array());
    let blocks = || blocks.into_iter().flatten();
    let result = |block: &Value| block.get("toolResult").cloned();
    let spoken = blocks().map(|block| result(block).unwrap_or_else(|| block.clone()));
    let spoken = Value::Array(spoken.collect());
    Prompt {
        model: find_model(request).unwrap_or_default().to_owned(),
        text: last_text(&spoken).unwrap_or_default().to_owned(),
        words: count_words_of(request, &["system", "messages", "toolConfig"]),
        function: find_function(request),
        ends_with_tool_result: blocks().any(|block| block.get("toolResult").is_some()),
        text_schema: find_schema(request),
    }
}

fn find_function(request: &Value) -> Option<Function> {
    let tools = request.pointer("/toolConfig/tools")?.as_array()?;
    let spec = tools.iter().find_map(|tool| tool.get("toolSpec"))?;
    Some(Function {
        name: spec.get("name")?.as_str()?.to_owned(),
        schema: spec
            .pointer("/inputSchema/json")
            .cloned()
            .unwrap_or_default(),
    })
}

/// The schema is JSON in a string.
fn find_schema(request: &Value) -> Option<Value> {
    let schema = request.pointer("/outputConfig/textFormat/structure/jsonSchema/schema")?;
    serde_json::from_str(schema.as_str()?).ok()
}

/// The answer in one piece.
pub(crate) fn build_answer(reply: &Reply) -> Json {
    let answer = object! {
        "metrics" => object! { "latencyMs" => LATENCY_MS },
        "output" => build_output(reply),
        "stopReason" => stop_reason(reply),
    };
    with_usage(answer, reply)
}

/// The message of an answer.
pub(crate) fn build_output(reply: &Reply) -> Json {
    let text = |text: &str| object! { "text" => text };
    let content = match &reply.output {
        Output::Text(pieces) => array![text(&pieces.concat())],
        Output::Call { name, arguments } => {
            let input: Value = serde_json::from_str(&arguments.concat()).unwrap_or_default();
            let call = object! {
                "input" => input,
                "name" => name.as_str(),
                "toolUseId" => call_id(reply),
            };
            array![text(BEFORE_TOOL), object! { "toolUse" => call }]
        }
    };
    object! { "message" => object! { "content" => content, "role" => "assistant" } }
}

/// The answer as a stream of frames.
pub(crate) fn build_events(reply: &Reply) -> Events {
    let (events, terminal) = list_events(reply);
    let frames = events
        .into_iter()
        .enumerate()
        .map(|(number, (name, event))| {
            let event = event.with("p", padding(reply.serial, number));
            event_frame(name, &event.to_bytes())
        });
    Events {
        frames: frames.collect(),
        terminal,
    }
}

/// The events with their names, and the place of `messageStop`; usage comes after it.
pub(crate) fn list_events(reply: &Reply) -> (Vec<(&'static str, Json)>, usize) {
    let mut events = vec![("messageStart", object! { "role" => "assistant" })];
    let text = |piece: &str| object! { "text" => piece };
    match &reply.output {
        // A text has no start of its block.
        Output::Text(pieces) => {
            push_deltas(&mut events, 0, pieces.iter().map(|piece| text(piece)));
        }
        Output::Call { name, arguments } => {
            push_deltas(&mut events, 0, [text(BEFORE_TOOL)].into_iter());
            let call = object! { "name" => name.as_str(), "toolUseId" => call_id(reply) };
            let start = object! {
                "contentBlockIndex" => 1_u64,
                "start" => object! { "toolUse" => call },
            };
            events.push(("contentBlockStart", start));
            let inputs = arguments.iter().map(|piece| {
                object! { "toolUse" => object! { "input" => piece.as_str() } }
            });
            push_deltas(&mut events, 1, inputs);
        }
    }
    let terminal = events.len();
    let stop = object! { "stopReason" => stop_reason(reply) };
    events.push(("messageStop", stop));
    let metadata = object! { "metrics" => object! { "latencyMs" => LATENCY_MS } };
    events.push(("metadata", with_usage(metadata, reply)));
    (events, terminal)
}

fn push_deltas(
    events: &mut Vec<(&'static str, Json)>,
    index: u64,
    deltas: impl Iterator<Item = Json>,
) {
    let place = || object! { "contentBlockIndex" => index };
    events.extend(deltas.map(|delta| ("contentBlockDelta", place().with("delta", delta))));
    events.push(("contentBlockStop", place()));
}

fn with_usage(answer: Json, reply: &Reply) -> Json {
    match &reply.usage {
        Some(usage) => answer.with("usage", build_usage(usage)),
        None => answer,
    }
}

/// Usage: input leaves out what the cache did, the total does not.
fn build_usage(usage: &Usage) -> Json {
    object! {
        "cacheReadInputTokens" => usage.cached,
        "cacheWriteInputTokens" => usage.written,
        "inputTokens" => usage.uncached(),
        "outputTokens" => usage.output,
        "totalTokens" => usage.input + usage.output,
    }
}

fn call_id(reply: &Reply) -> String {
    long_id("tooluse_", reply.serial)
}

pub(crate) fn stop_reason(reply: &Reply) -> &'static str {
    match (&reply.output, reply.ending) {
        (_, Ending::Incomplete) => "max_tokens",
        (Output::Call { .. }, _) => "tool_use",
        (Output::Text(_), _) => "end_turn",
    }
}

#[cfg(test)]
mod tests;
