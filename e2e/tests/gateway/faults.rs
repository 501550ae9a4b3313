//! Row R27: what a caller sees of a provider that fails, in each dialect.
//!
//! Providers that break the protocol are in `upstream`, those that cannot be connected to in
//! `connect`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::Dialect,
    config::Config,
    difference::{Added, find_added},
    provider::{RawProvider, STREAM_HEAD},
    raw::{Answer, Connection},
    stand::{Stand, start_gateway},
};
use serde_json::json;

/// A stream's answer, and what the gateway added to what the provider sent.
async fn stream(stand: &Stand, dialect: Dialect, scenario: &str) -> Result<(Answer, Added)> {
    let answer = stand.send(&dialect.stream(scenario)).await?;
    let provider = stand.take_request()?;
    let added = find_added(&provider.sent, &answer.body);
    Ok((
        answer,
        added.with_context(|| format!("{dialect:?} {scenario}"))?,
    ))
}

/// The stream is the provider's to the last byte, and ends well.
async fn check_untouched(scenario: &str) -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        let (answer, added) = stream(&stand, dialect, scenario).await?;
        ensure!(
            answer.is_whole && added == Added::default(),
            "{dialect:?}: {added:?}"
        );
    }
    Ok(())
}

/// The stream is the provider's, with the dialect's error behind it; returns the error's texts.
async fn check_error_at_the_end(scenario: &str) -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        let (answer, added) = stream(&stand, dialect, scenario).await?;
        ensure!(answer.is_whole, "{dialect:?} was broken off");
        let message = dialect.check_stream_error(&added.tail)?;
        ensure!(message.contains(dialect.provider()), "{message}");
        let metric = "failures_total{reason=\"upstream_cut\"}";
        ensure!(
            stand.gateway.ops().metric(metric).await? > 0,
            "{dialect:?} was not counted"
        );
    }
    Ok(())
}

#[tokio::test]
async fn r27_errors_of_the_provider_pass_byte_for_byte_and_once() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        for status in [429, 500, 529] {
            let model = format!("fake-status-{status}");
            for request in [dialect.request(&model), dialect.stream(&model)] {
                let answer = stand.send(&request).await?;
                let provider = stand.take_request()?;
                assert_eq!(answer.status(), status);
                assert_eq!(answer.body, provider.sent, "{dialect:?} {status}");
                let retry_after = answer.head.header("retry-after");
                assert_eq!(retry_after, (status == 429).then_some("1"));
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn r27_hints_on_retries_and_limits_pass() -> Result<()> {
    let stand = Stand::start().await?;
    let chat = stand
        .send(&Dialect::Chat.request("fake-status-429"))
        .await?;
    assert_eq!(chat.head.header("retry-after-ms"), Some("100"));
    assert_eq!(
        chat.head.header("x-ratelimit-remaining-requests"),
        Some("9999")
    );
    let messages = stand
        .send(&Dialect::Messages.request("fake-status-529"))
        .await?;
    assert_eq!(messages.head.header("x-should-retry"), Some("true"));
    assert_eq!(
        messages
            .head
            .header("anthropic-ratelimit-requests-remaining"),
        Some("3999")
    );
    Ok(())
}

#[tokio::test]
async fn r27_a_provider_that_hangs_is_a_504() -> Result<()> {
    let stand = Stand::start_with(|c| c.with("timeouts", json!({"firstByteMs": 300}))).await?;
    for dialect in Dialect::ALL {
        let started = Instant::now();
        let answer = stand.send(&dialect.stream("fake-hang")).await?;
        let message = dialect.check_error(&answer, 504)?;
        ensure!(message.contains("300 ms"), "{message}");
        ensure!(
            started.elapsed() < Duration::from_secs(3),
            "took {:?}",
            started.elapsed()
        );
    }
    Ok(())
}

#[tokio::test]
async fn r27_a_stream_that_hangs_ends_in_an_error() -> Result<()> {
    let stand = Stand::start_with(|c| c.with("timeouts", json!({"idleMs": 300}))).await?;
    for dialect in Dialect::ALL {
        let (answer, added) = stream(&stand, dialect, "fake-hang-stream-2").await?;
        ensure!(answer.is_whole, "{dialect:?} was broken off");
        let message = dialect.check_stream_error(&added.tail)?;
        ensure!(message.contains("300 ms"), "{message}");
    }
    Ok(())
}

#[tokio::test]
async fn r27_the_total_limit_ends_a_stream_that_goes_on() -> Result<()> {
    let stand = Stand::start_with(|c| c.with("timeouts", json!({"totalMs": 500}))).await?;
    for dialect in Dialect::ALL {
        let (answer, added) = stream(&stand, dialect, "fake-drip-120").await?;
        ensure!(answer.is_whole, "{dialect:?} was broken off");
        let message = dialect.check_stream_error(&added.tail)?;
        ensure!(message.contains("500 ms"), "{message}");
    }
    Ok(())
}

#[tokio::test]
async fn r27_a_cut_between_events_ends_in_the_dialects_error() -> Result<()> {
    check_error_at_the_end("fake-cut-3").await
}

#[tokio::test]
async fn r27_a_cut_before_the_first_event_ends_in_the_dialects_error() -> Result<()> {
    let provider = RawProvider::start().await?;
    let gateway = start_gateway(&Config::for_provider(&provider.url()), &[]).await?;
    for dialect in Dialect::ALL {
        let mut caller = Connection::open(gateway.address()).await?;
        caller.send(dialect.stream("m").to_bytes()).await?;
        provider.accept().await?.write(STREAM_HEAD).await?;
        let answer = caller.read_answer().await?;
        ensure!(
            answer.status() == 200 && answer.is_whole,
            "{dialect:?} was broken off"
        );
        dialect.check_stream_error(&answer.body)?;
    }
    Ok(())
}

#[tokio::test]
async fn r27_a_clean_end_without_the_last_event_ends_in_the_dialects_error() -> Result<()> {
    check_error_at_the_end("fake-end-early-3").await
}

#[tokio::test]
async fn r27_a_cut_inside_an_event_is_never_a_clean_end() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        let (answer, added) = stream(&stand, dialect, "fake-cut-mid-3").await?;
        ensure!(!answer.is_whole, "{dialect:?} ended cleanly");
        ensure!(
            added.tail.is_empty(),
            "{dialect:?} went on: {:?}",
            added.tail
        );
    }
    Ok(())
}

#[tokio::test]
async fn r27_a_body_that_is_cut_is_never_a_clean_end() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        let answer = stand.send(&dialect.request("fake-cut-body")).await?;
        let sent = stand.take_request()?.sent;
        ensure!(
            !answer.is_whole && answer.body == sent,
            "{dialect:?}: {}",
            answer.text()
        );
    }
    Ok(())
}

#[tokio::test]
async fn r27_the_providers_own_error_event_is_the_last_word() -> Result<()> {
    check_untouched("fake-error-event-2").await?;
    check_untouched("fake-failed").await
}

#[tokio::test]
async fn r27_an_answer_at_the_token_limit_is_whole() -> Result<()> {
    check_untouched("fake-incomplete").await
}

#[tokio::test]
async fn r27_a_malformed_event_passes() -> Result<()> {
    check_untouched("fake-malformed").await
}

#[tokio::test]
async fn r27_a_chat_that_said_its_finish_reason_may_lack_done() -> Result<()> {
    let stand = Stand::start().await?;
    let (answer, added) = stream(&stand, Dialect::Chat, "fake-no-done").await?;
    ensure!(answer.is_whole && added == Added::default(), "{added:?}");
    for dialect in [Dialect::Responses, Dialect::Messages] {
        let (answer, added) = stream(&stand, dialect, "fake-no-done").await?;
        ensure!(answer.is_whole, "{dialect:?} was broken off");
        dialect.check_stream_error(&added.tail)?;
    }
    Ok(())
}
