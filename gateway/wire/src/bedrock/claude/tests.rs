//! Streams of Bedrock in, Anthropic's events out.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::aws_event_stream::{Message, encode};

fn frame(kind: Kind, payload: &str) -> Bytes {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    encode(&Message { kind, payload }).expect("short")
}

fn event_frame(name: &str, payload: &str) -> Bytes {
    frame(Kind::Event(name.to_owned()), payload)
}

fn chunk(event: &[u8]) -> Bytes {
    let payload = format!(r#"{{"bytes":"{}","p":"abcdef"}}"#, STANDARD.encode(event));
    event_frame(CHUNK, &payload)
}

fn exception(name: &str, payload: &str) -> Bytes {
    frame(Kind::Exception(name.to_owned()), payload)
}

fn translate(stream: &[u8]) -> (String, Result<(), StreamFault>) {
    let mut translator = Translator::default();
    let mut out = BytesMut::new();
    let end = translator.push(stream, &mut out);
    let text = String::from_utf8(out.to_vec()).expect("UTF-8");
    (text, end)
}

#[test]
fn events_are_named_by_their_type_and_keep_their_bytes() {
    let start =
        r#"{ "type":"message_start","message":{"id":"msg_bdrk_1","usage":{"input_tokens":3}}}"#;
    let stop = r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":1.0e0}}"#;
    let stream = [chunk(start.as_bytes()), chunk(stop.as_bytes())].concat();
    let expected =
        format!("event: message_start\ndata: {start}\n\nevent: message_stop\ndata: {stop}\n\n");
    assert_eq!(translate(&stream), (expected, Ok(())));
}

#[test]
fn line_ends_between_tokens_continue_the_data() {
    let stream = chunk(b"{\"type\":\n\"ping\"\r\n}");
    let expected = "event: ping\ndata: {\"type\":\ndata: \"ping\"\ndata: \ndata: }\n\n";
    assert_eq!(translate(&stream), (expected.to_owned(), Ok(())));
}

#[test]
fn what_is_no_event_of_the_model_is_skipped() {
    let stream = [
        event_frame("newKind", "{}"),
        chunk(br#"{"amazon-bedrock-guardrailAction":"NONE"}"#),
        chunk(br#"{"type":"ping"}"#),
    ];
    let expected = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    assert_eq!(translate(&stream.concat()), (expected.to_owned(), Ok(())));
}

fn error_event(kind: &str, message: &str) -> String {
    format!(
        "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"{message}\"}}}}\n\n"
    )
}

#[test]
fn every_failure_becomes_an_error_event_of_its_class() {
    for (class, kind) in [
        // The service's model has these in a stream.
        ("internalServerException", "api_error"),
        ("modelStreamErrorException", "api_error"),
        ("modelTimeoutException", "timeout_error"),
        ("serviceUnavailableException", "overloaded_error"),
        ("throttlingException", "rate_limit_error"),
        ("validationException", "invalid_request_error"),
        // And the rest of AWS has these.
        ("ThrottlingException", "rate_limit_error"),
        ("ModelNotReadyException", "rate_limit_error"),
        ("ServiceQuotaExceededException", "invalid_request_error"),
        ("ValidationError", "invalid_request_error"),
        ("AccessDeniedException", "permission_error"),
        ("ExpiredTokenException", "authentication_error"),
        ("UnrecognizedClientException", "authentication_error"),
        ("ResourceNotFoundException", "not_found_error"),
        ("ServiceUnavailable", "overloaded_error"),
        ("InternalFailure", "api_error"),
        ("", "api_error"),
    ] {
        let error = Kind::Error {
            code: class.to_owned(),
            message: "Too many \"tokens\"".to_owned(),
        };
        for stream in [
            exception(class, r#"{"message":"Too many \"tokens\""}"#),
            exception(
                class,
                r#"{"Message":"Too many \"tokens\"","originalStatusCode":1}"#,
            ),
            frame(error, ""),
        ] {
            let expected = error_event(kind, "Too many \\\"tokens\\\"");
            assert_eq!(translate(&stream), (expected, Ok(())), "{class}");
        }
    }
}

#[test]
fn nothing_follows_a_reported_failure() {
    let failure = exception("throttlingException", r#"{"message":"slow down"}"#);
    for after in [
        exception("throttlingException", r#"{"message":"again"}"#),
        chunk(br#"{"type":"ping"}"#),
        chunk(b"no event"),
        Bytes::from_static(&[0; 64]),
        failure.slice(..20),
    ] {
        let stream = [chunk(br#"{"type":"ping"}"#), failure.clone(), after].concat();
        let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
        let expected = ping.to_owned() + &error_event("rate_limit_error", "slow down");
        for size in [7, stream.len()] {
            let mut translator = Translator::default();
            let mut out = BytesMut::new();
            for piece in stream.chunks(size) {
                assert_eq!(translator.push(piece, &mut out), Ok(()));
            }
            assert_eq!(out, expected.as_bytes());
            assert!(translator.is_between_frames());
        }
    }
}

#[test]
fn a_failure_without_a_message_tells_its_class() {
    let error = Kind::Error {
        code: "InternalFailure".to_owned(),
        message: String::new(),
    };
    for stream in [frame(error, ""), exception("InternalFailure", "<html>")] {
        let expected = error_event("api_error", "InternalFailure");
        assert_eq!(translate(&stream), (expected, Ok(())));
    }
}

#[test]
fn what_cannot_be_an_event_ends_the_stream_after_those_before() {
    for broken in [
        event_frame(CHUNK, "{}"),
        event_frame(CHUNK, r#"{"bytes":"*"}"#),
        chunk(b"[]"),
        chunk(b"{\"type\":\"a\"} {}"),
        chunk(b"{\"type\":7}"),
        chunk(b"{\"type\":\"a\\nevent: b\"}"),
    ] {
        let stream = [chunk(br#"{"type":"ping"}"#), broken].concat();
        let expected = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
        assert_eq!(
            translate(&stream),
            (expected.to_owned(), Err(StreamFault::Event))
        );
    }
    let (text, end) = translate(&[0; 16]);
    assert_eq!((text.as_str(), end), ("", Err(FrameFault::Broken.into())));
}

#[test]
fn a_cut_inside_a_frame_is_not_between_frames() {
    let stream = chunk(br#"{"type":"ping"}"#);
    for length in 0..=stream.len() {
        let mut translator = Translator::default();
        let pushed = translator.push(&stream[..length], &mut BytesMut::new());
        assert_eq!(pushed, Ok(()));
        let is_between = length == 0 || length == stream.len();
        assert_eq!(translator.is_between_frames(), is_between, "{length}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_cut_anywhere_changes_nothing(texts in vec(".{0,40}", 1..6), size in 1_usize..60) {
        let frames = texts.iter().map(|text| {
            let event = serde_json::json!({"type": "content_block_delta", "text": text});
            chunk(event.to_string().as_bytes())
        });
        let stream = frames.collect::<Vec<_>>().concat();
        let (whole, end) = translate(&stream);
        prop_assert_eq!(end, Ok(()));
        let mut translator = Translator::default();
        let mut out = BytesMut::new();
        for piece in stream.chunks(size) {
            prop_assert_eq!(translator.push(piece, &mut out), Ok(()));
        }
        prop_assert_eq!(whole.as_bytes(), &out[..]);
        prop_assert_eq!(whole.matches("\n\n").count(), texts.len());
    }
}
