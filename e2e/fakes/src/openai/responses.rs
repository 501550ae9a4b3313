//! `POST /v1/responses` in one piece; the events of a stream are in `events`,
//! the paths below it in `paths`.

pub(crate) mod events;
pub(crate) mod paths;

use serde_json::{Value, json};

use crate::{
    identity::long_id,
    json::{Json, array, object},
    openai::error::refuse_missing,
    prompt::{Function, Prompt, count_words_of, find_model, last_text},
    refusal::Refusal,
    reply::{Ending, Output, Reply, Usage},
};

/// Keys of the request that the answer repeats.
const REPEATED: [&str; 16] = [
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
    "metadata",
];

/// What stands under a key of [`REPEATED`] when the request has none.
fn default_of(key: &str) -> Value {
    match key {
        "metadata" => json!({}),
        "parallel_tool_calls" | "store" => json!(true),
        "reasoning" => json!({"effort": null, "summary": null}),
        "temperature" | "top_p" => json!(1.0),
        "text" => json!({"format": {"type": "text"}, "verbosity": "medium"}),
        "tool_choice" => json!("auto"),
        "tools" => json!([]),
        "truncation" => json!("disabled"),
        _ => Value::Null,
    }
}

/// Repeats what the request asked for.
pub(crate) fn repeat(head: Json, request: &Value) -> Json {
    REPEATED.into_iter().fold(head, |head, key| {
        let asked = request.get(key).cloned();
        head.with(key, asked.unwrap_or_else(|| default_of(key)))
    })
}

/// Reads a request.
///
/// # Errors
///
/// The provider's 400 if it has no model or nothing to answer.
pub(crate) fn read_prompt(request: &Value) -> Result<Prompt, Refusal> {
    let model = find_model(request).ok_or_else(|| refuse_missing("model"))?;
    let input = request
        .get("input")
        .ok_or_else(|| refuse_missing("input"))?;
    let items = input.as_array().map(Vec::as_slice).unwrap_or_default();
    let tool_result = items.last().filter(|item| is_tool_result(item));
    let user = items
        .iter()
        .rev()
        .find(|item| item.get("role") == Some(&json!("user")));
    let spoken = tool_result.or(user).or(input.as_str().map(|_| input));
    Ok(Prompt {
        model: model.to_owned(),
        text: spoken.and_then(last_text).unwrap_or_default().to_owned(),
        words: count_words_of(request, &["instructions", "input", "tools"]),
        function: find_function(request),
        ends_with_tool_result: tool_result.is_some(),
        text_schema: request.pointer("/text/format/schema").cloned(),
    })
}

fn is_tool_result(item: &Value) -> bool {
    let kind = item.get("type").and_then(Value::as_str);
    kind.is_some_and(|kind| kind.ends_with("_call_output"))
}

fn find_function(request: &Value) -> Option<Function> {
    let mut tools = request.get("tools")?.as_array()?.iter();
    tools.find_map(|tool| Function::find(tool, "parameters"))
}

/// The answer in one piece.
pub(crate) fn build_answer(reply: &Reply, request: &Value) -> Json {
    let status = match reply.ending {
        Ending::Complete => "completed",
        Ending::Incomplete => "incomplete",
        Ending::Failed => "failed",
    };
    build_response(reply, request, status)
}

/// A response with a status; only a finished one has output and usage.
pub(crate) fn build_response(reply: &Reply, request: &Value, status: &str) -> Json {
    let is_finished = status != "in_progress";
    let error = object! {
        "code" => "server_error",
        "message" => "The model failed to generate a response.",
    };
    let incomplete = object! { "reason" => "max_output_tokens" };
    let output = if is_finished {
        array![build_item(reply, item_status(reply))]
    } else {
        array![]
    };
    let usage = reply
        .usage
        .as_ref()
        .filter(|_| is_finished)
        .map(build_usage);
    let head = object! {
        "id" => response_id(reply),
        "object" => "response",
        "created_at" => reply.created,
        "status" => status,
        "background" => false,
        "completed_at" => (status == "completed").then_some(reply.created),
        "error" => (status == "failed").then_some(error),
        "incomplete_details" => (status == "incomplete").then_some(incomplete),
        "model" => reply.model.as_str(),
        "output" => output,
        "service_tier" => "default",
        "top_logprobs" => 0_u64,
        "usage" => usage,
        "user" => Json::NULL,
    };
    repeat(head, request)
}

/// The item of the answer: a message, or a call of a function.
pub(crate) fn build_item(reply: &Reply, status: &str) -> Json {
    let is_begun = status == "in_progress";
    match &reply.output {
        Output::Text(pieces) => {
            let content = if is_begun {
                array![]
            } else {
                array![build_part(&pieces.concat())]
            };
            object! {
                "id" => item_id(reply),
                "type" => "message",
                "status" => status,
                "content" => content,
                "role" => "assistant",
            }
        }
        Output::Call { name, arguments } => object! {
            "id" => item_id(reply),
            "type" => "function_call",
            "status" => status,
            "arguments" => if is_begun { String::new() } else { arguments.concat() },
            "call_id" => long_id("call_", reply.serial),
            "name" => name.as_str(),
        },
    }
}

/// A part of a message.
pub(crate) fn build_part(text: &str) -> Json {
    object! {
        "type" => "output_text",
        "annotations" => array![],
        "logprobs" => array![],
        "text" => text,
    }
}

/// The id of the item of an answer.
pub(crate) fn item_id(reply: &Reply) -> String {
    let prefix = if matches!(reply.output, Output::Text(_)) {
        "msg_"
    } else {
        "fc_"
    };
    long_id(prefix, reply.serial)
}

/// How far the item came.
pub(crate) fn item_status(reply: &Reply) -> &'static str {
    if reply.ending == Ending::Complete {
        "completed"
    } else {
        "incomplete"
    }
}

pub(crate) fn response_id(reply: &Reply) -> String {
    long_id("resp_", reply.serial)
}

pub(crate) fn build_usage(usage: &Usage) -> Json {
    object! {
        "input_tokens" => usage.input,
        "input_tokens_details" => object! {
            "cached_tokens" => usage.cached,
            "cache_write_tokens" => usage.written,
        },
        "output_tokens" => usage.output,
        "output_tokens_details" => object! { "reasoning_tokens" => 0_u64 },
        "total_tokens" => usage.input + usage.output,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn text_is_found_in_a_string_and_in_items() {
        for input in [
            json!("hi"),
            json!([{"role": "user", "content": "hi"}]),
            json!([
                {"type": "additional_tools", "role": "developer", "tools": []},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            ]),
            json!([{"type": "function_call_output", "call_id": "c", "output": "hi"}]),
        ] {
            let prompt = read_prompt(&json!({"model": "m", "input": input})).expect("a prompt");
            assert_eq!(prompt.text, "hi");
        }
    }

    #[test]
    fn the_answer_repeats_what_was_asked_for() {
        let request =
            json!({"model": "m", "input": "hi", "store": false, "tools": [{"type": "x"}]});
        let prompt = read_prompt(&request).expect("a prompt");
        let answer = build_answer(&Reply::new(prompt, &Scenario::Answer, 1, 2), &request);
        let answer: Value = serde_json::from_str(&answer.to_text()).expect("JSON");
        assert_eq!(answer["store"], false);
        assert_eq!(answer["tools"], json!([{"type": "x"}]));
        assert_eq!(answer["output"][0]["content"][0]["text"], "echo: hi");
        assert_eq!(answer["status"], "completed");
    }
}
