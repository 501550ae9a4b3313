//! Row R18: a gateway that is told to end lets go of its callers step by step.
//!
//! The drain is 4 s here instead of 90 s; the first 3 s of it are the lame duck's, in which new
//! requests are still served.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    config::Config,
    difference::find_added,
    provider::{RawProvider, STREAM_HEAD},
    raw::{Connection, Piece},
    stand::{Stand, start_gateway},
    wait,
};
use serde_json::json;

const DRAIN: Duration = Duration::from_secs(4);
const LAME_DUCK: Duration = Duration::from_secs(3);

/// How long callers have to take their last bytes after the drain, and a busy machine to notice.
const GRACE: Duration = Duration::from_secs(3);

/// How soon the steps of a drain must begin.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A stream of about these milliseconds.
fn stream_of(dialect: Dialect, ms: u64) -> Request {
    dialect.stream(&format!("fake-silent-{ms}"))
}

async fn start(drain: Duration) -> Result<Stand> {
    let drain_ms = drain.as_millis().to_string();
    Stand::start_env(|config| config, &[("ANYRAY_SHUTDOWN_DRAIN_MS", &drain_ms)]).await
}

async fn status_of(stand: &Stand, target: &str) -> Result<u16> {
    Ok(stand.send(&Request::new("GET", target)).await?.status())
}

async fn wait_for_end(stand: &mut Stand, limit: Duration) -> Result<()> {
    let status = stand.gateway.wait_for_end(limit).await?;
    ensure!(status.code() == Some(0), "the gateway ended with {status}");
    Ok(())
}

#[tokio::test]
async fn r18_readiness_goes_at_once_and_requests_are_served_until_the_door_closes() -> Result<()> {
    let mut stand = start(DRAIN).await?;
    let mut open = stand.begin(&stream_of(Dialect::Chat, 60_000)).await?;
    let mut idle = stand.open().await?;
    idle.send(Dialect::Chat.request("m").to_bytes()).await?;
    idle.read_answer().await?;
    assert_eq!(stand.gateway.ops().get("/readyz").await?.status(), 200);
    let told = Instant::now();
    stand.gateway.signal("TERM").await?;
    let is_unready = async || {
        let ready = stand.gateway.ops().get("/readyz").await.ok()?;
        (ready.status() == 503).then_some(())
    };
    wait::until("readiness to go", AT_ONCE, is_unready).await?;
    assert_eq!(status_of(&stand, "/").await?, 503);
    let mut served = 0;
    while told.elapsed() < LAME_DUCK - AT_ONCE {
        assert_eq!(status_of(&stand, "/livez").await?, 200);
        assert_eq!(stand.gateway.ops().get("/livez").await?.status(), 200);
        let mut late = stand.open().await?;
        late.send(Dialect::Messages.request("fake-silent-50").to_bytes())
            .await?;
        let answer = late.read_answer().await?;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.head.header("connection"), Some("close"));
        assert_eq!(late.read_to_close().await?.len(), 0);
        served += 1;
    }
    ensure!(
        served > 5,
        "only {served} requests were served after the signal"
    );
    idle.read_to_close().await?;
    ensure!(
        told.elapsed() > LAME_DUCK - AT_ONCE,
        "an idle connection was closed too soon"
    );
    wait::until("the door to close", AT_ONCE, async || {
        stand.open().await.err()
    })
    .await?;
    assert_eq!(stand.gateway.ops().get("/livez").await?.status(), 200);
    let (_, is_whole) = open.read_rest().await?;
    ensure!(
        is_whole && told.elapsed() >= DRAIN - AT_ONCE,
        "a stream was cut too soon"
    );
    wait_for_end(&mut stand, GRACE).await
}

/// Reads a stream to its end, and says when that was.
async fn read_stream(mut caller: Connection) -> Result<(bytes::Bytes, bool, Instant)> {
    let (body, is_whole) = caller.read_rest().await?;
    Ok((body, is_whole, Instant::now()))
}

#[tokio::test]
async fn r18_streams_shorter_than_the_drain_are_not_cut_and_longer_ones_end_in_an_error()
-> Result<()> {
    let mut stand = start(DRAIN).await?;
    let lengths = [1_000, 2_000, 3_300, 60_000];
    let mut wanted = Vec::new();
    for dialect in Dialect::ALL {
        for ms in lengths {
            let caller = stand.begin(&stream_of(dialect, ms)).await?;
            wanted.push((dialect, ms, caller));
        }
    }
    let told = Instant::now();
    stand.gateway.signal("TERM").await?;
    let reading = wanted.into_iter().map(|(dialect, ms, caller)| async move {
        let (body, is_whole, ended) = read_stream(caller).await?;
        Ok((dialect, ms, body, is_whole, ended))
    });
    let streams = wait::for_all(reading).await?;
    wait_for_end(&mut stand, GRACE).await?;
    ensure!(
        told.elapsed() < DRAIN + GRACE,
        "the drain took {:?}",
        told.elapsed()
    );
    let sent = stand.fake.requests();
    for ((dialect, ms, body, is_whole, ended), provider) in streams.into_iter().zip(sent) {
        ensure!(is_whole, "a {dialect:?} stream of {ms} ms was broken off");
        let added = find_added(&provider.sent, &body)?;
        if ms < 60_000 {
            ensure!(
                added.tail.is_empty(),
                "a {dialect:?} stream of {ms} ms was cut"
            );
            continue;
        }
        let message = dialect.check_stream_error(&added.tail)?;
        ensure!(message.contains("shutting down"), "{message}");
        let lasted = ended - told;
        ensure!(
            lasted >= DRAIN - AT_ONCE && lasted < DRAIN + GRACE,
            "cut after {lasted:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn r18_a_request_without_an_answer_is_told_at_the_end() -> Result<()> {
    let mut stand = start(Duration::from_secs(1)).await?;
    let mut callers = Vec::new();
    for dialect in Dialect::ALL {
        let mut caller = stand.open().await?;
        caller.send(dialect.request("fake-hang").to_bytes()).await?;
        callers.push((dialect, caller));
    }
    stand.fake.wait_for(callers.len(), GRACE).await?;
    stand.gateway.signal("TERM").await?;
    for (dialect, mut caller) in callers {
        let answer = caller.read_answer().await?;
        let message = dialect.check_error(&answer, 503)?;
        ensure!(message.contains("shutting down"), "{message}");
        assert_eq!(answer.head.header("retry-after"), Some("1"));
    }
    wait_for_end(&mut stand, GRACE).await
}

#[tokio::test]
async fn r18_a_stream_inside_an_event_is_broken_off_at_the_end() -> Result<()> {
    let mut stand = start(Duration::from_secs(1)).await?;
    let request = Dialect::Messages.stream("fake-silent-mid-60000");
    let mut caller = stand.begin(&request).await?;
    caller.read_until("content_block_start").await?;
    stand.gateway.signal("TERM").await?;
    let (_, is_whole) = caller.read_rest().await?;
    ensure!(!is_whole, "half an event ended cleanly");
    wait_for_end(&mut stand, GRACE).await
}

#[tokio::test]
async fn r18_a_stream_that_never_pauses_ends_with_the_drain() -> Result<()> {
    let provider = RawProvider::start().await?;
    let env = [("ANYRAY_SHUTDOWN_DRAIN_MS", "1000")];
    let mut gateway = start_gateway(&Config::for_provider(&provider.url()), &env).await?;
    let mut caller = Connection::open(gateway.address()).await?;
    caller.send(Dialect::Chat.stream("m").to_bytes()).await?;
    let mut upstream = provider.accept().await?;
    upstream.write(STREAM_HEAD).await?;
    assert_eq!(caller.read_head().await?.status, 200);
    gateway.signal("TERM").await?;
    let flood = async {
        let events = "data: {}\n\n".repeat(1_000);
        // Ends with the connection, which is what the test waits for.
        while upstream.write_chunk(&events).await.is_ok() {}
    };
    let read = async {
        while let Piece::Data(_) = caller.read_piece().await? {}
        anyhow::Ok(())
    };
    let ((), read) = tokio::join!(flood, read);
    read?;
    let status = gateway.wait_for_end(GRACE).await?;
    ensure!(status.code() == Some(0), "the gateway ended with {status}");
    Ok(())
}

#[tokio::test]
async fn r18_a_caller_that_does_not_read_does_not_hold_up_the_end() -> Result<()> {
    let mut stand = start(Duration::from_secs(1)).await?;
    let mut caller = Connection::open_narrow(stand.gateway.address(), 4 << 10).await?;
    caller
        .send(Dialect::Chat.stream("fake-long-text-30000000").to_bytes())
        .await?;
    caller.read_head().await?;
    stand.gateway.signal("TERM").await?;
    wait_for_end(&mut stand, Duration::from_secs(1) + GRACE).await
}

#[tokio::test]
async fn r18_an_idle_gateway_ends_at_once() -> Result<()> {
    for signal in ["TERM", "INT"] {
        let mut stand = start(Duration::from_secs(90)).await?;
        stand.gateway.signal(signal).await?;
        wait_for_end(&mut stand, GRACE).await?;
    }
    Ok(())
}

#[tokio::test]
async fn r18_an_interrupt_does_not_wait_for_idle_connections() -> Result<()> {
    let mut stand = start(Duration::from_secs(90)).await?;
    let unused = stand.open().await?;
    let mut used = stand.open().await?;
    used.send(Dialect::Chat.request("m").to_bytes()).await?;
    used.read_answer().await?;
    stand
        .gateway
        .ops()
        .wait_for_metric("connections", 2)
        .await?;
    stand.gateway.signal("INT").await?;
    wait_for_end(&mut stand, GRACE).await?;
    drop(unused);
    Ok(())
}

#[tokio::test]
async fn r18_a_second_signal_ends_streams_at_once() -> Result<()> {
    let mut stand = start(Duration::from_secs(90)).await?;
    let mut caller = stand.begin(&stream_of(Dialect::Messages, 60_000)).await?;
    stand.gateway.signal("TERM").await?;
    wait::until("the drain", GRACE, async || {
        let lines = stand.gateway.diagnostics();
        lines
            .iter()
            .any(|line| line.contains("draining"))
            .then_some(())
    })
    .await?;
    stand.gateway.signal("TERM").await?;
    let (body, is_whole) = caller.read_rest().await?;
    ensure!(is_whole, "the stream was broken off");
    let sent = stand
        .fake
        .requests()
        .pop()
        .map(|request| request.sent)
        .unwrap_or_default();
    Dialect::Messages.check_stream_error(&find_added(&sent, &body)?.tail)?;
    wait_for_end(&mut stand, GRACE).await
}

#[tokio::test]
async fn r18_every_request_of_a_drain_is_on_record() -> Result<()> {
    let mut stand = start(Duration::from_secs(1)).await?;
    let mut caller = stand.begin(&stream_of(Dialect::Chat, 60_000)).await?;
    stand.gateway.signal("TERM").await?;
    caller.read_rest().await?;
    wait_for_end(&mut stand, GRACE).await?;
    let find_line = async || stand.gateway.access_log().pop();
    let line = wait::until("the access log", GRACE, find_line).await?;
    let line: serde_json::Value = serde_json::from_str(&line)?;
    assert_eq!(line.get("outcome"), Some(&json!("draining")));
    assert_eq!(stand.gateway.access_log().len(), 1);
    Ok(())
}
