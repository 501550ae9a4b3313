//! Claims about `answer`.

use http::{Method, Request};

use super::*;

const ENDPOINTS: [(&str, &str); 4] = [
    (
        "/v1/chat/completions",
        r#""messages":[{"role":"user","content":"hi"}]"#,
    ),
    ("/v1/completions", r#""prompt":"hi""#),
    ("/v1/responses", r#""input":"hi""#),
    (
        "/v1/messages",
        r#""max_tokens":9,"messages":[{"role":"user","content":"hi"}]"#,
    ),
];

fn answer(method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let stamp = Stamp {
        serial: 1,
        now: 1_790_812_800,
    };
    build_answer(
        &parts,
        &Bytes::copy_from_slice(body.as_bytes()),
        &Director::default(),
        &Tokens::default(),
        stamp,
    )
}

const CREDENTIALS: [(&str, &str); 1] = [("authorization", "Bearer k")];
const VERSIONED: [(&str, &str); 2] = [
    ("authorization", "Bearer k"),
    ("anthropic-version", "2023-06-01"),
];

fn generated(path: &str, fields: &str, model: &str, stream: bool) -> Answer {
    let body = format!(r#"{{"model":"{model}","stream":{stream},{fields}}}"#);
    answer(Method::POST, path, &VERSIONED, &body)
}

fn text_of(answer: &Answer) -> String {
    let sent = answer.steps.iter().filter_map(|step| match step {
        Step::Send(piece) => Some(piece.clone()),
        _ => None,
    });
    String::from_utf8_lossy(&sent.collect::<Vec<_>>().concat()).into_owned()
}

#[test]
fn every_scenario_is_played_at_every_endpoint() {
    for (path, fields) in ENDPOINTS {
        for scenario in Scenario::EXAMPLES {
            for stream in [false, true] {
                let answer = generated(path, fields, &scenario.to_string(), stream);
                let is_refused = match &scenario {
                    Scenario::Status(_) | Scenario::FailThen { .. } | Scenario::Html => true,
                    Scenario::Failed => !stream && path != "/v1/responses",
                    _ => false,
                };
                assert_eq!(
                    answer.status != StatusCode::OK,
                    is_refused,
                    "{path} {scenario} {stream}"
                );
                assert!(!answer.steps.is_empty(), "{path} {scenario} {stream}");
            }
        }
    }
}

#[test]
fn only_streams_that_are_whole_or_bounded_lack_a_length() {
    for (path, fields) in ENDPOINTS {
        let has_length = |model, stream| {
            generated(path, fields, model, stream)
                .headers
                .contains_key(CONTENT_LENGTH)
        };
        assert!(has_length("m", false));
        assert!(!has_length("m", true));
        assert!(has_length("fake-wrong-length", true));
        assert!(!has_length("fake-endless-line", false));
    }
}

#[test]
fn the_plain_answer_repeats_the_prompt_everywhere() {
    for (path, fields) in ENDPOINTS {
        let text = text_of(&generated(path, fields, "m", false));
        assert!(text.contains("echo: hi"), "{path}: {text}");
    }
}

#[test]
fn errors_are_in_the_dialect_of_the_path() {
    for (path, fields) in ENDPOINTS {
        let answer = generated(path, fields, "fake-status-429", true);
        assert_eq!(
            answer.headers.get("retry-after").map(HeaderValue::as_bytes),
            Some(&b"1"[..])
        );
        let is_anthropic =
            text_of(&answer).contains(r#"{"type":"error","error":{"type":"rate_limit_error""#);
        assert_eq!(is_anthropic, path == "/v1/messages");
        let request_id = if is_anthropic {
            "request-id"
        } else {
            "x-request-id"
        };
        assert!(answer.headers.contains_key(request_id));
    }
}

#[test]
fn unknown_paths_methods_models_and_bodies_are_refused() {
    let model = r#"{"model":"fake-nonsense"}"#;
    for (method, path, body, status) in [
        (Method::POST, "/chat/completions", "{}", 404),
        (Method::GET, "/v1/chat/completions", "", 405),
        (Method::POST, "/v1/chat/completions", model, 404),
        (Method::POST, "/v1/chat/completions", "{", 400),
        (
            Method::POST,
            "/v1/chat/completions",
            r#"{"model":"m"}"#,
            400,
        ),
        (Method::GET, "/v1/models/fake-status-503", "", 503),
    ] {
        let answer = answer(method, path, &CREDENTIALS, body);
        assert_eq!(answer.status.as_u16(), status, "{path} {body}");
    }
}

#[test]
fn pages_answer_in_both_shapes() {
    for path in ["/v1/models", "/v1/models/m", "/v1/files"] {
        let openai = text_of(&answer(Method::GET, path, &CREDENTIALS, ""));
        let anthropic = text_of(&answer(Method::GET, path, &VERSIONED, ""));
        assert!(openai.contains(r#""object":"#), "{openai}");
        assert!(anthropic.contains(r#""type":"#), "{anthropic}");
    }
}

#[test]
fn forged_headers_come_only_when_asked_for() {
    let (path, fields) = ENDPOINTS[0];
    for (model, is_forged) in [("m", false), ("fake-set-cookie", true)] {
        let headers = generated(path, fields, model, false).headers;
        for name in [
            "set-cookie",
            "x-anyray-provider",
            "connection",
            "x-fake-hop",
        ] {
            assert_eq!(headers.contains_key(name), is_forged, "{name}");
        }
    }
}

#[test]
fn waits_come_before_the_status_line_only_without_a_stream() {
    let (path, fields) = ENDPOINTS[0];
    let wait = |model, stream| generated(path, fields, model, stream).wait;
    assert_eq!(wait("fake-hang", true), Wait::Forever);
    assert_eq!(
        wait("fake-silent-5", false),
        Wait::For(Duration::from_millis(5))
    );
    assert_eq!(wait("fake-silent-5", true), Wait::No);
}
