//! `POST /v1/messages`.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::{
    anthropic::{error::refuse_missing, is_strict},
    identity::short_id,
    json::{Json, array, object},
    prompt::{Function, Prompt, count_words_of, find_model, last_text},
    refusal::Refusal,
    reply::{BEFORE_TOOL, Ending, Output, Reply, Usage},
    stream::{Events, named_frame},
};

/// Reads a request to answer.
///
/// # Errors
///
/// The provider's 400 if a required field is missing, or if the version of the
/// request refuses one that is there.
pub(crate) fn read_prompt(request: &Value, headers: &HeaderMap) -> Result<Prompt, Refusal> {
    if !request.get("max_tokens").is_some_and(Value::is_u64) {
        return Err(refuse_missing("max_tokens"));
    }
    let sampling = ["temperature", "top_p", "top_k"];
    let refused = sampling
        .into_iter()
        .find(|key| is_strict(request, headers) && request.get(key).is_some());
    if let Some(key) = refused {
        return Err(Refusal::new(
            400,
            format!("{key}: Extra inputs are not permitted"),
        ));
    }
    read_messages(request)
}

/// Reads what counting and answering share.
///
/// # Errors
///
/// The provider's 400 if there is no model or there are no messages.
pub(crate) fn read_messages(request: &Value) -> Result<Prompt, Refusal> {
    let model = find_model(request).ok_or_else(|| refuse_missing("model"))?;
    let messages = request.get("messages").and_then(Value::as_array);
    let messages = messages.ok_or_else(|| refuse_missing("messages"))?;
    let user = messages
        .iter()
        .rev()
        .find(|message| message.get("role") == Some(&json!("user")));
    let content = user.and_then(|message| message.get("content"));
    Ok(Prompt {
        model: model.to_owned(),
        text: content.and_then(last_text).unwrap_or_default().to_owned(),
        words: count_words_of(request, &["system", "messages", "tools"]),
        function: find_function(request),
        ends_with_tool_result: content.is_some_and(has_tool_result),
        text_schema: request.pointer("/output_config/format/schema").cloned(),
    })
}

fn has_tool_result(content: &Value) -> bool {
    let mut blocks = content.as_array().into_iter().flatten();
    blocks.any(|block| block.get("type") == Some(&json!("tool_result")))
}

fn find_function(request: &Value) -> Option<Function> {
    let mut tools = request.get("tools")?.as_array()?.iter();
    tools.find_map(|tool| Function::find(tool, "input_schema"))
}

/// The answer in one piece.
pub(crate) fn build_answer(reply: &Reply) -> Json {
    let content = match &reply.output {
        Output::Text(pieces) => array![build_text(&pieces.concat())],
        Output::Call { name, arguments } => {
            let input = serde_json::from_str(&arguments.concat()).unwrap_or(Value::Null);
            array![build_text(BEFORE_TOOL), build_tool_use(reply, name, input)]
        }
    };
    build_message(reply, content, stop_reason(reply).into(), Usage::clone)
}

/// The answer as a stream: `message_start`, blocks, `message_delta`,
/// `message_stop`, and a `ping` after the first block has begun.
pub(crate) fn build_events(reply: &Reply) -> Events {
    // At the start one token is counted as written, as the provider does.
    let start = build_message(reply, array![], Json::NULL, |usage| Usage {
        output: 1,
        ..*usage
    });
    let mut frames = vec![build_event("message_start", vec![("message", start)])];
    match &reply.output {
        Output::Text(pieces) => push_text(&mut frames, pieces),
        Output::Call { name, arguments } => {
            push_text(&mut frames, &[BEFORE_TOOL.to_owned()]);
            let block = build_tool_use(reply, name, json!({}));
            let pieces = [""].into_iter().chain(arguments.iter().map(String::as_str));
            let deltas = pieces.map(|piece| {
                object! { "type" => "input_json_delta", "partial_json" => piece }
            });
            push_block(&mut frames, 1, block, deltas);
        }
    }
    let delta = object! { "stop_reason" => stop_reason(reply), "stop_sequence" => Json::NULL };
    let usage = reply
        .usage
        .as_ref()
        .map(|usage| ("usage", build_last_usage(usage)));
    let fields = [("delta", delta)].into_iter().chain(usage).collect();
    frames.push(build_event("message_delta", fields));
    let terminal = frames.len();
    frames.push(build_event("message_stop", vec![]));
    Events { frames, terminal }
}

fn push_text(frames: &mut Vec<Bytes>, pieces: &[String]) {
    let deltas = pieces.iter().map(|piece| {
        object! { "type" => "text_delta", "text" => piece.as_str() }
    });
    push_block(frames, 0, build_text(""), deltas);
}

fn push_block(
    frames: &mut Vec<Bytes>,
    index: u64,
    block: Json,
    deltas: impl Iterator<Item = Json>,
) {
    let begin = vec![("index", index.into()), ("content_block", block)];
    frames.push(build_event("content_block_start", begin));
    if index == 0 {
        frames.push(build_event("ping", vec![]));
    }
    frames.extend(deltas.map(|delta| {
        build_event(
            "content_block_delta",
            vec![("index", index.into()), ("delta", delta)],
        )
    }));
    frames.push(build_event(
        "content_block_stop",
        vec![("index", index.into())],
    ));
}

fn build_event(name: &str, fields: Vec<(&'static str, Json)>) -> Bytes {
    let head = object! { "type" => name };
    let event = fields
        .into_iter()
        .fold(head, |event, (key, value)| event.with(key, value));
    named_frame(name, &event)
}

fn build_message(
    reply: &Reply,
    content: Json,
    stop_reason: Json,
    usage_of: impl Fn(&Usage) -> Usage,
) -> Json {
    let message = object! {
        "model" => reply.model.as_str(),
        "id" => short_id("msg_01", reply.serial),
        "type" => "message",
        "role" => "assistant",
        "content" => content,
        "stop_reason" => stop_reason,
        "stop_sequence" => Json::NULL,
    };
    match &reply.usage {
        Some(usage) => message.with("usage", build_usage(&usage_of(usage))),
        None => message,
    }
}

fn build_text(text: &str) -> Json {
    object! { "type" => "text", "text" => text }
}

fn build_tool_use(reply: &Reply, name: &str, input: Value) -> Json {
    object! {
        "type" => "tool_use",
        "id" => short_id("toolu_01", reply.serial),
        "name" => name,
        "input" => input,
    }
}

/// Usage; input leaves out what the cache did.
fn build_usage(usage: &Usage) -> Json {
    object! {
        "input_tokens" => usage.uncached(),
        "cache_creation_input_tokens" => usage.written,
        "cache_read_input_tokens" => usage.cached,
        "cache_creation" => object! {
            "ephemeral_5m_input_tokens" => usage.written,
            "ephemeral_1h_input_tokens" => 0_u64,
        },
        "output_tokens" => usage.output,
        "service_tier" => "standard",
        "inference_geo" => "global",
    }
}

/// Usage of `message_delta`: cumulative, the last word.
fn build_last_usage(usage: &Usage) -> Json {
    object! {
        "input_tokens" => usage.uncached(),
        "cache_creation_input_tokens" => usage.written,
        "cache_read_input_tokens" => usage.cached,
        "output_tokens" => usage.output,
    }
}

fn stop_reason(reply: &Reply) -> &'static str {
    match (&reply.output, reply.ending) {
        (_, Ending::Incomplete) => "max_tokens",
        (Output::Call { .. }, _) => "tool_use",
        (Output::Text(_), _) => "end_turn",
    }
}

#[cfg(test)]
mod tests;
