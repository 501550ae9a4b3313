//! Row S15: what is too large, too slow or too many is turned away; what is merely unusual passes.
//!
//! How much memory all this may take is in `load`.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    raw::{Answer, Connection},
    stand::Stand,
    wait,
};
use serde_json::json;

/// How long the head of a request may take.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// What a busy machine may add to a time limit.
const SLACK: Duration = Duration::from_secs(3);

async fn start_with_limits(limits: serde_json::Value) -> Result<Stand> {
    Stand::start_with(|config| config.with("limits", limits)).await
}

/// Sends as much as the gateway takes, and reads its answer.
async fn send_what_is_taken(stand: &Stand, bytes: &[u8]) -> Result<Answer> {
    let mut caller = stand.open().await?;
    // The gateway closes the connection early: what counts is the answer before that.
    let _ = caller.send(bytes).await;
    caller.read_answer().await
}

/// No request came to the provider whole.
async fn check_nothing_whole(stand: &Stand) -> Result<()> {
    stand
        .gateway
        .ops()
        .wait_for_metric("requests_in_flight", 0)
        .await?;
    let whole = stand
        .fake
        .requests()
        .iter()
        .filter(|request| request.body_complete)
        .count();
    ensure!(whole == 0, "{whole} requests came to the provider whole");
    Ok(())
}

#[tokio::test]
async fn s15_a_body_over_the_limit_is_a_413_before_it_is_read() -> Result<()> {
    let stand = start_with_limits(json!({"maxBodyBytes": 3_000_000})).await?;
    for dialect in Dialect::ALL {
        for bytes in ["3000001", "9223372036854775807"] {
            let head = Request::new("POST", dialect.path()).header("content-length", bytes);
            let mut caller = stand.open().await?;
            caller.send(head.to_bytes()).await?;
            let answer = caller.read_answer().await?;
            ensure!(
                dialect.check_error(&answer, 413)?.contains("3000000"),
                "{}",
                answer.text()
            );
            caller.read_to_close().await?;
        }
    }
    check_nothing_whole(&stand).await
}

#[tokio::test]
async fn s15_chunks_over_the_limit_are_a_413() -> Result<()> {
    for limit in [10_000, 3_000_000] {
        let stand = start_with_limits(json!({"maxBodyBytes": limit})).await?;
        for dialect in Dialect::ALL {
            let request = dialect.request_of("m", limit + 1).chunked();
            let answer = send_what_is_taken(&stand, &request.to_bytes()).await?;
            dialect.check_error(&answer, 413)?;
        }
        check_nothing_whole(&stand).await?;
    }
    Ok(())
}

#[tokio::test]
async fn s15_a_body_at_the_limit_passes() -> Result<()> {
    let request = Dialect::Chat.request_of("m", 1 << 21);
    let limit = request.body_bytes().len();
    let stand = start_with_limits(json!({"maxBodyBytes": limit})).await?;
    for request in [request.clone(), request.chunked()] {
        assert_eq!(stand.send(&request).await?.status(), 200);
        assert_eq!(stand.take_request()?.body.len(), limit);
    }
    Ok(())
}

#[tokio::test]
async fn s15_a_body_that_waits_for_leave_is_asked_for_or_refused() -> Result<()> {
    let stand = start_with_limits(json!({"maxBodyBytes": 3_000_000})).await?;
    for bytes in [1_000, 2_000_000] {
        let request = Dialect::Chat
            .request_of("m", bytes)
            .header("expect", "100-continue");
        let mut caller = stand.open().await?;
        caller.send(request.head_bytes()).await?;
        caller.read_interim().await?;
        caller.send(request.body_bytes()).await?;
        assert_eq!(caller.read_answer().await?.status(), 200);
        ensure!(
            stand.take_request()?.body == request.body_bytes(),
            "the body was changed"
        );
    }
    let request = Dialect::Chat
        .request_of("m", 3_000_000)
        .header("expect", "100-continue");
    let mut caller = stand.open().await?;
    caller.send(request.head_bytes()).await?;
    Dialect::Chat.check_error(&caller.read_answer().await?, 413)?;
    Ok(())
}

#[tokio::test]
async fn s15_a_compressed_body_is_a_415() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        for coding in ["gzip", "GZIP", "br", "zstd", "deflate", "identity, gzip"] {
            let request = dialect.request("m").header("content-encoding", coding);
            dialect.check_error(&stand.send(&request).await?, 415)?;
        }
        let twice = dialect.request("m").header("content-encoding", "identity");
        let answer = stand
            .send(&twice.clone().header("content-encoding", "gzip"))
            .await?;
        dialect.check_error(&answer, 415)?;
        ensure!(
            stand.fake.requests().is_empty(),
            "a compressed body went upstream"
        );
        assert_eq!(stand.send(&twice).await?.status(), 200);
        stand.take_request()?;
    }
    Ok(())
}

#[tokio::test]
async fn s15_deep_and_wide_bodies_pass_and_their_model_is_found() -> Result<()> {
    let stand = Stand::start().await?;
    let deep = ["[".repeat(10_000), "]".repeat(10_000)].concat();
    let objects = [
        "{\"model\":".repeat(10_000),
        "1".to_owned(),
        "}".repeat(10_000),
    ]
    .concat();
    let wide = ["[1", &",1".repeat(400_000), "]"].concat();
    for value in [deep, objects, wide] {
        let body = format!("{{\"input\":{value},\"model\":\"found-me\"}}");
        let answer = stand
            .send(&Dialect::Responses.request("m").body(body.as_bytes()))
            .await?;
        ensure!(stand.take_request()?.body == body, "the body was changed");
        let id = answer.head.header("x-anyray-request-id").context("no id")?;
        let line = stand.log_line(id).await?;
        assert_eq!(line.get("model"), Some(&json!("found-me")));
    }
    Ok(())
}

#[tokio::test]
async fn s15_an_array_of_a_million_passes() -> Result<()> {
    let stand = Stand::start().await?;
    let body = format!(
        "{{\"model\":\"m\",\"input\":[1{}]}}",
        ",1".repeat(1_000_000)
    );
    let answer = stand
        .send(&Dialect::Responses.request("m").body(body.as_bytes()))
        .await?;
    assert_eq!(answer.status(), 200);
    ensure!(stand.take_request()?.body == body, "the body was changed");
    Ok(())
}

/// Waits for the end of a connection, and says how long it took from its begin.
async fn time_to_close(mut caller: Connection) -> Result<Duration> {
    let started = Instant::now();
    caller.read_to_close().await?;
    Ok(started.elapsed())
}

/// Writes a head byte by byte until the gateway closes the connection.
async fn time_to_close_dripping(mut caller: Connection) -> Result<Duration> {
    let started = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    let head = format!("GET /v1/models HTTP/1.1\r\nx-slow: {}", "x".repeat(100));
    for byte in head.as_bytes() {
        ticks.tick().await;
        if caller.send([*byte]).await.is_err() {
            break;
        }
    }
    Ok(started.elapsed())
}

#[tokio::test]
async fn s15_a_first_head_that_does_not_come_closes_its_connection() -> Result<()> {
    let stand = Stand::start().await?;
    let mut used = stand.open().await?;
    used.send(Dialect::Chat.request("m").to_bytes()).await?;
    used.read_answer().await?;
    let mut half = stand.open().await?;
    half.send("GET /v1/models HTTP/1.1\r\nx-half: ").await?;
    let dripping = stand.open().await?;
    let waiting = [stand.open().await?, half].map(time_to_close);
    let (times, dripped) = tokio::join!(wait::for_all(waiting), time_to_close_dripping(dripping));
    for time in times?.into_iter().chain([dripped?]) {
        ensure!(
            time > HEAD_LIMIT - SLACK && time < HEAD_LIMIT + SLACK,
            "closed after {time:?}"
        );
    }
    // A connection that has served keeps: load balancers reuse theirs for a minute.
    used.send(Dialect::Chat.request("m").to_bytes()).await?;
    ensure!(used.read_answer().await?.status() == 200);
    drop(used);
    stand.gateway.ops().wait_for_metric("connections", 0).await
}

/// Sends the first bytes of a request, then nothing.
async fn stall(stand: Rc<Stand>, dialect: Dialect, request: Request, sent: usize) -> Result<()> {
    let mut caller = stand.open().await?;
    let bytes = request.to_bytes();
    caller.send(bytes.get(..sent).unwrap_or_default()).await?;
    let started = Instant::now();
    dialect.check_error(&caller.read_answer().await?, 408)?;
    ensure!(started.elapsed() < SLACK, "took {:?}", started.elapsed());
    caller.read_to_close().await?;
    Ok(())
}

#[tokio::test]
async fn s15_a_body_that_does_not_come_is_a_408() -> Result<()> {
    let timeouts = json!({"requestBodyMs": 300});
    let stand = Stand::start_with(|config| config.with("timeouts", timeouts)).await?;
    let stand = Rc::new(stand);
    let mut stalls = Vec::new();
    for dialect in Dialect::ALL {
        // Within what is collected, and beyond it.
        for (bytes, sent) in [(10_000, 5_000), (4 << 20, 2 << 20)] {
            let request = dialect.request_of("m", bytes);
            for request in [request.clone(), request.chunked()] {
                stalls.push(stall(Rc::clone(&stand), dialect, request, sent));
            }
        }
    }
    wait::for_all(stalls).await?;
    check_nothing_whole(&stand).await
}

#[tokio::test]
async fn s15_a_head_beyond_its_bounds_is_a_431() -> Result<()> {
    let stand = Stand::start().await?;
    let many = (0..1_000).fold(Dialect::Chat.request("m"), |request, number| {
        request.header(&format!("x-many-{number}"), "1")
    });
    let large = Dialect::Chat
        .request("m")
        .header("x-large", &"x".repeat(128 << 10));
    let long = Request::new(
        "GET",
        &format!("/v1/models?after={}", "x".repeat(128 << 10)),
    );
    for request in [many, large, long] {
        let answer = send_what_is_taken(&stand, &request.to_bytes()).await?;
        ensure!(matches!(answer.status(), 431 | 414), "{}", answer.status());
    }
    ensure!(
        stand.fake.requests().is_empty(),
        "a refused request went upstream"
    );
    Ok(())
}

#[tokio::test]
async fn s15_a_large_head_within_its_bounds_passes() -> Result<()> {
    let stand = Stand::start().await?;
    let request = (0..80).fold(Dialect::Chat.request("m"), |request, number| {
        request.header(&format!("x-many-{number}"), &"x".repeat(700))
    });
    assert_eq!(stand.send(&request).await?.status(), 200);
    assert_eq!(
        stand.take_request()?.header("x-many-79").map(str::len),
        Some(700)
    );
    Ok(())
}

#[tokio::test]
async fn s15_http_2_is_refused_before_its_frames() -> Result<()> {
    let stand = Stand::start().await?;
    let mut caller = stand.open().await?;
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    caller
        .send([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &settings].concat())
        .await?;
    let answer = caller.read_to_close().await?;
    ensure!(!answer.starts_with(&[0]), "an HTTP/2 frame came back");
    let upgrade = Dialect::Chat
        .request("m")
        .header("connection", "upgrade, http2-settings")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABkAAQAAP__");
    // RFC 9110, 7.8: a server may ignore an upgrade.
    assert_eq!(stand.send(&upgrade).await?.status(), 200);
    ensure!(
        stand.take_request()?.header("upgrade").is_none(),
        "the upgrade went upstream"
    );
    Ok(())
}
