//! `POST /v1/chat/completions`.

use bytes::Bytes;
use serde_json::Value;

use crate::{
    identity::long_id,
    json::{Json, array, object},
    openai::{DONE, build_usage, error::refuse_missing},
    prompt::{Function, Prompt, count_words_of, find_model, last_text, wants_usage_chunk},
    refusal::Refusal,
    reply::{Ending, Output, Reply},
    stream::{Events, data_frame},
};

/// Reads a request.
///
/// # Errors
///
/// The provider's 400 if it has no model or no messages.
pub(crate) fn read_prompt(request: &Value) -> Result<Prompt, Refusal> {
    let model = find_model(request).ok_or_else(|| refuse_missing("model"))?;
    let messages = request.get("messages").and_then(Value::as_array);
    let messages = messages.ok_or_else(|| refuse_missing("messages"))?;
    let has_role = |role| move |message: &&Value| message.get("role") == Some(&Value::from(role));
    let tool_result = messages.last().filter(has_role("tool"));
    let user = messages.iter().rev().find(has_role("user"));
    let spoken = tool_result
        .or(user)
        .and_then(|message| message.get("content"));
    Ok(Prompt {
        model: model.to_owned(),
        text: spoken.and_then(last_text).unwrap_or_default().to_owned(),
        words: count_words_of(request, &["messages", "tools"]),
        function: find_function(request),
        ends_with_tool_result: tool_result.is_some(),
        text_schema: request
            .pointer("/response_format/json_schema/schema")
            .cloned(),
    })
}

fn find_function(request: &Value) -> Option<Function> {
    let mut tools = request.get("tools")?.as_array()?.iter();
    tools.find_map(|tool| Function::find(tool.get("function")?, "parameters"))
}

/// The answer in one piece.
pub(crate) fn build_answer(reply: &Reply) -> Json {
    let message = match &reply.output {
        Output::Text(pieces) => object! {
            "role" => "assistant",
            "content" => pieces.concat(),
            "refusal" => Json::NULL,
            "annotations" => array![],
        },
        Output::Call { name, arguments } => object! {
            "role" => "assistant",
            "content" => Json::NULL,
            "tool_calls" => array![object! {
                "id" => call_id(reply),
                "type" => "function",
                "function" => object! { "name" => name.as_str(), "arguments" => arguments.concat() },
            }],
            "refusal" => Json::NULL,
            "annotations" => array![],
        },
    };
    let choice = object! {
        "index" => 0_u64,
        "message" => message,
        "logprobs" => Json::NULL,
        "finish_reason" => finish_reason(reply),
    };
    let answer = build_head(reply, "chat.completion").with("choices", array![choice]);
    let answer = match &reply.usage {
        Some(usage) => answer.with("usage", build_usage(usage)),
        None => answer,
    };
    answer
        .with("service_tier", "default")
        .with("system_fingerprint", "fp_anyrayfakes")
}

/// The answer as a stream: the chunks, `[DONE]`.
pub(crate) fn build_events(reply: &Reply, request: &Value) -> Events {
    let (chunks, terminal) = build_chunks(reply, request);
    let frames = chunks.iter().map(data_frame);
    Events {
        frames: frames.chain([Bytes::from_static(DONE)]).collect(),
        terminal,
    }
}

/// Role, pieces, finish reason, usage if asked, and the place of the finish reason.
pub(crate) fn build_chunks(reply: &Reply, request: &Value) -> (Vec<Json>, usize) {
    let usage = reply.usage.as_ref().filter(|_| wants_usage_chunk(request));
    let chunk = |choices: Json, usage_field: Option<Json>| {
        let head = build_head(reply, "chat.completion.chunk")
            .with("service_tier", "default")
            .with("system_fingerprint", "fp_anyrayfakes")
            .with("choices", choices);
        match usage_field {
            Some(field) => head.with("usage", field),
            None => head,
        }
    };
    let empty_usage = || usage.map(|_| Json::NULL);
    let deltas = build_deltas(reply).into_iter();
    let mut chunks: Vec<Json> = deltas
        .map(|delta| chunk(array![build_choice(delta, Json::NULL)], empty_usage()))
        .collect();
    let terminal = chunks.len();
    let finish = build_choice(object! {}, finish_reason(reply).into());
    chunks.push(chunk(array![finish], empty_usage()));
    if let Some(usage) = usage {
        chunks.push(chunk(array![], Some(build_usage(usage))));
    }
    (chunks, terminal)
}

fn build_deltas(reply: &Reply) -> Vec<Json> {
    let role = |content: Json| object! { "role" => "assistant", "content" => content };
    match &reply.output {
        Output::Text(pieces) => {
            let first = role("".into()).with("refusal", Json::NULL);
            let rest = pieces
                .iter()
                .map(|piece| object! { "content" => piece.as_str() });
            [first].into_iter().chain(rest).collect()
        }
        Output::Call { name, arguments } => {
            let call = object! {
                "index" => 0_u64,
                "id" => call_id(reply),
                "type" => "function",
                "function" => object! { "name" => name.as_str(), "arguments" => "" },
            };
            let first = role(Json::NULL)
                .with("tool_calls", array![call])
                .with("refusal", Json::NULL);
            let rest = arguments.iter().map(|piece| {
                let function = object! { "arguments" => piece.as_str() };
                let call = object! { "index" => 0_u64, "function" => function };
                object! { "tool_calls" => array![call] }
            });
            [first].into_iter().chain(rest).collect()
        }
    }
}

fn build_choice(delta: Json, finish_reason: Json) -> Json {
    object! {
        "index" => 0_u64,
        "delta" => delta,
        "logprobs" => Json::NULL,
        "finish_reason" => finish_reason,
    }
}

fn build_head(reply: &Reply, kind: &str) -> Json {
    object! {
        "id" => long_id("chatcmpl-", reply.serial),
        "object" => kind,
        "created" => reply.created,
        "model" => reply.model.as_str(),
    }
}

fn call_id(reply: &Reply) -> String {
    long_id("call_", reply.serial)
}

fn finish_reason(reply: &Reply) -> &'static str {
    match (&reply.output, reply.ending) {
        (_, Ending::Incomplete) => "length",
        (Output::Call { .. }, _) => "tool_calls",
        (Output::Text(_), _) => "stop",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reply(model: &str, request: &Value) -> Reply {
        let prompt = read_prompt(request).expect("a prompt");
        Reply::new(
            prompt,
            &model.parse().expect("a scenario"),
            7,
            1_790_000_000,
        )
    }

    fn chunks(model: &str, request: &Value) -> Vec<Value> {
        let frames = build_events(&reply(model, request), request).frames;
        let (done, chunks) = frames.split_last().expect("frames");
        assert_eq!(done.as_ref(), b"data: [DONE]\n\n");
        let parse = |frame: &Bytes| {
            let text = std::str::from_utf8(frame).expect("text");
            let data = text
                .strip_prefix("data: ")
                .and_then(|data| data.strip_suffix("\n\n"));
            serde_json::from_str(data.expect("one data line")).expect("JSON")
        };
        chunks.iter().map(parse).collect()
    }

    fn request() -> Value {
        json!({"model": "m", "messages": [{"role": "user", "content": "hello there"}]})
    }

    #[test]
    fn a_stream_is_role_then_text_then_finish_reason() {
        let chunks = chunks("m", &request());
        let deltas: Vec<&Value> = chunks
            .iter()
            .map(|chunk| &chunk["choices"][0]["delta"])
            .collect();
        assert_eq!(deltas[0]["role"], "assistant");
        let text: String = deltas
            .iter()
            .filter_map(|delta| delta["content"].as_str())
            .collect();
        assert_eq!(text, "echo: hello there");
        assert_eq!(
            chunks.last().expect("a chunk")["choices"][0]["finish_reason"],
            "stop"
        );
        assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
    }

    #[test]
    fn usage_comes_last_and_is_null_before_when_asked_for() {
        let mut request = request();
        request["stream_options"] = json!({"include_usage": true});
        let chunks = chunks("m", &request);
        let (last, rest) = chunks.split_last().expect("chunks");
        assert_eq!(last["choices"], json!([]));
        assert_eq!(last["usage"]["prompt_tokens"], 3);
        assert!(
            rest.iter()
                .all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
        );
    }

    #[test]
    fn a_tool_call_names_itself_once_and_joins_to_json() {
        let mut request = request();
        request["tools"] = json!([{"type": "function", "function": {
            "name": "lookup",
            "parameters": {"properties": {"city": {"type": "string"}}, "required": ["city"]}
        }}]);
        let chunks = chunks("fake-tools", &request);
        let calls: Vec<&Value> = chunks
            .iter()
            .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
            .filter(|call| !call.is_null())
            .collect();
        assert_eq!(calls[0]["function"]["name"], "lookup");
        assert!(calls[1..].iter().all(|call| call.get("id").is_none()));
        let arguments: String = calls
            .iter()
            .filter_map(|call| call["function"]["arguments"].as_str())
            .collect();
        assert_eq!(arguments, r#"{"city":"Zürich"}"#);
    }

    #[test]
    fn the_last_user_text_counts_even_among_parts() {
        let request = json!({"model": "m", "messages": [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "x"},
            {"role": "user", "content": [{"type": "text", "text": "second"}]},
        ]});
        assert_eq!(read_prompt(&request).expect("a prompt").text, "second");
    }

    #[test]
    fn missing_messages_are_refused_with_their_name() {
        let refusal = read_prompt(&json!({"model": "m"})).expect_err("a refusal");
        assert_eq!((refusal.status, refusal.param), (400, Some("messages")));
    }
}
