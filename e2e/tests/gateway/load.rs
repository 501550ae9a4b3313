//! Rows S15 and R21: more than the gateway may hold at once is turned away or waits, and its
//! memory stays bounded.

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    config::Config,
    gateway::Gateway,
    ops::{find_metric, peak_memory_bytes},
    provider::{RawProvider, Upstream},
    raw::{Answer, Connection},
    stand::{Stand, start_gateway},
    wait,
};
use serde_json::{Value, json};

/// Longest wait for what should be at once.
const LIMIT: Duration = Duration::from_secs(10);

/// What row R21 allows.
const MEMORY_BYTES: u64 = 512 << 20;

async fn start_with_limits(limits: Value) -> Result<Stand> {
    Stand::start_with(|config| config.with("limits", limits)).await
}

fn check_is_retryable(answer: &Answer) -> Result<()> {
    ensure!(
        answer.head.header("retry-after") == Some("1"),
        "no retry-after: {:?}",
        answer.head
    );
    let hint = answer.head.header("x-should-retry");
    ensure!(
        hint != Some("false"),
        "the caller is told not to come again"
    );
    Ok(())
}

#[tokio::test]
async fn s15_requests_over_the_limit_are_503_until_others_end() -> Result<()> {
    let stand = start_with_limits(json!({"maxConcurrentRequests": 3})).await?;
    let mut busy = Vec::new();
    for dialect in Dialect::ALL {
        busy.push(stand.begin(&dialect.stream("fake-hang-stream-1")).await?);
    }
    for dialect in Dialect::ALL {
        let answer = stand.send(&dialect.request("m")).await?;
        dialect.check_error(&answer, 503)?;
        check_is_retryable(&answer)?;
    }
    assert_eq!(
        stand.send(&Request::new("GET", "/livez")).await?.status(),
        200
    );
    busy.pop();
    stand
        .gateway
        .ops()
        .wait_for_metric("requests_in_flight", 2)
        .await?;
    assert_eq!(stand.send(&Dialect::Chat.request("m")).await?.status(), 200);
    drop(busy);
    stand
        .gateway
        .ops()
        .wait_for_metric("requests_in_flight", 0)
        .await
}

#[tokio::test]
async fn s15_bodies_over_the_budget_are_503_until_others_end() -> Result<()> {
    let stand = start_with_limits(json!({"maxBufferedBytes": 1_000_000})).await?;
    let request = Dialect::Messages.request_of("m", 700_000);
    let mut slow = stand.open().await?;
    let bytes = request.to_bytes();
    let (most, rest) = bytes.split_at(600_000);
    slow.send(most).await?;
    let is_held = async || {
        let metrics = stand.gateway.ops().metrics().await.ok()?;
        (find_metric(&metrics, "request_buffer_bytes") > 590_000).then_some(())
    };
    wait::until("the body to be held", LIMIT, is_held).await?;
    let answer = stand.send(&request).await?;
    Dialect::Messages.check_error(&answer, 503)?;
    check_is_retryable(&answer)?;
    slow.send(rest).await?;
    assert_eq!(slow.read_answer().await?.status(), 200);
    stand
        .gateway
        .ops()
        .wait_for_metric("request_buffer_bytes", 0)
        .await?;
    assert_eq!(stand.send(&request).await?.status(), 200);
    Ok(())
}

/// Asks for a sign of life on a connection that is kept, and tells when it came.
async fn ask(
    stand: Rc<Stand>,
    answered: tokio::sync::mpsc::UnboundedSender<Connection>,
) -> Result<()> {
    let mut caller = stand.open().await?;
    caller
        .send(Request::new("GET", "/livez").to_bytes())
        .await?;
    assert_eq!(caller.read_answer().await?.status(), 200);
    // The receiver lives as long as callers are counted.
    let _ = answered.send(caller);
    Ok(())
}

#[tokio::test]
async fn s15_connections_over_the_limit_wait_until_others_close() -> Result<()> {
    let stand = Rc::new(start_with_limits(json!({"maxConnections": 2})).await?);
    let (answered, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let callers = (0..8).map(|_| ask(Rc::clone(&stand), answered.clone()));
    let close_one_by_one = async {
        for served in 0..8 {
            let caller = wait::at_most("an answer", LIMIT, answers.recv()).await?;
            let open = stand.gateway.ops().metric("connections").await?;
            ensure!(
                (1..=2).contains(&open),
                "{open} connections are open after {served}"
            );
            drop(caller);
        }
        Ok(())
    };
    let (called, closed) = tokio::join!(wait::for_all(callers), close_one_by_one);
    called.and(closed)
}

/// A provider that reads no body until it is told to, then all of it, and answers.
async fn sink(provider: RawProvider, is_open: Arc<AtomicBool>) -> Result<()> {
    loop {
        let upstream = provider.accept().await?;
        tokio::task::spawn_local(swallow(upstream, Arc::clone(&is_open)));
    }
}

async fn swallow(mut upstream: Upstream, is_open: Arc<AtomicBool>) -> Result<()> {
    let opened = async || is_open.load(Ordering::Relaxed).then_some(());
    wait::until("the sink to open", 6 * LIMIT, opened).await?;
    let head = String::from_utf8_lossy(&upstream.received).into_owned();
    let (head, body) = head.split_once("\r\n\r\n").context("no head")?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut left = length
        .context("no length")?
        .parse::<usize>()?
        .saturating_sub(body.len());
    while left > 0 {
        upstream.received.clear();
        left = left.saturating_sub(upstream.read().await?);
    }
    upstream
        .write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        .await
}

/// Uploads, and returns the status; a connection that the gateway closed early had one, too.
async fn upload(address: std::net::SocketAddr, bytes: Rc<Vec<u8>>) -> Result<u16> {
    let mut caller = Connection::open_narrow(address, 64 << 10).await?;
    let _ = caller.send(bytes.as_slice()).await;
    let answer = caller.read_answer().await?;
    if answer.status() != 200 {
        Dialect::Chat.check_error(&answer, 503)?;
        check_is_retryable(&answer)?;
    }
    Ok(answer.status())
}

fn check_memory(gateway: &Gateway) -> Result<u64> {
    let peak = peak_memory_bytes(gateway.pid().context("the gateway has ended")?)?;
    ensure!(peak < MEMORY_BYTES, "the gateway took {peak} bytes");
    Ok(peak)
}

#[tokio::test]
async fn r21_large_uploads_at_once_take_bounded_memory() -> Result<()> {
    const UPLOADS: usize = 200;
    const QUIET_LOOKS: u32 = 10;
    let provider = RawProvider::start().await?;
    let gateway = start_gateway(&Config::for_provider(&provider.url()), &[]).await?;
    // More than the kernel takes in while the provider does not read.
    let bytes = Rc::new(Dialect::Chat.request_of("m", 8 << 20).to_bytes());
    let is_open = Arc::new(AtomicBool::new(false));
    let uploads = (0..UPLOADS).map(|_| upload(gateway.address(), Rc::clone(&bytes)));
    let local = tokio::task::LocalSet::new();
    local.spawn_local(sink(provider, Arc::clone(&is_open)));
    let open_when_full = async {
        // All have begun or were turned away, and what is held no longer moves: it waits for the
        // provider.
        let (mut last, mut looks) = (0, 0);
        let is_full = async || {
            let metrics = gateway.ops().metrics().await.ok()?;
            let held = find_metric(&metrics, "request_buffer_bytes");
            let in_flight = find_metric(&metrics, "requests_in_flight");
            let turned_away =
                find_metric(&metrics, "failures_total{reason=\"out_of_body_budget\"}");
            looks = if held == last { looks + 1 } else { 0 };
            last = held;
            (in_flight + turned_away >= UPLOADS as u64 && looks >= QUIET_LOOKS).then_some(())
        };
        let full = wait::until("every upload to begin", 3 * LIMIT, is_full).await;
        is_open.store(true, Ordering::Relaxed);
        full.context(gateway.ops().metrics().await?)
    };
    let both = async { tokio::join!(wait::for_all(uploads), open_when_full) };
    let (statuses, filled) = local.run_until(both).await;
    filled?;
    let statuses = statuses?;
    let served = statuses.iter().filter(|status| **status == 200).count();
    let peak = check_memory(&gateway)?;
    println!(
        "{served} of {UPLOADS} uploads were served, the gateway took {} MiB",
        peak >> 20
    );
    ensure!(
        served >= 100,
        "only {served} of {UPLOADS} uploads were served"
    );
    gateway
        .ops()
        .wait_for_metric("request_buffer_bytes", 0)
        .await?;
    gateway.ops().wait_for_metric("requests_in_flight", 0).await
}
