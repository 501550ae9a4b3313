//! Anthropic's Messages API to Claude on Bedrock and on Vertex AI: the envelope differs, what
//! the caller sees does not.
//!
//! What Anthropic's SDK makes of it is in `clients/anthropic_clouds.rs`.

use anyhow::{Context, Result, bail, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    clouds::{AwsPair, Cloud},
    raw::Answer,
    stand::Stand,
};
use anyray_fakes::{Scenario, StreamFault};
use serde_json::{Value, json};

const BEDROCK: Cloud = Cloud::Bedrock(AwsPair::LongTerm);
const CLOUDS: [Cloud; 2] = [BEDROCK, Cloud::VertexAi];

/// What the fake answers to the requests of `call`.
const ANSWER: &str = "echo: one two three four five six seven eight";

/// Events of a stream with one text, its deltas left out.
const GRAMMAR: [&str; 5] = [
    "message_start",
    "content_block_start",
    "content_block_stop",
    "message_delta",
    "message_stop",
];

/// A request for a cloud's Claude on Anthropic's path.
fn to(cloud: Cloud, request: Request) -> Request {
    request.header("x-anyray-provider", cloud.provider())
}

fn ask(cloud: Cloud, model: &str) -> Request {
    to(cloud, Dialect::Messages.request(model))
}

fn ask_stream(cloud: Cloud, model: &str) -> Request {
    to(cloud, Dialect::Messages.stream(model))
}

/// A model that makes the fake do what the scenario says, as Bedrock would name it.
fn pretend(scenario: &Scenario) -> String {
    format!("anthropic.{scenario}")
}

/// The events of a stream with what they hold, less pings; every line must be an event's.
fn read_events(answer: &Answer) -> Result<Vec<(String, Value)>> {
    let text = answer.text();
    let events = text.split_terminator("\n\n").map(read_event);
    let events: Vec<_> = events.collect::<Result<_>>()?;
    Ok(events
        .into_iter()
        .filter(|(name, _)| name != "ping")
        .collect())
}

fn read_event(event: &str) -> Result<(String, Value)> {
    let lines = event.strip_prefix("event: ");
    let lines = lines.and_then(|rest| rest.split_once("\ndata: "));
    let (name, data) = lines.with_context(|| format!("no event: {event:?}"))?;
    let data: Value = serde_json::from_str(data).with_context(|| format!("in {event:?}"))?;
    ensure!(data.get("type") == Some(&json!(name)), "{name}: {data}");
    Ok((name.to_owned(), data))
}

/// The class and the text of the error that a stream ends with.
fn read_last_error(answer: &Answer) -> Result<(String, String)> {
    let events = read_events(answer)?;
    let Some((name, error)) = events.last() else {
        bail!("no events")
    };
    let text = |pointer| error.pointer(pointer).and_then(Value::as_str);
    let (Some(kind), Some(message)) = (text("/error/type"), text("/error/message")) else {
        bail!("the last event is {name}: {error}")
    };
    let is_whole = events.iter().any(|(name, _)| name == "message_stop");
    ensure!(name == "error" && !is_whole, "{events:?}");
    Ok((kind.to_owned(), message.to_owned()))
}

#[tokio::test]
async fn an_answer_has_anthropics_shape_and_the_request_the_clouds() -> Result<()> {
    for (cloud, path, version) in [
        (BEDROCK, "/model/claude-x/invoke", "bedrock-2023-05-31"),
        (
            Cloud::VertexAi,
            "/publishers/anthropic/models/claude-x:rawPredict",
            "vertex-2023-10-16",
        ),
    ] {
        let stand = cloud.stand().await?;
        let answer = stand.send(&ask(cloud, "claude-x")).await?;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let message = answer.json()?;
        assert_eq!(message["type"], "message");
        assert_eq!(message["content"][0]["text"], ANSWER);
        let request = stand.take_request()?;
        assert!(request.path_and_query.ends_with(path), "{request:?}");
        assert_eq!(request.header("anthropic-version"), None);
        let body: Value = serde_json::from_slice(&request.body)?;
        assert_eq!(body["anthropic_version"], version);
        assert_eq!(body.get("model"), None);
    }
    Ok(())
}

#[tokio::test]
async fn a_version_that_the_caller_names_goes_along() -> Result<()> {
    for cloud in CLOUDS {
        let stand = cloud.stand().await?;
        let request = ask(cloud, "claude-x")
            .without("anthropic-version")
            .header("anthropic-version", "2026-10-21");
        let answer = stand.send(&request).await?;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let body: Value = serde_json::from_slice(&stand.take_request()?.body)?;
        assert_eq!(body["anthropic_version"], "2026-10-21");
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_is_anthropics_to_its_last_event() -> Result<()> {
    for cloud in CLOUDS {
        let stand = cloud.stand().await?;
        for model in ["claude-x", "anthropic.fake-split-bytes"] {
            let answer = stand.send(&ask_stream(cloud, model)).await?;
            let kind = answer.head.header("content-type").unwrap_or_default();
            assert!(kind.starts_with("text/event-stream"), "{kind}");
            assert!(answer.is_whole, "{cloud:?} was broken off");
            let events = read_events(&answer)?;
            let names = events.iter().map(|(name, _)| name.as_str());
            let names: Vec<_> = names
                .filter(|name| *name != "content_block_delta")
                .collect();
            assert_eq!(names, GRAMMAR, "{cloud:?}");
            let deltas = events
                .iter()
                .filter_map(|(_, event)| event.pointer("/delta/text")?.as_str());
            let text: String = deltas.collect();
            let is_plain = model == "claude-x";
            assert!(!is_plain || text == ANSWER, "{text}");
            assert!(!text.is_empty(), "{cloud:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_silent_stream_of_bedrock_gets_pings_between_its_events() -> Result<()> {
    let pinging =
        |config: anyray_e2e::config::Config| config.with("timeouts", json!({"pingMs": 150}));
    let stand = BEDROCK.stand_with(json!({}), pinging).await?;
    let answer = stand
        .send(&ask_stream(BEDROCK, "anthropic.fake-silent-700"))
        .await?;
    let pings = answer.text().matches("event: ping\n").count();
    assert!((2..=5).contains(&pings), "{pings} pings");
    assert_eq!(
        read_events(&answer)?.last().map(|(name, _)| name.as_str()),
        Some("message_stop")
    );
    Ok(())
}

#[tokio::test]
async fn a_failure_in_a_stream_of_bedrock_becomes_an_error_event() -> Result<()> {
    let stand = BEDROCK.stand().await?;
    for (fault, expected) in [
        (StreamFault::InternalServer, "api_error"),
        (StreamFault::ModelStreamError, "api_error"),
        (StreamFault::ModelTimeout, "timeout_error"),
        (StreamFault::ServiceUnavailable, "overloaded_error"),
        (StreamFault::Throttling, "rate_limit_error"),
        (StreamFault::Validation, "invalid_request_error"),
        (StreamFault::Unmodelled, "api_error"),
    ] {
        let model = pretend(&Scenario::Exception { fault, after: 2 });
        let answer = stand.send(&ask_stream(BEDROCK, &model)).await?;
        assert!(answer.is_whole, "{fault:?} was broken off");
        let (kind, message) = read_last_error(&answer)?;
        assert_eq!(kind, expected, "{fault:?}: {message}");
        // The words are AWS's: they are in the frame as they stand here.
        let sent = stand.take_request()?.sent;
        let is_aws = String::from_utf8_lossy(&sent).contains(&message);
        assert!(is_aws, "{fault:?}: {message}");
        assert_eq!(read_events(&answer)?.len(), 3, "{fault:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_that_lacks_its_end_ends_in_an_error() -> Result<()> {
    for cloud in CLOUDS {
        let stand = cloud.stand().await?;
        for scenario in [Scenario::Cut { after: 3 }, Scenario::EndEarly { after: 3 }] {
            let answer = stand.send(&ask_stream(cloud, &pretend(&scenario))).await?;
            let (_, message) = read_last_error(&answer)?;
            assert!(message.contains(cloud.provider()), "{message}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_frame_that_cannot_be_read_ends_the_stream_in_an_error() -> Result<()> {
    let stand = BEDROCK.stand().await?;
    for scenario in [
        Scenario::CutMidFrame { after: 3 },
        Scenario::MalformedFrame,
        Scenario::EndlessLine,
    ] {
        let answer = stand
            .send(&ask_stream(BEDROCK, &pretend(&scenario)))
            .await?;
        let (_, message) = read_last_error(&answer).with_context(|| scenario.to_string())?;
        assert!(message.contains("bedrock"), "{scenario}: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn a_large_event_of_bedrock_passes() -> Result<()> {
    let stand = BEDROCK.stand().await?;
    let scenario = Scenario::HugeFrame { bytes: 2_000_000 };
    let answer = stand
        .send(&ask_stream(BEDROCK, &pretend(&scenario)))
        .await?;
    let events = read_events(&answer)?;
    let longest = events
        .iter()
        .filter_map(|(_, event)| event.pointer("/delta/text")?.as_str());
    assert_eq!(longest.map(str::len).max(), Some(2_000_000));
    assert_eq!(
        events.last().map(|(name, _)| name.as_str()),
        Some("message_stop")
    );
    Ok(())
}

#[tokio::test]
async fn errors_keep_their_status_and_words_in_anthropics_shape() -> Result<()> {
    for cloud in CLOUDS {
        let stand = cloud.stand().await?;
        for (status, kind) in [
            (400, "invalid_request_error"),
            (403, "permission_error"),
            (404, "not_found_error"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (503, "overloaded_error"),
        ] {
            let model = pretend(&Scenario::Status(status));
            for request in [ask(cloud, &model), ask_stream(cloud, &model)] {
                let answer = stand.send(&request).await?;
                assert_eq!(answer.status(), status, "{}", answer.text());
                check_error(&answer.json()?, kind, &stand.take_request()?.sent)
                    .with_context(|| format!("{cloud:?} {status}"))?;
            }
        }
    }
    Ok(())
}

/// Anthropic's shape, with the message that the provider sent.
fn check_error(error: &Value, kind: &str, sent: &[u8]) -> Result<()> {
    ensure!(error["type"] == "error", "{error}");
    ensure!(error["error"]["type"] == kind, "{error}");
    let message = error["error"]["message"].as_str().context("no message")?;
    let sent: Value = serde_json::from_slice(sent)?;
    ensure!(
        sent.to_string().contains(&json!(message).to_string()),
        "{message} is not in {sent}"
    );
    Ok(())
}

#[tokio::test]
async fn betas_go_where_the_cloud_reads_them_unless_it_refuses_them() -> Result<()> {
    // The fake refuses what the cloud does: one unknown beta would be a 400.
    let sent = "oauth-2025-04-20,context-1m-2025-08-07,prompt-caching-scope-2026-01-05";
    let kept = "context-1m-2025-08-07";
    for cloud in CLOUDS {
        let stand = cloud.stand().await?;
        let request = ask(cloud, "claude-x").header("anthropic-beta", sent);
        let answer = stand.send(&request).await?;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let request = stand.take_request()?;
        let body: Value = serde_json::from_slice(&request.body)?;
        let is_bedrock = cloud == BEDROCK;
        let in_body = is_bedrock.then(|| json!([kept]));
        assert_eq!(body.get("anthropic_beta"), in_body.as_ref());
        assert_eq!(
            request.header("anthropic-beta"),
            (!is_bedrock).then_some(kept)
        );
    }
    Ok(())
}

#[tokio::test]
async fn tokens_are_counted_where_the_cloud_can() -> Result<()> {
    let count = |cloud| ask(cloud, "claude-x").to("/v1/messages/count_tokens");
    let stand = Cloud::VertexAi.stand().await?;
    let answer = stand.send(&count(Cloud::VertexAi)).await?;
    assert!(
        answer.json()?["input_tokens"].as_u64() > Some(0),
        "{}",
        answer.text()
    );
    let stand = BEDROCK.stand().await?;
    let answer = stand.send(&count(BEDROCK)).await?;
    Dialect::Messages.check_refusal(&answer, 400, "dialect_not_spoken")?;
    Ok(())
}

/// What the access log tells of the tokens of an answer.
async fn logged_tokens(stand: &Stand, answer: &Answer) -> Result<(Option<u64>, Option<u64>)> {
    let id = answer.head.header("x-anyray-request-id").context("no id")?;
    let line = stand.log_line(id).await?;
    let count = |kind| line.get(format!("tokens.{kind}"))?.as_u64();
    Ok((count("input"), count("output")))
}

#[tokio::test]
async fn tokens_of_answers_and_streams_are_logged() -> Result<()> {
    for cloud in CLOUDS {
        let stand = cloud.stand().await?;
        let whole = stand.send(&ask(cloud, "claude-x")).await?;
        let whole = logged_tokens(&stand, &whole).await?;
        let streamed = stand.send(&ask_stream(cloud, "claude-x")).await?;
        let streamed = logged_tokens(&stand, &streamed).await?;
        assert!(whole.0 > Some(0) && whole.1 > Some(0), "{whole:?}");
        assert_eq!(whole, streamed, "{cloud:?}");
    }
    Ok(())
}
