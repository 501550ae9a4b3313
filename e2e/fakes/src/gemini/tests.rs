//! Claims about `gemini`.

use serde_json::json;

use super::*;

fn request() -> Value {
    let contents = json!([{"role": "user", "parts": [{"text": "hi there"}]}]);
    json!({"model": "gemini-a", "contents": contents})
}

fn reply(model: &str, request: &Value) -> Reply {
    let prompt = read_prompt(request).expect("a prompt");
    Reply::new(
        prompt,
        &model.parse().expect("a scenario"),
        1,
        1_790_812_800,
    )
}

fn answer(model: &str, request: &Value) -> Value {
    let answer = build_answer(&reply(model, request), request);
    serde_json::from_str(&answer.to_text()).expect("JSON")
}

fn frames(model: &str, request: &Value, delivery: Delivery) -> Vec<String> {
    let events = build_events(&reply(model, request), request, delivery);
    let frames = events.frames.iter();
    frames
        .map(|frame| String::from_utf8_lossy(frame).into_owned())
        .collect()
}

fn events(model: &str, request: &Value) -> Vec<Value> {
    let frames = frames(model, request, Delivery::Events);
    let data = frames.iter().map(|frame| {
        let data = frame
            .strip_prefix("data: ")
            .and_then(|data| data.strip_suffix("\r\n\r\n"));
        serde_json::from_str(data.expect("one data line")).expect("JSON")
    });
    data.collect()
}

fn parts(events: &[Value]) -> Vec<&Value> {
    events
        .iter()
        .map(|event| &event["candidates"][0]["content"]["parts"][0])
        .collect()
}

#[test]
fn the_answer_repeats_the_prompt_and_ends() {
    let answer = answer("m", &request());
    let candidate = &answer["candidates"][0];
    assert_eq!(
        candidate["content"]["parts"],
        json!([{"text": "echo: hi there"}])
    );
    assert_eq!(candidate["content"]["role"], "model");
    assert_eq!(candidate["finishReason"], "STOP");
    assert_eq!(answer["modelVersion"], "gemini-a");
}

#[test]
fn the_total_has_the_thoughts_that_the_candidates_lack() {
    let mut request = request();
    let usage = answer("m", &request)["usageMetadata"].clone();
    let count = |usage: &Value, key: &str| usage[key].as_u64().unwrap_or_default();
    assert_eq!(count(&usage, "candidatesTokenCount"), 3);
    assert_eq!(count(&usage, "thoughtsTokenCount"), THOUGHT_TOKENS);
    let sum = count(&usage, "promptTokenCount") + 3 + THOUGHT_TOKENS;
    assert_eq!(count(&usage, "totalTokenCount"), sum);
    request["generationConfig"] = json!({"thinkingConfig": {"thinkingBudget": 0}});
    let usage = answer("m", &request)["usageMetadata"].clone();
    assert!(usage.get("thoughtsTokenCount").is_none());
    assert_eq!(count(&usage, "totalTokenCount"), sum - THOUGHT_TOKENS);
}

#[test]
fn a_thought_comes_first_when_it_is_asked_for() {
    let mut request = request();
    request["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
    let events = events("m", &request);
    let parts = parts(&events);
    assert_eq!(parts[0], &json!({"text": THOUGHT, "thought": true}));
    assert!(parts[1..].iter().all(|part| part.get("thought").is_none()));
    let whole = answer("m", &request);
    assert_eq!(whole["candidates"][0]["content"]["parts"][0], *parts[0]);
}

#[test]
fn only_the_last_event_has_a_finish_reason_and_counts() {
    let events = events("m", &request());
    let text: String = parts(&events)
        .iter()
        .filter_map(|part| part["text"].as_str())
        .collect();
    assert_eq!(text, "echo: hi there");
    let (last, rest) = events.split_last().expect("events");
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(last["usageMetadata"]["candidatesTokenCount"], 3);
    for event in rest {
        assert!(event["candidates"][0].get("finishReason").is_none());
        assert_eq!(event["usageMetadata"], json!({"trafficType": "ON_DEMAND"}));
    }
}

#[test]
fn a_list_is_json_once_it_is_whole() {
    let frames = frames("m", &request(), Delivery::List);
    assert!(frames.len() > 3, "{frames:?}");
    let whole: Vec<Value> = serde_json::from_str(&frames.concat()).expect("JSON");
    assert_eq!(whole, events("m", &request()));
    assert!(serde_json::from_str::<Value>(&frames[..2].concat()).is_err());
}

#[test]
fn an_error_ends_the_stream_that_it_is_in() {
    let event = String::from_utf8_lossy(&build_error_frame(2, Delivery::Events)).into_owned();
    assert!(
        event.starts_with(r#"data: {"error":{"code":503"#),
        "{event}"
    );
    for number in [0, 1] {
        let before = frames("m", &request(), Delivery::List)[..number].concat();
        let error = build_error_frame(number, Delivery::List);
        let list = format!("{before}{}", String::from_utf8_lossy(&error));
        let list: Vec<Value> = serde_json::from_str(&list).expect("JSON");
        assert_eq!(list[number]["error"]["status"], "UNAVAILABLE");
    }
}

#[test]
fn a_call_is_whole_and_signed() {
    let mut request = request();
    let schema =
        json!({"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]});
    request["tools"] =
        json!([{"functionDeclarations": [{"name": "lookup", "parameters": schema}]}]);
    let events = events("fake-tools", &request);
    let part = parts(&events)[0];
    assert_eq!(
        part["functionCall"],
        json!({"name": "lookup", "args": {"city": "Zürich"}})
    );
    assert_eq!(part["thoughtSignature"], THOUGHT_SIGNATURE);
    let whole = answer("fake-tools", &request);
    assert_eq!(whole["candidates"][0]["content"]["parts"][0], *part);
}

#[test]
fn the_token_limit_has_its_own_reason_and_usage_can_be_missing() {
    let limited = answer("fake-incomplete", &request());
    assert_eq!(limited["candidates"][0]["finishReason"], "MAX_TOKENS");
    let events = events("fake-no-usage", &request());
    assert!(
        events
            .iter()
            .all(|event| event.get("usageMetadata").is_none())
    );
}

#[test]
fn counting_counts_what_the_answer_would_cost() {
    let prompt = read_prompt(&request()).expect("a prompt");
    let counted: Value = serde_json::from_str(&count_tokens(&prompt).to_text()).expect("JSON");
    let usage = answer("m", &request())["usageMetadata"].clone();
    assert_eq!(counted["totalTokens"], usage["promptTokenCount"]);
}
