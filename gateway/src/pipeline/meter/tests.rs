//! What the meter learns from answers of each dialect, however they are cut.

use super::*;

fn follow(mut meter: Meter, text: &str, piece_bytes: usize) -> Meter {
    for piece in text.as_bytes().chunks(piece_bytes) {
        meter.push(piece).expect("within bounds");
    }
    meter
}

/// Usage and completeness, the same for every way to cut the text.
fn check(meter: fn() -> Meter, text: &str, usage: Option<TokenUsage>, is_complete: bool) {
    for piece_bytes in [text.len(), 1, 2, 3, 7, 64] {
        let meter = follow(meter(), text, piece_bytes);
        assert_eq!(meter.usage(), usage, "{text} in pieces of {piece_bytes}");
        assert_eq!(
            meter.may_end(),
            is_complete,
            "{text} in pieces of {piece_bytes}"
        );
    }
}

fn tokens(input: u64, output: u64) -> Option<TokenUsage> {
    Some(TokenUsage {
        input,
        output,
        ..TokenUsage::default()
    })
}

fn chat() -> Meter {
    Meter::of_events(Dialect::OpenAiChat)
}

fn responses() -> Meter {
    Meter::of_events(Dialect::OpenAiResponses)
}

fn messages() -> Meter {
    Meter::of_events(Dialect::AnthropicMessages)
}

#[test]
fn documents_report_the_usage_at_their_top() {
    check(
        || Meter::of_json(Dialect::OpenAiChat),
        r#"{"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#,
        tokens(3, 4),
        false,
    );
    check(
        || Meter::of_json(Dialect::AnthropicMessages),
        r#"{"content":[{"type":"tool_use","input":{"usage":{"input_tokens":99,"output_tokens":9}}}],"usage":{"input_tokens":3,"output_tokens":4}}"#,
        tokens(3, 4),
        false,
    );
}

#[test]
fn chat_streams_end_with_done_or_a_finish_reason() {
    let first =
        r#"data: {"choices":[{"delta":{"content":"hi"},"finish_reason":null}],"usage":null}"#;
    let last = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
    let usage = r#"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#;
    check(chat, &format!("{first}\n\n"), None, false);
    check(chat, &format!("{first}\n\n{last}\n\n"), None, true);
    check(
        chat,
        &format!("{first}\r\n\r\n{usage}\r\n\r\ndata: [DONE]\r\n\r\n"),
        tokens(3, 4),
        true,
    );
    check(chat, &format!("{first}\n\ndata:[DONE]\n\n"), None, true);
    check(chat, "data: [DONE\n\n", None, false);
    check(chat, "data: [DONE]x\n\n", None, false);
}

#[test]
fn a_finish_reason_ends_a_chat_only_where_no_choice_goes_on() {
    let chunk = |reason: &str| {
        format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":{reason}}}]}}\n\n")
    };
    let (open, done) = (chunk("null"), chunk("\"stop\""));
    check(chat, &format!("{open}{done}"), None, true);
    check(chat, &format!("{done}{open}"), None, false);
    check(chat, &chunk("\"\""), None, false);
    check(chat, &format!("{done}data: {{\"choi"), None, false);
    check(chat, &format!("{done}data: [DONE]"), None, true);
    assert!(!follow(chat(), &done, 9).is_ended());
    assert!(follow(chat(), &format!("{done}data: [DONE]\n\n"), 9).is_ended());
}

#[test]
fn an_error_is_a_last_word() {
    check(
        chat,
        "data: {\"error\":{\"message\":\"x\"}}\n\n",
        None,
        true,
    );
    check(
        responses,
        "data: {\"type\":\"error\",\"code\":\"x\"}\n\n",
        None,
        true,
    );
    check(
        messages,
        "event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n",
        None,
        true,
    );
}

#[test]
fn responses_streams_end_with_their_last_event() {
    let created = r#"data: {"type":"response.created","sequence_number":0,"response":{"id":"resp_1","usage":null}}"#;
    for last in ["completed", "incomplete", "failed"] {
        let end = format!(
            r#"data: {{"type":"response.{last}","sequence_number":9,"response":{{"id":"resp_1","output":[{{"usage":1}}],"usage":{{"input_tokens":3,"output_tokens":4}}}}}}"#
        );
        check(
            responses,
            &format!("{created}\n\n{end}\n\n"),
            tokens(3, 4),
            true,
        );
    }
    check(responses, &format!("{created}\n\n"), None, false);
    let meter = follow(responses(), &format!("{created}\n\n"), 5);
    assert_eq!(meter.position().response_id, Some("resp_1"));
    assert_eq!(meter.position().sequence_number, Some(0));
}

#[test]
fn messages_streams_end_with_message_stop_and_the_last_usage_counts() {
    let start = r#"data: {"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}"#;
    let delta = r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}"#;
    let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}";
    check(messages, &format!("{start}\n\n"), tokens(3, 1), false);
    check(
        messages,
        &format!("{start}\n\n{delta}\n\n{stop}\n\n"),
        tokens(3, 4),
        true,
    );
}

#[test]
fn a_frame_may_be_put_in_only_between_frames() {
    let mut meter = chat();
    assert!(meter.is_between_frames());
    meter.push(b"data: {\"a\":").expect("within bounds");
    assert!(!meter.is_between_frames());
    meter.push(b"1}\n\n").expect("within bounds");
    assert!(meter.is_between_frames());
    assert!(!Meter::of_json(Dialect::OpenAiChat).is_between_frames());
}

#[test]
fn broken_json_costs_nothing_but_its_own_frame() {
    let text = "data: {\"choices\":[{\"delta\":{\"content\":\"x\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
    check(chat, text, tokens(3, 4), true);
}
