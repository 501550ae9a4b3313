//! Claims about `converse`.

use super::*;
use crate::bedrock::event_stream::tests::{decode, header};

fn request() -> Value {
    json!({
        "model": "anthropic.claude-opus-4-7",
        "system": [{"text": "be kind"}],
        "messages": [{"role": "user", "content": [{"text": "hi there"}]}],
    })
}

fn reply(model: &str, request: &Value) -> Reply {
    let prompt = read_prompt(request).expect("a prompt");
    Reply::new(prompt, &model.parse().expect("a scenario"), 1, 2)
}

fn answer(model: &str, request: &Value) -> Value {
    let text = build_answer(&reply(model, request)).to_text();
    serde_json::from_str(&text).expect("JSON")
}

/// The events of a stream by name, read by AWS's own library.
fn events(model: &str) -> Vec<(String, Value)> {
    let frames = build_events(&reply(model, &request())).frames;
    let read = |frame| {
        let message = decode(frame);
        let name = header(&message, ":event-type").expect("a type").to_owned();
        let payload = serde_json::from_slice(message.payload()).expect("JSON");
        (name, payload)
    };
    frames.iter().map(read).collect()
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn an_answer_repeats_the_prompt() {
    let answer = answer("m", &request());
    let message = json!({"role": "assistant", "content": [{"text": "echo: hi there"}]});
    assert_eq!(answer["output"]["message"], message);
    assert_eq!(answer["stopReason"], "end_turn");
    assert!(answer["metrics"]["latencyMs"].is_u64());
}

#[test]
fn the_total_counts_the_cache_and_the_input_does_not() {
    let usage = answer("m", &request())["usage"].clone();
    let part = |key: &str| usage[key].as_u64().expect("a number");
    assert_eq!(part("cacheReadInputTokens"), 1);
    assert_eq!(
        part("totalTokens"),
        part("inputTokens")
            + part("cacheReadInputTokens")
            + part("cacheWriteInputTokens")
            + part("outputTokens")
    );
}

#[test]
fn a_call_has_its_input_as_an_object() {
    let mut request = request();
    request["toolConfig"] = json!({"tools": [{"toolSpec": {
        "name": "lookup",
        "inputSchema": {"json": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        }},
    }}]});
    let answer = answer("fake-tools", &request);
    let call = &answer["output"]["message"]["content"][1]["toolUse"];
    assert_eq!(call["name"], "lookup");
    assert_eq!(call["input"], json!({"city": "Zürich"}));
    assert_eq!(answer["stopReason"], "tool_use");
}

#[test]
fn a_tool_result_is_repeated_rather_than_called_for_again() {
    let mut request = request();
    request["toolConfig"] = json!({"tools": []});
    request["messages"] = json!([
        {"role": "user", "content": [{"text": "hi"}]},
        {"role": "assistant", "content": [
            {"toolUse": {"toolUseId": "t", "name": "look", "input": {}}},
        ]},
        {"role": "user", "content": [
            {"toolResult": {"toolUseId": "t", "content": [{"text": "sunny"}]}},
        ]},
    ]);
    let answer = answer("fake-tools", &request);
    let content = &answer["output"]["message"]["content"];
    assert_eq!(*content, json!([{"text": "echo: sunny"}]));
}

#[test]
fn a_schema_in_a_string_is_answered_with_json() {
    let mut request = request();
    let schema = r#"{"type":"object","properties":{"a":{"const":1}},"required":["a"]}"#;
    request["outputConfig"] = json!({"textFormat": {
        "type": "json_schema",
        "structure": {"jsonSchema": {"schema": schema}},
    }});
    let answer = answer("m", &request);
    let content = &answer["output"]["message"]["content"];
    assert_eq!(*content, json!([{"text": r#"{"a":1}"#}]));
}

#[test]
fn a_text_comes_without_a_start_and_usage_after_the_stop() {
    let events = events("m");
    assert_eq!(
        names(&events),
        [
            "messageStart",
            "contentBlockDelta",
            "contentBlockDelta",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
            "metadata",
        ]
    );
    let text: String = events
        .iter()
        .filter_map(|(_, event)| event["delta"]["text"].as_str())
        .collect();
    assert_eq!(text, "echo: hi there");
    let (_, metadata) = events.last().expect("an event");
    assert_eq!(metadata["usage"]["outputTokens"], 3);
    assert!(metadata["metrics"]["latencyMs"].is_u64());
}

#[test]
fn a_call_starts_its_block_and_joins_to_json() {
    let events = events("fake-tools");
    let second: Vec<_> = events
        .iter()
        .filter(|(_, event)| event["contentBlockIndex"] == 1)
        .collect();
    let (name, start) = second.first().expect("a start");
    assert_eq!(name, "contentBlockStart");
    assert_eq!(start["start"]["toolUse"]["name"], "get_weather");
    let input: String = second
        .iter()
        .filter_map(|(_, event)| event["delta"]["toolUse"]["input"].as_str())
        .collect();
    assert!(serde_json::from_str::<Value>(&input).is_ok(), "{input}");
}

#[test]
fn the_stop_is_what_makes_an_answer_whole() {
    let request = request();
    let events = build_events(&reply("m", &request));
    let stop = decode(&events.frames[events.terminal]);
    assert_eq!(header(&stop, ":event-type"), Some("messageStop"));
}

#[test]
fn without_usage_nothing_speaks_of_it() {
    let answer = answer("fake-no-usage", &request());
    assert!(answer.get("usage").is_none());
    let (_, metadata) = events("fake-no-usage").pop().expect("an event");
    assert!(metadata.get("usage").is_none());
}

#[test]
fn lengths_are_padded_apart() {
    let paddings: Vec<_> = events("m")
        .iter()
        .filter_map(|(_, event)| event["p"].as_str().map(str::len))
        .collect();
    assert_eq!(paddings.len(), 7);
    assert!(
        paddings
            .iter()
            .any(|length| Some(length) != paddings.first())
    );
}
