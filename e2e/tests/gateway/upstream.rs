//! Row S16: providers that break the protocol, or never come to an end.

use std::time::Duration;

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::Dialect,
    config::Config,
    difference::{Added, find_added},
    gateway::Gateway,
    ops::peak_memory_bytes,
    provider::{RawProvider, STREAM_HEAD},
    raw::{Answer, Connection, Piece},
    stand::{Stand, start_gateway},
};
use anyray_fakes::Outcome;
use serde_json::json;
use tokio::time::timeout;

/// Largest frame of `wire`'s scanner, and what may pass before it is noticed.
const FRAME_BYTES: usize = 16 << 20;
const SLACK_BYTES: usize = 1 << 20;

/// Memory that no gateway of these tests may ever take: all its buffers are far smaller.
const MEMORY_BYTES: u64 = 96 << 20;

fn check_memory(gateway: &Gateway) -> Result<()> {
    let peak = gateway
        .pid()
        .map(peak_memory_bytes)
        .transpose()?
        .unwrap_or_default();
    ensure!(
        peak > 0 && peak < MEMORY_BYTES,
        "the gateway took {peak} bytes"
    );
    Ok(())
}

/// What a caller gets of a provider that answers with these bytes and closes.
async fn answer_with(dialect: Dialect, bytes: &[u8]) -> Result<Answer> {
    let provider = RawProvider::start().await?;
    let gateway = start_gateway(&Config::for_provider(&provider.url()), &[]).await?;
    let mut caller = Connection::open(gateway.address()).await?;
    caller.send(dialect.request("m").to_bytes()).await?;
    let mut upstream = provider.accept().await?;
    upstream.write(bytes).await?;
    drop(upstream);
    caller.read_answer().await
}

#[tokio::test]
async fn s16_an_endless_line_is_broken_off() -> Result<()> {
    let stand = Stand::start().await?;
    for (index, dialect) in Dialect::ALL.into_iter().enumerate() {
        let answer = stand.send(&dialect.stream("fake-endless-line")).await?;
        ensure!(!answer.is_whole, "{dialect:?} ended cleanly");
        ensure!(
            answer.body.len() < FRAME_BYTES + SLACK_BYTES,
            "{} passed",
            answer.body.len()
        );
        let limit = Duration::from_secs(5);
        stand
            .fake
            .wait_for_outcome(index, Outcome::ClientGone, limit)
            .await?;
    }
    let failures = stand
        .gateway
        .ops()
        .metric("failures_total{reason=\"upstream_overflow\"}");
    ensure!(failures.await? == 3, "not every overflow was counted");
    check_memory(&stand.gateway)
}

#[tokio::test]
async fn s16_a_frame_beyond_its_bound_is_broken_off() -> Result<()> {
    let provider = RawProvider::start().await?;
    let gateway = start_gateway(&Config::for_provider(&provider.url()), &[]).await?;
    let mut caller = Connection::open(gateway.address()).await?;
    caller
        .send(Dialect::Messages.stream("m").to_bytes())
        .await?;
    let mut upstream = provider.accept().await?;
    let flood = async {
        upstream.write(STREAM_HEAD).await?;
        let line = ["data: ".to_owned(), "x".repeat(1 << 20), "\n".to_owned()].concat();
        // Ends with the connection, which is what the test waits for.
        while upstream.write_chunk(&line).await.is_ok() {}
        Ok(())
    };
    let (answer, flooded) = tokio::join!(caller.read_answer(), flood);
    flooded.and(answer).and_then(|answer| {
        ensure!(!answer.is_whole, "the stream ended cleanly");
        let passed = answer.body.len();
        ensure!(
            (FRAME_BYTES / 2..FRAME_BYTES + SLACK_BYTES).contains(&passed),
            "{passed} passed"
        );
        check_memory(&gateway)
    })
}

#[tokio::test]
async fn s16_an_event_of_megabytes_passes() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        // The text comes up to three times in one event of the Responses API.
        let answer = stand
            .send(&dialect.stream("fake-huge-frame-3000000"))
            .await?;
        let sent = stand.take_request()?.sent;
        ensure!(answer.is_whole && find_added(&sent, &answer.body)? == Added::default());
    }
    check_memory(&stand.gateway)
}

#[tokio::test]
async fn s16_an_endless_document_flows_and_is_never_a_clean_end() -> Result<()> {
    let stand = Stand::start().await?;
    let answer = stand
        .send(&Dialect::Chat.request("fake-endless-line"))
        .await?;
    ensure!(
        !answer.is_whole && answer.body.len() >= 64 << 20,
        "{} passed",
        answer.body.len()
    );
    check_memory(&stand.gateway)
}

#[tokio::test]
async fn s16_an_html_page_passes_unchanged() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        for request in [dialect.request("fake-html"), dialect.stream("fake-html")] {
            let answer = stand.send(&request).await?;
            assert_eq!(answer.status(), 502);
            assert_eq!(answer.head.header("content-type"), Some("text/html"));
            assert_eq!(answer.body, stand.take_request()?.sent);
        }
    }
    Ok(())
}

#[tokio::test]
async fn s16_a_length_that_is_not_kept_is_never_a_clean_end() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        let answer = stand.send(&dialect.request("fake-wrong-length")).await?;
        ensure!(
            !answer.is_whole,
            "{dialect:?} ended cleanly: {}",
            answer.text()
        );
        stand.take_request()?;
    }
    Ok(())
}

#[tokio::test]
async fn s16_a_stream_cut_after_its_last_word_is_whole() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        let answer = stand.send(&dialect.stream("fake-wrong-length")).await?;
        let sent = stand.take_request()?.sent;
        ensure!(
            answer.is_whole && answer.body == sent,
            "{dialect:?}: {}",
            answer.text()
        );
    }
    Ok(())
}

#[tokio::test]
async fn s16_a_slow_drip_outlives_the_idle_limit() -> Result<()> {
    let stand = Stand::start_with(|c| c.with("timeouts", json!({"idleMs": 400}))).await?;
    for dialect in Dialect::ALL {
        let answer = stand.send(&dialect.stream("fake-drip-60")).await?;
        let sent = stand.take_request()?.sent;
        ensure!(
            answer.is_whole && answer.body == sent,
            "{dialect:?}: {}",
            answer.text()
        );
    }
    Ok(())
}

#[tokio::test]
async fn s16_what_is_no_http_answer_is_a_502() -> Result<()> {
    let flood = "x-flood: 1\r\n".repeat(5_000);
    let heads = [
        String::new(),
        "SSH-2.0-OpenSSH_9.7\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\n{flood}\r\n"),
        "HTTP/1.1 200 OK\r\ncontent-".to_owned(),
    ];
    for (index, head) in heads.iter().enumerate() {
        let dialect = Dialect::ALL
            .into_iter()
            .cycle()
            .nth(index)
            .unwrap_or(Dialect::Chat);
        let answer = answer_with(dialect, head.as_bytes()).await?;
        let message = dialect.check_error(&answer, 502)?;
        ensure!(message.contains("valid answer"), "{index}: {message}");
    }
    Ok(())
}

#[tokio::test]
async fn s16_a_body_whose_chunks_are_none_is_never_a_clean_end() -> Result<()> {
    for body in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhel",
    ] {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
            transfer-encoding: chunked\r\n\r\n";
        // Where the body is wrong from its first byte, hyper closes without the head, too.
        let answer = answer_with(Dialect::Chat, format!("{head}{body}").as_bytes()).await;
        ensure!(
            !answer.is_ok_and(|answer| answer.is_whole),
            "{body:?} ended cleanly"
        );
    }
    Ok(())
}

#[tokio::test]
async fn s16_an_answer_behind_an_answer_is_not_the_next_callers() -> Result<()> {
    let provider = RawProvider::start().await?;
    let config = Config::for_provider(&provider.url());
    let gateway = start_gateway(&config, &[]).await?;
    let mut caller = Connection::open(gateway.address()).await?;
    let one = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none";
    let two = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother";
    caller.send(Dialect::Chat.request("m").to_bytes()).await?;
    let mut first = provider.accept().await?;
    first.write(format!("{one}{two}")).await?;
    assert_eq!(caller.read_answer().await?.text(), "one");
    caller.send(Dialect::Chat.request("m").to_bytes()).await?;
    let mut second = provider.accept().await?;
    second.write(one).await?;
    assert_eq!(caller.read_answer().await?.text(), "one");
    Ok(())
}

/// Providers refuse large requests before they have read them.
#[tokio::test]
async fn s16_an_answer_before_the_body_was_read_passes() -> Result<()> {
    let provider = RawProvider::start().await?;
    let gateway = start_gateway(&Config::for_provider(&provider.url()), &[]).await?;
    let request = Dialect::Chat.request_of("m", 8 << 20).to_bytes();
    for _ in 0..5 {
        let mut caller = Connection::open(gateway.address()).await?;
        let refuse = async {
            let mut upstream = provider.accept().await?;
            upstream
                .write("HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\n")
                .await?;
            upstream
                .write("content-length: 2\r\nconnection: close\r\n\r\n{}")
                .await?;
            upstream.close_gently().await
        };
        let (sent, refused) = tokio::join!(caller.send(&request), refuse);
        refused?;
        // The gateway may stop reading what nobody wants any more.
        drop(sent);
        let answer = caller.read_answer().await?;
        ensure!(
            answer.status() == 429 && answer.text() == "{}",
            "{}",
            answer.text()
        );
        assert_eq!(answer.head.header("retry-after"), Some("7"));
    }
    Ok(())
}

#[tokio::test]
async fn s16_interim_answers_are_not_the_answer() -> Result<()> {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let bytes = format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{{}}");
    for dialect in Dialect::ALL {
        let answer = answer_with(dialect, bytes.as_bytes()).await?;
        ensure!(
            answer.status() == 200 && answer.text() == "{}",
            "{}",
            answer.status()
        );
    }
    Ok(())
}

/// `accept-encoding: identity` went up; who compresses all the same is passed on as it is.
#[tokio::test]
async fn s16_a_compressed_stream_is_left_alone() -> Result<()> {
    let provider = RawProvider::start().await?;
    let config = Config::for_provider(&provider.url()).with("timeouts", json!({"pingMs": 50}));
    let gateway = start_gateway(&config, &[]).await?;
    let head = STREAM_HEAD.replace("\r\n\r\n", "\r\ncontent-encoding: gzip\r\n\r\n");
    let (first, second) = (
        b"\x1f\x8b\x08\0\0\0\0\0\n\n".as_slice(),
        b"\x03\0\n\n".as_slice(),
    );
    for dialect in Dialect::ALL {
        let mut caller = Connection::open(gateway.address()).await?;
        caller.send(dialect.stream("m").to_bytes()).await?;
        let mut upstream = provider.accept().await?;
        upstream.write(&head).await?;
        upstream.write_chunk(first).await?;
        caller.read_head().await?;
        assert_eq!(caller.read_piece().await?, Piece::Data(first.into()));
        let ping = timeout(Duration::from_millis(200), caller.read_piece()).await;
        ensure!(ping.is_err(), "{dialect:?} has {ping:?} inside");
        upstream.write_chunk(second).await?;
        upstream.write("0\r\n\r\n").await?;
        let (rest, is_whole) = caller.read_rest().await?;
        ensure!(is_whole && rest == second, "{dialect:?} has {rest:?}");
    }
    Ok(())
}

#[tokio::test]
async fn s16_a_connection_that_the_provider_closed_is_replaced() -> Result<()> {
    let provider = RawProvider::start().await?;
    let gateway = start_gateway(&Config::for_provider(&provider.url()), &[]).await?;
    let mut caller = Connection::open(gateway.address()).await?;
    for _ in 0..10 {
        caller.send(Dialect::Chat.request("m").to_bytes()).await?;
        let mut upstream = provider.accept().await?;
        upstream
            .write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            .await?;
        drop(upstream);
        let answer = caller.read_answer().await?;
        ensure!(answer.status() == 200, "{}", answer.text());
    }
    Ok(())
}
