//! Row R27, the ways of bytes: nothing is changed, nothing is held back, nobody is waited for in
//! vain, and pings only stand where they may.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::Dialect,
    config::Config,
    difference::{Added, find_added},
    ops::peak_memory_bytes,
    provider::{RawProvider, STREAM_HEAD},
    raw::{Connection, Piece},
    stand::{Stand, start_gateway},
};
use anyray_fakes::Outcome;
use serde_json::json;

/// How soon a provider must learn that its caller has left.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);

/// Memory that no gateway of these tests may ever take: all its buffers are far smaller.
const MEMORY_BYTES: u64 = 96 << 20;

/// Pings within the silences of these tests.
async fn start_pinging() -> Result<Stand> {
    Stand::start_with(|config| config.with("timeouts", json!({"pingMs": 150}))).await
}

async fn added_to_stream(stand: &Stand, dialect: Dialect, scenario: &str) -> Result<Added> {
    let answer = stand.send(&dialect.stream(scenario)).await?;
    ensure!(answer.is_whole, "{dialect:?} {scenario} was broken off");
    find_added(&stand.take_request()?.sent, &answer.body)
}

#[tokio::test]
async fn r27_text_that_is_split_at_every_byte_passes_unchanged() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        for request in [
            dialect.request("fake-split-bytes"),
            dialect.stream("fake-split-bytes"),
        ] {
            let answer = stand.send(&request).await?;
            let sent = stand.take_request()?.sent;
            ensure!(
                answer.is_whole && answer.body == sent,
                "{dialect:?}: {}",
                answer.text()
            );
            ensure!(
                answer.text().contains("fertig"),
                "{dialect:?}: {}",
                answer.text()
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn r27_a_stream_in_one_write_passes_unchanged() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        let added = added_to_stream(&stand, dialect, "fake-one-write").await?;
        assert_eq!(added, Added::default(), "{dialect:?}");
    }
    Ok(())
}

#[tokio::test]
async fn r27_each_event_arrives_before_the_next_is_sent() -> Result<()> {
    let provider = RawProvider::start().await?;
    let gateway = start_gateway(&Config::for_provider(&provider.url()), &[]).await?;
    let mut caller = Connection::open(gateway.address()).await?;
    caller.send(Dialect::Chat.stream("m").to_bytes()).await?;
    let mut upstream = provider.accept().await?;
    upstream.write(STREAM_HEAD).await?;
    assert_eq!(caller.read_head().await?.status, 200);
    for number in 0..20 {
        let event = format!("data: {{\"number\":{number}}}\n\n");
        upstream.write_chunk(&event).await?;
        assert_eq!(caller.read_piece().await?, Piece::Data(event.into()));
    }
    Ok(())
}

#[tokio::test]
async fn r27_pings_stand_between_events() -> Result<()> {
    let stand = start_pinging().await?;
    for dialect in Dialect::ALL {
        let added = added_to_stream(&stand, dialect, "fake-silent-700").await?;
        ensure!((2..=5).contains(&added.pings), "{dialect:?}: {added:?}");
        ensure!(added.tail.is_empty(), "{dialect:?}: {added:?}");
    }
    Ok(())
}

#[tokio::test]
async fn r27_no_ping_stands_inside_an_event() -> Result<()> {
    let stand = start_pinging().await?;
    for dialect in Dialect::ALL {
        let added = added_to_stream(&stand, dialect, "fake-silent-mid-700").await?;
        assert_eq!(added, Added::default(), "{dialect:?}");
    }
    Ok(())
}

#[tokio::test]
async fn r27_pings_do_not_put_off_the_idle_limit() -> Result<()> {
    let timeouts = json!({"pingMs": 150, "idleMs": 700});
    let stand = Stand::start_with(|config| config.with("timeouts", timeouts)).await?;
    for dialect in Dialect::ALL {
        let added = added_to_stream(&stand, dialect, "fake-hang-stream-2").await?;
        let text = String::from_utf8_lossy(&added.tail).into_owned();
        ensure!((2..=5).contains(&added.pings), "{dialect:?}: {added:?}");
        ensure!(
            dialect.check_stream_error(&added.tail)?.contains("700 ms"),
            "{text}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn r27_a_stream_of_legacy_completions_passes_and_its_cut_is_told() -> Result<()> {
    let stand = Stand::start().await?;
    for (model, is_cut) in [("m", false), ("fake-cut-1", true)] {
        let body = json!({"model": model, "prompt": "one two three", "stream": true});
        let request = Dialect::Chat.post(&body).to("/v1/completions");
        let answer = stand.send(&request).await?;
        let added = find_added(&stand.take_request()?.sent, &answer.body)?;
        ensure!(
            answer.is_whole && added.tail.is_empty() != is_cut,
            "{model}: {added:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn r27_no_ping_stands_before_the_head_or_in_a_document() -> Result<()> {
    let stand = start_pinging().await?;
    for dialect in Dialect::ALL {
        let answer = stand.send(&dialect.request("fake-silent-400")).await?;
        assert_eq!(answer.body, stand.take_request()?.sent, "{dialect:?}");
    }
    Ok(())
}

#[tokio::test]
async fn r27_a_large_body_passes_unchanged_up_and_down() -> Result<()> {
    let stand = Stand::start().await?;
    let with_length = Dialect::Chat.request_of("fake-long-text-50000000", 50_000_000);
    let chunked = Dialect::Chat.request_of("m", 50_000_000).chunked();
    for (request, least) in [(with_length, 50_000_000), (chunked, 0)] {
        let answer = stand.send(&request).await?;
        ensure!(
            answer.status() == 200 && answer.is_whole,
            "{}",
            answer.status()
        );
        let provider = stand.take_request()?;
        ensure!(
            provider.body == request.body_bytes(),
            "the request's body was changed"
        );
        ensure!(
            answer.body == provider.sent,
            "the answer's body was changed"
        );
        ensure!(
            answer.body.len() > least,
            "{} bytes came",
            answer.body.len()
        );
    }
    let peak = peak_memory_bytes(stand.gateway.pid().context("the gateway has ended")?)?;
    ensure!(peak < MEMORY_BYTES, "the gateway took {peak} bytes");
    Ok(())
}

#[tokio::test]
async fn r27_a_caller_that_leaves_a_stream_cancels_it() -> Result<()> {
    let stand = Stand::start().await?;
    for (index, dialect) in Dialect::ALL.into_iter().enumerate() {
        let mut caller = stand.begin(&dialect.stream("fake-hang-stream-2")).await?;
        caller.read_until("\n\n").await?;
        drop(caller);
        stand
            .fake
            .wait_for_outcome(index, Outcome::ClientGone, CANCEL_LIMIT)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn r27_a_caller_that_leaves_before_the_head_cancels_the_request() -> Result<()> {
    let stand = Stand::start().await?;
    for (index, dialect) in Dialect::ALL.into_iter().enumerate() {
        let mut caller = stand.open().await?;
        caller.send(dialect.request("fake-hang").to_bytes()).await?;
        stand
            .fake
            .wait_for(index + 1, Duration::from_secs(5))
            .await?;
        drop(caller);
        stand
            .fake
            .wait_for_outcome(index, Outcome::ClientGone, CANCEL_LIMIT)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn r27_a_caller_that_leaves_in_its_body_never_sends_a_whole_one() -> Result<()> {
    let stand = Stand::start().await?;
    let large = Dialect::Chat.request_of("m", 3 << 20);
    for request in [large.clone(), large.chunked()] {
        let bytes = request.to_bytes();
        let mut caller = stand.open().await?;
        caller
            .send(bytes.get(..2 << 20).unwrap_or_default())
            .await?;
        stand
            .gateway
            .ops()
            .wait_for_metric("requests_in_flight", 1)
            .await?;
        drop(caller);
        let provider = stand.fake.wait_for(1, Duration::from_secs(5)).await?;
        ensure!(
            provider.iter().all(|request| !request.body_complete),
            "{provider:?}"
        );
        stand.fake.take_requests();
    }
    Ok(())
}

#[tokio::test]
async fn r21_a_slow_reader_holds_the_provider_back_instead_of_memory() -> Result<()> {
    let provider = RawProvider::start().await?;
    let gateway = start_gateway(&Config::for_provider(&provider.url()), &[]).await?;
    let mut caller = Connection::open_narrow(gateway.address(), 64 << 10).await?;
    caller.send(Dialect::Chat.stream("m").to_bytes()).await?;
    let mut upstream = provider.accept().await?;
    upstream.write(STREAM_HEAD).await?;
    assert_eq!(caller.read_head().await?.status, 200);
    let event = format!("data: {}\n\n", json!({"text": "x".repeat(16 << 10)}));
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    // Far more than the kernel's buffers on both sides take.
    let (most, silence) = ((256 << 20) / chunk.len(), Duration::from_millis(500));
    let written = upstream
        .write_until_blocked(chunk.as_bytes(), most, silence)
        .await?;
    ensure!(
        written < most * chunk.len(),
        "the provider was never held back"
    );
    let rest = chunk
        .as_bytes()
        .get(written % chunk.len()..)
        .unwrap_or_default();
    let end = async {
        upstream.write(rest).await?;
        upstream.write_chunk("data: [DONE]\n\n").await?;
        upstream.write("0\r\n\r\n").await
    };
    let (body, ended) = tokio::join!(caller.read_rest(), end);
    ended?;
    let (body, is_whole) = body?;
    let events = written / chunk.len() + 1;
    let expected = [event.repeat(events).as_bytes(), b"data: [DONE]\n\n"].concat();
    ensure!(
        is_whole && body == expected,
        "{} of {} bytes came",
        body.len(),
        expected.len()
    );
    let peak = peak_memory_bytes(gateway.pid().context("the gateway has ended")?)?;
    ensure!(
        peak < MEMORY_BYTES,
        "the gateway took {peak} bytes for {written} of a stream"
    );
    Ok(())
}
