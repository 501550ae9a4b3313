//! A real server over a raw socket: framing, cuts, order of bytes, recording.

#![cfg(test)]

use std::{future::Future, time::Duration};

use anyray_fakes::{FakeProvider, Outcome, Scenario, scenario::MAX_BYTES};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

const LIMIT: Duration = Duration::from_secs(10);

async fn within<F: Future>(future: F) -> F::Output {
    timeout(LIMIT, future)
        .await
        .expect("an answer within the limit")
}

async fn start() -> FakeProvider {
    FakeProvider::start().await.expect("a free port")
}

fn chat_request(model: &str, is_stream: bool) -> String {
    let body = format!(
        r#"{{"model":"{model}","stream":{is_stream},"messages":[{{"role":"user","content":"hi there"}}]}}"#
    );
    post("/v1/chat/completions", "authorization: Bearer k\r\n", &body)
}

fn messages_request(model: &str) -> String {
    let body = format!(
        r#"{{"model":"{model}","max_tokens":9,"stream":true,"messages":[{{"role":"user","content":"hi"}}]}}"#
    );
    post(
        "/v1/messages",
        "x-api-key: k\r\nanthropic-version: 2023-06-01\r\n",
        &body,
    )
}

fn post(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: fake\r\n{headers}content-length: {length}\r\n\r\n{body}")
}

async fn send(fake: &FakeProvider, request: &str) -> TcpStream {
    let mut socket = TcpStream::connect(fake.addr()).await.expect("a connection");
    socket
        .write_all(request.as_bytes())
        .await
        .expect("to write");
    socket
}

/// Reads until the bytes seen so far satisfy the condition.
async fn read_until(socket: &mut TcpStream, is_enough: impl Fn(&str) -> bool) -> String {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen).into_owned();
        if is_enough(&text) {
            return text;
        }
        let count = within(socket.read_buf(&mut seen)).await.expect("to read");
        assert!(count > 0, "the connection ended after {text}");
    }
}

async fn read_to_end(socket: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    within(socket.read_to_end(&mut seen))
        .await
        .expect("to read");
    String::from_utf8_lossy(&seen).into_owned()
}

/// The chunks of a chunked body, and whether its end was there.
fn split_chunks(answer: &str) -> (Vec<String>, bool) {
    let (_, mut rest) = answer.split_once("\r\n\r\n").expect("a head");
    let mut chunks = Vec::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return (chunks, true);
        }
        let Some(chunk) = after.get(..size) else {
            break;
        };
        chunks.push(chunk.to_owned());
        rest = after.get(size + 2..).unwrap_or_default();
    }
    (chunks, false)
}

#[tokio::test]
async fn each_event_is_a_chunk_of_its_own() {
    let fake = start().await;
    let mut socket = send(&fake, &chat_request("m", true)).await;
    let answer = read_until(&mut socket, |text| text.ends_with("\r\n0\r\n\r\n")).await;
    let (chunks, is_whole) = split_chunks(&answer);
    assert!(is_whole);
    assert_eq!(chunks.len(), 6, "{chunks:?}");
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk.starts_with("data: ") && chunk.ends_with("\n\n"))
    );
    let requests = fake.requests();
    assert_eq!(requests[0].sent, chunks.concat().as_bytes());
}

#[tokio::test]
async fn an_event_leaves_before_the_next_is_due() {
    let fake = start().await;
    let mut socket = send(&fake, &messages_request("fake-hang-stream-2")).await;
    read_until(&mut socket, |text| text.contains("content_block_start")).await;
    assert_eq!(fake.requests()[0].outcome, Outcome::InProgress);
}

#[tokio::test]
async fn a_client_that_leaves_is_noted() {
    let fake = start().await;
    for (index, model) in ["fake-hang", "fake-hang-stream-1", "fake-endless-line"]
        .iter()
        .enumerate()
    {
        let mut socket = send(&fake, &chat_request(model, true)).await;
        if index > 0 {
            read_until(&mut socket, |text| text.contains("data: ")).await;
        }
        within(fake.wait_for(index + 1, LIMIT))
            .await
            .expect("a request");
        drop(socket);
        let gone = fake
            .wait_for_outcome(index, Outcome::ClientGone, LIMIT)
            .await;
        gone.expect("the client to be gone");
    }
}

#[tokio::test]
async fn a_cut_has_no_end_of_body_and_an_early_end_has() {
    let fake = start().await;
    for (model, is_ended) in [
        ("fake-cut-2", false),
        ("fake-cut-mid-2", false),
        ("fake-end-early-2", true),
    ] {
        let request = chat_request(model, true).replacen("host", "connection: close\r\nhost", 1);
        let mut socket = send(&fake, &request).await;
        let (chunks, is_whole) = split_chunks(&read_to_end(&mut socket).await);
        assert_eq!(is_whole, is_ended, "{model}");
        let events = chunks
            .iter()
            .filter(|chunk| chunk.ends_with("\n\n"))
            .count();
        assert_eq!(events, 2, "{model}: {chunks:?}");
    }
    assert!(
        fake.requests()
            .iter()
            .all(|request| request.outcome == Outcome::Completed)
    );
}

#[tokio::test]
async fn split_bytes_writes_each_byte_alone() {
    let fake = start().await;
    let mut socket = send(&fake, &messages_request("fake-split-bytes")).await;
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n0\r\n\r\n") {
        assert!(within(socket.read_buf(&mut seen)).await.expect("to read") > 0);
    }
    let sent = fake.requests()[0].sent.clone();
    let chunks: Vec<u8> = sent
        .iter()
        .flat_map(|byte| [b'1', b'\r', b'\n', *byte, b'\r', b'\n'])
        .collect();
    assert!(seen.ends_with(&[chunks.as_slice(), b"0\r\n\r\n"].concat()));
    assert!(String::from_utf8_lossy(&sent).contains("你"));
}

#[tokio::test]
async fn a_wrong_length_ends_before_it_is_reached() {
    let fake = start().await;
    let mut socket = send(&fake, &chat_request("fake-wrong-length", false)).await;
    let answer = read_to_end(&mut socket).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    assert_eq!(
        length.and_then(|length| length.parse().ok()),
        Some(body.len() + 64)
    );
}

#[tokio::test]
async fn the_record_has_every_header_and_shares_connections() {
    let fake = start().await;
    let request = chat_request("m", false).replacen("host", "X-One: 1\r\nx-one: 2\r\nhost", 1);
    let mut socket = send(&fake, &format!("{request}{request}")).await;
    let requests = within(fake.wait_for(2, LIMIT)).await.expect("two requests");
    read_until(&mut socket, |text| {
        text.matches("HTTP/1.1 200").count() == 2
    })
    .await;
    assert_eq!(requests[0].header_values("x-one"), [b"1", b"2"]);
    assert_eq!(requests[0].headers[0].0, "x-one");
    assert_eq!(requests[0].connection, requests[1].connection);
    assert!(request.as_bytes().ends_with(&requests[0].body));
    assert_eq!(fake.take_requests().len(), 2);
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn credentials_are_checked_before_the_script_is_touched() {
    let fake = start().await;
    fake.script([Scenario::Status(529)]);
    let request = messages_request("m").replacen("x-api-key", "x-other", 1);
    let mut socket = send(&fake, &request).await;
    read_until(&mut socket, |text| text.contains("authentication_error")).await;
    let mut socket = send(&fake, &messages_request("m")).await;
    let answer = read_until(&mut socket, |text| text.contains("overloaded_error")).await;
    assert!(answer.starts_with("HTTP/1.1 529"), "{answer}");
    assert!(answer.contains("x-should-retry: true"), "{answer}");
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let fake = start().await;
    let text = "word ".repeat(1024 * 1024);
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#);
    let request = post("/v1/chat/completions", "authorization: Bearer k\r\n", &body);
    let mut socket = send(&fake, &request).await;
    read_until(&mut socket, |text| {
        text.contains("\"prompt_tokens\":1048577")
    })
    .await;
    assert_eq!(fake.requests()[0].body, body);
}

#[tokio::test]
async fn a_dropped_fake_closes_its_connections() {
    let fake = start().await;
    let addr = fake.addr();
    let mut socket = send(&fake, &chat_request("fake-hang-stream-1", true)).await;
    read_until(&mut socket, |text| text.contains("data: ")).await;
    drop(fake);
    read_to_end(&mut socket).await;
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn health_needs_no_key_and_leaves_no_record() {
    let fake = start().await;
    let mut socket = send(&fake, "GET /healthz HTTP/1.1\r\nhost: fake\r\n\r\n").await;
    read_until(&mut socket, |text| {
        text.starts_with("HTTP/1.1 200") && text.contains("ok\n")
    })
    .await;
    assert!(fake.requests().is_empty());
}

#[tokio::test]
async fn scripted_scenarios_are_taken_in_order() {
    let fake = start().await;
    fake.script([Scenario::Status(503), Scenario::Html, Scenario::Answer]);
    let mut socket = TcpStream::connect(fake.addr()).await.expect("a connection");
    for line in ["HTTP/1.1 503", "HTTP/1.1 502", "HTTP/1.1 200"] {
        let request = chat_request("fake-status-400", false);
        socket
            .write_all(request.as_bytes())
            .await
            .expect("to write");
        let answer = read_until(&mut socket, |text| {
            text.ends_with("}") || text.ends_with("</html>\r\n")
        })
        .await;
        assert!(answer.starts_with(line), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_kept_as_far_as_it_came() {
    let fake = start().await;
    let request = chat_request("m", false);
    let (cut, _) = request.split_at(request.len() - 10);
    drop(send(&fake, cut).await);
    let gone = fake
        .wait_for_outcome(0, Outcome::ClientGone, LIMIT)
        .await
        .expect("a request");
    assert!(!gone.body_complete);
    assert!(cut.as_bytes().ends_with(&gone.body) && !gone.body.is_empty());
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let fake = start().await;
    let mut socket = TcpStream::connect(fake.addr()).await.expect("a connection");
    let length = MAX_BYTES + 1;
    let head =
        format!("POST /v1/messages HTTP/1.1\r\nhost: fake\r\ncontent-length: {length}\r\n\r\n");
    socket.write_all(head.as_bytes()).await.expect("to write");
    // The fake may answer and close before it has taken the last byte.
    let _ = socket.write_all(&vec![b' '; length]).await;
    read_until(&mut socket, |text| text.contains("request_too_large")).await;
}

#[tokio::test]
async fn a_stopped_fake_has_left_its_port() {
    let fake = start().await;
    let addr = fake.addr();
    fake.stop().await;
    assert!(TcpStream::connect(addr).await.is_err());
    FakeProvider::bind(addr).await.expect("the same port again");
}

#[tokio::test]
async fn waiting_in_vain_says_what_came() {
    let fake = start().await;
    let limit = Duration::from_millis(20);
    let error = fake.wait_for(2, limit).await.expect_err("no request");
    assert_eq!(error.to_string(), "waited 20ms for 2 request(s), 0 arrived");
    fake.wait_for_outcome(0, Outcome::Completed, limit)
        .await
        .expect_err("no request");
}
