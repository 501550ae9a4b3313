//! Claims about `messages`.

use http::HeaderValue;

use super::*;

fn request() -> Value {
    json!({
        "model": "m",
        "max_tokens": 9,
        "system": "be kind",
        "messages": [{"role": "user", "content": "hi there"}],
    })
}

fn reply(model: &str, request: &Value) -> Reply {
    let prompt = read_prompt(request, &HeaderMap::new()).expect("a prompt");
    Reply::new(prompt, &model.parse().expect("a scenario"), 1, 2)
}

fn events(model: &str) -> Vec<Value> {
    let parse = |frame: &Bytes| {
        let text = std::str::from_utf8(frame).expect("text");
        let (name, data) = text.split_once('\n').expect("two lines");
        let data = data.strip_prefix("data: ").expect("a data line");
        let data: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(
            Some(name),
            data["type"]
                .as_str()
                .map(|kind| format!("event: {kind}"))
                .as_deref()
        );
        data
    };
    build_events(&reply(model, &request()))
        .frames
        .iter()
        .map(parse)
        .collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .filter_map(|event| event["type"].as_str())
        .collect()
}

#[test]
fn a_text_comes_in_the_order_of_the_provider() {
    assert_eq!(
        names(&events("m")),
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
}

#[test]
fn a_tool_use_is_the_second_block_and_joins_to_json() {
    let events = events("fake-tools");
    let second: Vec<&Value> = events.iter().filter(|event| event["index"] == 1).collect();
    assert_eq!(second[0]["content_block"]["type"], "tool_use");
    assert_eq!(second[0]["content_block"]["input"], json!({}));
    let pieces: String = second
        .iter()
        .filter_map(|event| event["delta"]["partial_json"].as_str())
        .collect();
    assert!(serde_json::from_str::<Value>(&pieces).is_ok(), "{pieces}");
    let delta = events
        .iter()
        .find(|event| event["type"] == "message_delta")
        .expect("a delta");
    assert_eq!(delta["delta"]["stop_reason"], "tool_use");
}

#[test]
fn usage_grows_from_start_to_delta() {
    let events = events("m");
    assert_eq!(events[0]["message"]["usage"]["output_tokens"], 1);
    let delta = events
        .iter()
        .find(|event| event["type"] == "message_delta")
        .expect("a delta");
    assert_eq!(delta["usage"]["output_tokens"], 3);
    assert_eq!(delta["usage"]["input_tokens"], 4);
    assert_eq!(delta["usage"]["cache_read_input_tokens"], 1);
}

#[test]
fn without_usage_no_event_speaks_of_it() {
    let text: String = events("fake-no-usage")
        .iter()
        .map(Value::to_string)
        .collect();
    assert!(!text.contains("usage"), "{text}");
}

#[test]
fn max_tokens_is_required() {
    let mut request = request();
    request["max_tokens"] = Value::Null;
    let refusal = read_prompt(&request, &HeaderMap::new()).expect_err("a refusal");
    assert_eq!(refusal.message, "max_tokens: Field required");
}

#[test]
fn only_the_newest_version_refuses_sampling_parameters() {
    let mut request = request();
    request["temperature"] = json!(1);
    assert!(read_prompt(&request, &HeaderMap::new()).is_ok());
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-version", HeaderValue::from_static("2026-10-21"));
    assert!(read_prompt(&request, &headers).is_err());
    request["anthropic_version"] = json!("vertex-2023-10-16");
    assert!(read_prompt(&request, &headers).is_ok());
}

#[test]
fn a_tool_result_is_repeated_rather_than_called_for_again() {
    let mut request = request();
    request["messages"] = json!([{"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "sunny"}]}
    ]}]);
    let reply = reply("fake-tools", &request);
    assert_eq!(reply.output.text().as_deref(), Some("echo: sunny"));
}
