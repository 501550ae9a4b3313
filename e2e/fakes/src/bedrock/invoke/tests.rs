//! Claims about `invoke`.

use serde_json::json;

use super::*;
use crate::bedrock::event_stream::tests::{decode, header};

const CLAUDE: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "amazon.nova-lite-v1:0";
const LLAMA: &str = "meta.llama3-8b-instruct-v1:0";

fn claude_request() -> Value {
    json!({
        "model": CLAUDE,
        "anthropic_version": "bedrock-2023-05-31",
        "anthropic_beta": ["context-1m-2025-08-07"],
        "max_tokens": 9,
        "system": "be kind",
        "messages": [{"role": "user", "content": "hi there"}],
    })
}

fn nova_request() -> Value {
    json!({"model": NOVA, "messages": [{"role": "user", "content": [{"text": "hi there"}]}]})
}

fn llama_request() -> Value {
    json!({"model": LLAMA, "prompt": "hi there", "max_gen_len": 9})
}

fn requests() -> [Value; 3] {
    [claude_request(), nova_request(), llama_request()]
}

fn reply(model: &str, request: &Value) -> Reply {
    let prompt = read_prompt(request, &HeaderMap::new()).expect("a prompt");
    Reply::new(prompt, &model.parse().expect("a scenario"), 1, 2)
}

fn answer(model: &str, request: &Value) -> Value {
    let text = build_answer(&reply(model, request), request).to_text();
    serde_json::from_str(&text).expect("JSON")
}

/// The makers' events, out of frames that AWS's own library reads.
fn events(model: &str, request: &Value) -> Vec<Value> {
    let frames = build_events(&reply(model, request), request).frames;
    let read = |frame| {
        let message = decode(frame);
        assert_eq!(header(&message, ":event-type"), Some("chunk"));
        let chunk: Value = serde_json::from_slice(message.payload()).expect("JSON");
        assert!(chunk["p"].is_string());
        let bytes = STANDARD.decode(chunk["bytes"].as_str().expect("bytes"));
        serde_json::from_slice(&bytes.expect("base64")).expect("JSON")
    };
    frames.iter().map(read).collect()
}

fn refusal(change: impl FnOnce(&mut Value), headers: &HeaderMap) -> String {
    let mut request = claude_request();
    change(&mut request);
    let refusal = read_prompt(&request, headers).expect_err("a refusal");
    assert_eq!(refusal.status, 400);
    refusal.message.into_owned()
}

#[test]
fn each_maker_answers_in_its_own_shape() {
    let [claude, nova, llama] = requests().map(|request| answer("m", &request));
    assert_eq!(claude["content"][0]["text"], "echo: hi there");
    assert_eq!(claude["model"], "claude-sonnet-4-5-20250929");
    assert!(
        claude["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("msg_bdrk_01"))
    );
    let content = &nova["output"]["message"]["content"];
    assert_eq!(content[0]["text"], "echo: hi there");
    assert_eq!(llama["generation"], "echo: hi there");
    assert_eq!(llama["generation_token_count"], 3);
}

#[test]
fn each_maker_streams_in_its_own_shape() {
    let [claude, nova, llama] = requests().map(|request| events("m", &request));
    assert_eq!(claude[0]["type"], "message_start");
    assert!(
        claude[0]["message"]["id"]
            .as_str()
            .is_some_and(|id| id.starts_with("msg_bdrk_01"))
    );
    assert!(claude.iter().all(|event| event["type"] != "ping"));
    assert_eq!(nova[0]["messageStart"]["role"], "assistant");
    let text: String = llama
        .iter()
        .filter_map(|event| event["generation"].as_str())
        .collect();
    assert_eq!(text, "echo: hi there");
}

#[test]
fn the_last_chunk_of_every_maker_has_the_metrics() {
    for request in requests() {
        let events = events("m", &request);
        let (last, rest) = events.split_last().expect("events");
        let metrics = &last[METRICS];
        assert_eq!(metrics["outputTokenCount"], 3, "{request}");
        assert!(metrics["invocationLatency"].is_u64());
        assert!(rest.iter().all(|event| event.get(METRICS).is_none()));
    }
}

#[test]
fn without_usage_there_are_no_metrics_and_no_counts() {
    for request in requests() {
        let events = events("fake-no-usage", &request);
        assert!(events.iter().all(|event| event.get(METRICS).is_none()));
    }
    assert_eq!(build_headers(None).len(), 1);
}

#[test]
fn counts_stand_in_headers_apart_from_the_cache() {
    let usage = Usage {
        input: 20,
        cached: 5,
        written: 2,
        output: 3,
    };
    let headers: HeaderMap = build_headers(Some(&usage)).into_iter().collect();
    for (name, count) in [
        ("x-amzn-bedrock-input-token-count", "13"),
        ("x-amzn-bedrock-output-token-count", "3"),
        ("x-amzn-bedrock-cache-read-input-token-count", "5"),
        ("x-amzn-bedrock-cache-write-input-token-count", "2"),
    ] {
        assert_eq!(headers[name], count, "{name}");
    }
    assert!(headers.contains_key("x-amzn-bedrock-invocation-latency"));
}

#[test]
fn both_versions_are_taken_and_no_other() {
    let none = HeaderMap::new();
    let mut request = claude_request();
    request["anthropic_version"] = json!("2026-10-21");
    assert!(read_prompt(&request, &none).is_ok());
    let message = refusal(
        |request| request["anthropic_version"] = json!("2023-06-01"),
        &none,
    );
    assert_eq!(message, "Invalid API version");
    let message = refusal(
        |request| {
            request
                .as_object_mut()
                .expect("an object")
                .remove("anthropic_version");
        },
        &none,
    );
    assert_eq!(message, "anthropic_version: Field required");
}

#[test]
fn claude_needs_messages_and_a_limit_and_no_stream() {
    let none = HeaderMap::new();
    for (key, value, words) in [
        ("max_tokens", Value::Null, "max_tokens: Field required"),
        ("messages", Value::Null, "messages: Field required"),
        (
            "stream",
            json!(true),
            "extraneous key [stream] is not permitted",
        ),
    ] {
        let message = refusal(|request| request[key] = value, &none);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn what_only_anthropic_has_is_refused() {
    let none = HeaderMap::new();
    for (key, value, words) in [
        (
            "messages",
            json!([{"role": "system", "content": [], "output_config": {"effort": "low"}}]),
            "messages.0.output_config: Extra inputs are not permitted",
        ),
        (
            "messages",
            json!([{"role": "system", "content": [{"type": "tool_addition"}]}]),
            "messages.0.content: Input tag 'tool_addition'",
        ),
        (
            "context_management",
            json!({"edits": [{"type": "clear_thinking_20251015"}]}),
            "context_management: Extra inputs are not permitted",
        ),
    ] {
        let message = refusal(|request| request[key] = value, &none);
        assert!(message.starts_with(words), "{message}");
    }
}

#[test]
fn betas_are_known_wherever_they_stand() {
    let none = HeaderMap::new();
    let message = refusal(
        |request| request["anthropic_beta"] = json!(["files-api-2025-04-14"]),
        &none,
    );
    assert_eq!(message, "invalid beta flag");
    let message = refusal(|request| request["anthropic_beta"] = json!("a,b"), &none);
    assert_eq!(message, "anthropic_beta: Input should be a valid list");
    let with = |betas: &'static str| {
        let name = HeaderName::from_static("anthropic-beta");
        HeaderMap::from_iter([(name, HeaderValue::from_static(betas))])
    };
    let unknown = with("context-1m-2025-08-07, files-api-2025-04-14");
    assert_eq!(refusal(|_| {}, &unknown), "invalid beta flag");
    let known = with("context-1m-2025-08-07, interleaved-thinking-2025-05-14");
    assert!(read_prompt(&claude_request(), &known).is_ok());
}
