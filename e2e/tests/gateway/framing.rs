//! Row S11: no bytes on a connection are two requests to one side and one to the other.
//!
//! Behind each request stands a second one that a smuggler would like to see served. What is not
//! plain HTTP/1.1 is refused and the connection closed; what is accepted reaches the provider as
//! exactly one request, with framing of its own.

use anyhow::{Context, Result, ensure};
use anyray_e2e::{call::Dialect, stand::Stand};
use anyray_fakes::Recorded;

/// The request that nobody may serve.
const SMUGGLED: &str = "GET /v1/models?smuggled HTTP/1.1\r\nhost: gateway.test\r\n\r\n";

/// Head lines, then the body, of requests that are refused.
const REFUSED_HEADS: &[(&str, &str)] = &[
    (
        "a coding that is not chunked",
        "transfer-encoding: xchunked\r\n",
    ),
    (
        "a coding that is not chunked, with a length",
        "content-length: 4\r\ntransfer-encoding: xchunked\r\n",
    ),
    (
        "no coding at all",
        "transfer-encoding: identity\r\ncontent-length: 4\r\n",
    ),
    (
        "chunked, but not last",
        "transfer-encoding: chunked, identity\r\n",
    ),
    (
        "chunked, and then another",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
    ),
    (
        "a coding before chunked that is none",
        "transfer-encoding: gzip\r\n",
    ),
    (
        "chunked with a vertical tab",
        "transfer-encoding: \u{b}chunked\r\n",
    ),
    ("two lengths", "content-length: 4\r\ncontent-length: 5\r\n"),
    ("two lengths in one", "content-length: 4, 5\r\n"),
    ("a length with a plus", "content-length: +4\r\n"),
    ("a length below zero", "content-length: -4\r\n"),
    ("a length in hexadecimal", "content-length: 0x4\r\n"),
    ("a length with a space inside", "content-length: 4 4\r\n"),
    ("a length of nothing", "content-length: \r\n"),
    ("a length with a fraction", "content-length: 4.0\r\n"),
    (
        "a length beyond 64 bits",
        "content-length: 18446744073709551620\r\n",
    ),
    (
        "a length at the end of 64 bits",
        "content-length: 18446744073709551615\r\n",
    ),
    (
        "a space before the colon of a length",
        "content-length : 4\r\n",
    ),
    (
        "a tab before the colon of a coding",
        "transfer-encoding\t: chunked\r\n",
    ),
    (
        "a folded line",
        "x-folded: one\r\n two\r\ncontent-length: 4\r\n",
    ),
    ("a folded coding", "transfer-encoding:\r\n chunked\r\n"),
    (
        "a folded first line",
        " x-folded: one\r\ncontent-length: 4\r\n",
    ),
    ("NUL in a value", "x-nul: a\0b\r\ncontent-length: 4\r\n"),
    ("NUL in a name", "x-n\0ul: a\r\ncontent-length: 4\r\n"),
    (
        "a bare CR in a value",
        "x-cr: a\rb\r\ncontent-length: 4\r\n",
    ),
    (
        "a bare CR that hides a header",
        "x-cr: a\rtransfer-encoding: chunked\r\ncontent-length: 4\r\n",
    ),
    ("a header without a name", ": a\r\ncontent-length: 4\r\n"),
    (
        "a header without a colon",
        "x-no-colon\r\ncontent-length: 4\r\n",
    ),
    (
        "a pseudo-header of HTTP/2",
        ":method: GET\r\ncontent-length: 4\r\n",
    ),
    ("a space inside a name", "x a: b\r\ncontent-length: 4\r\n"),
];

/// Bodies of requests with `transfer-encoding: chunked` that are refused.
const REFUSED_CHUNKS: &[(&str, &str)] = &[
    ("a size of no digits", "zz\r\n{}\r\n0\r\n\r\n"),
    ("an empty size", "\r\n{}\r\n0\r\n\r\n"),
    ("a size below zero", "-2\r\n{}\r\n0\r\n\r\n"),
    ("a size with a plus", "+2\r\n{}\r\n0\r\n\r\n"),
    ("a size with a prefix", "0x2\r\n{}\r\n0\r\n\r\n"),
    (
        "a size beyond 64 bits",
        "10000000000000002\r\n{}\r\n0\r\n\r\n",
    ),
    (
        "a size of many digits",
        "fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    ),
    ("less data than announced", "3\r\n{}\r\n0\r\n\r\n"),
    ("more data than announced", "1\r\n{}\r\n0\r\n\r\n"),
    ("lines that end in LF", "2\n{}\n0\n\n"),
    ("an extension that ends in LF", "2;a\n{}\r\n0\r\n\r\n"),
    ("a bare CR behind the data", "2\r\n{}\r0\r\n\r\n"),
];

fn post(lines: &str, body: &str) -> String {
    let path = Dialect::Chat.path();
    format!("POST {path} HTTP/1.1\r\nhost: gateway.test\r\n{lines}\r\n{body}")
}

fn body() -> String {
    Dialect::Chat.fields("m").to_string()
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

/// The statuses of all that came back on a connection until it was closed, and all that reached
/// the provider.
async fn exchange(stand: &Stand, bytes: &str) -> Result<(Vec<u16>, Vec<Recorded>)> {
    let mut caller = stand.open().await?;
    caller.send(bytes).await?;
    let answers = caller.read_to_close().await?;
    let answers = String::from_utf8_lossy(&answers).into_owned();
    let statuses = answers.split("HTTP/1.1 ").skip(1);
    let statuses = statuses.map(|answer| answer.get(..3).unwrap_or_default().parse());
    let statuses = statuses
        .collect::<Result<_, _>>()
        .with_context(|| answers.clone())?;
    Ok((statuses, stand.fake.take_requests()))
}

async fn check_refused(stand: &Stand, bytes: &str) -> Result<()> {
    let (statuses, upstream) = exchange(stand, bytes).await?;
    ensure!(
        upstream.is_empty(),
        "{} requests reached the provider",
        upstream.len()
    );
    // A length that no 64 bits hold is too large to hyper, not malformed.
    ensure!(
        matches!(statuses.as_slice(), [400 | 431]),
        "answers: {statuses:?}"
    );
    Ok(())
}

/// Exactly one request reached the provider, framed by its length alone.
async fn check_served_once(stand: &Stand, bytes: &str) -> Result<()> {
    let (statuses, upstream) = exchange(stand, bytes).await?;
    ensure!(statuses == [200], "answers: {statuses:?}");
    let [request] = upstream.as_slice() else {
        anyhow::bail!("{} requests reached the provider", upstream.len());
    };
    check_framing(request)?;
    ensure!(request.body == body(), "another body reached the provider");
    Ok(())
}

fn check_framing(request: &Recorded) -> Result<()> {
    let length = request.body.len().to_string();
    ensure!(request.body_complete, "the body is cut");
    ensure!(
        request.header_values("transfer-encoding").is_empty(),
        "a coding went upstream"
    );
    ensure!(
        request.header_values("content-length") == [length.as_bytes()],
        "wrong length"
    );
    ensure!(
        request.header_values("host").len() == 1,
        "more than one host"
    );
    Ok(())
}

#[tokio::test]
async fn s11_ambiguous_heads_are_refused_and_the_connection_closed() -> Result<()> {
    let stand = Stand::start().await?;
    for (name, lines) in REFUSED_HEADS {
        let bytes = post(lines, SMUGGLED);
        check_refused(&stand, &bytes)
            .await
            .with_context(|| (*name).to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn s11_malformed_chunks_are_refused_and_the_connection_closed() -> Result<()> {
    let stand = Stand::start().await?;
    for (name, chunks) in REFUSED_CHUNKS {
        let bytes = post(
            "transfer-encoding: chunked\r\n",
            &format!("{chunks}{SMUGGLED}"),
        );
        check_refused(&stand, &bytes)
            .await
            .with_context(|| (*name).to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn s11_malformed_request_lines_are_refused_and_the_connection_closed() -> Result<()> {
    let stand = Stand::start().await?;
    for line in [
        "GET /v1/models",
        "GET  /v1/models HTTP/1.1",
        "GET /v1/models HTTP/1.1 x",
        "GET /v1/models HTTP/1.2",
        "GET /v1/models HTTP/9.9",
        "GET /v1/mo\0dels HTTP/1.1",
        "GET /v1/mo dels HTTP/1.1",
        "G{T /v1/models HTTP/1.1",
        "GET v1/models HTTP/1.1",
    ] {
        let bytes = format!("{line}\r\nhost: gateway.test\r\nconnection: close\r\n\r\n{SMUGGLED}");
        check_refused(&stand, &bytes)
            .await
            .with_context(|| line.to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn s11_targets_that_are_no_path_are_refused_and_the_connection_closed() -> Result<()> {
    let stand = Stand::start().await?;
    for line in ["CONNECT api.openai.com:443 HTTP/1.1", "OPTIONS * HTTP/1.1"] {
        let bytes = format!("{line}\r\nhost: gateway.test\r\nconnection: close\r\n\r\n{SMUGGLED}");
        let (statuses, upstream) = exchange(&stand, &bytes).await?;
        ensure!(
            matches!(statuses.as_slice(), [400..=405]),
            "{line}: {statuses:?}"
        );
        ensure!(upstream.is_empty(), "{line} reached the provider");
    }
    Ok(())
}

#[tokio::test]
async fn s11_a_coding_of_http_1_0_is_refused() -> Result<()> {
    let stand = Stand::start().await?;
    let bytes = post("transfer-encoding: chunked\r\n", &chunked(&body()));
    check_refused(&stand, &bytes.replacen("HTTP/1.1", "HTTP/1.0", 1)).await
}

/// RFC 9112, 6.3: the coding overrides the length, and the connection closes after the answer.
#[tokio::test]
async fn s11_a_length_beside_chunks_is_one_request_and_the_last_of_its_connection() -> Result<()> {
    let stand = Stand::start().await?;
    let chunks = format!("{}{SMUGGLED}", chunked(&body()));
    let (all, short) = (chunks.len(), 4);
    for lines in [
        format!("content-length: {all}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {all}\r\n"),
        format!("content-length: {short}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {short}\r\n"),
        format!("Transfer-Encoding: Chunked\r\nContent-Length: {short}\r\n"),
        "transfer-encoding: chunked\r\ncontent-length: 0\r\n".to_owned(),
    ] {
        check_served_once(&stand, &post(&lines, &chunks))
            .await
            .context(lines)?;
    }
    Ok(())
}

/// What is unambiguous, if unusual, is served; the connection says itself that it closes.
#[tokio::test]
async fn s11_unusual_framing_that_has_one_meaning_is_one_request() -> Result<()> {
    let stand = Stand::start().await?;
    let (body, length) = (body(), body().len());
    for (lines, sent) in [
        (
            "transfer-encoding: chunked\t\r\n".to_owned(),
            chunked(&body),
        ),
        (
            "transfer-encoding:  \t chunked\r\n".to_owned(),
            chunked(&body),
        ),
        ("TRANSFER-ENCODING: CHUNKED\r\n".to_owned(), chunked(&body)),
        // Trailers are dropped, whatever they say.
        (
            "transfer-encoding: chunked\r\n".to_owned(),
            format!("{length:x};a=b\r\n{body}\r\n0\r\ncontent-length: 9\r\nx-late: 1\r\n\r\n"),
        ),
        (
            format!("content-length: {length}\r\ncontent-length: {length}\r\n"),
            body.clone(),
        ),
        (format!("content-length: 00{length}\r\n"), body.clone()),
    ] {
        let bytes = post(
            &format!("connection: close\r\n{lines}"),
            &format!("{sent}{SMUGGLED}"),
        );
        check_served_once(&stand, &bytes).await.context(lines)?;
    }
    Ok(())
}

/// RFC 9112, 2.2 lets a recipient take a bare LF for a line end; nothing else follows from it, as
/// the provider's request has framing of its own.
#[tokio::test]
async fn s11_lines_that_end_in_lf_are_one_request() -> Result<()> {
    let stand = Stand::start().await?;
    let lines = format!("connection: close\r\ncontent-length: {}\r\n", body().len());
    let head = post(&lines, "").replace("\r\n", "\n");
    check_served_once(&stand, &format!("{head}{}{SMUGGLED}", body())).await
}

#[tokio::test]
async fn s11_requests_in_one_write_are_answered_in_order() -> Result<()> {
    let stand = Stand::start().await?;
    let mut bytes = String::new();
    for number in 0..5 {
        let body = Dialect::Chat.fields(&format!("model-{number}")).to_string();
        bytes.push_str(&match number % 2 {
            0 => post(&format!("content-length: {}\r\n", body.len()), &body),
            _ => post("transfer-encoding: chunked\r\n", &chunked(&body)),
        });
    }
    let mut caller = stand.open().await?;
    caller.send(bytes).await?;
    for number in 0..5 {
        let answer = caller.read_answer().await?;
        ensure!(
            answer.text().contains(&format!("model-{number}\"")),
            "{}",
            answer.text()
        );
    }
    let upstream = stand.fake.take_requests();
    assert_eq!(upstream.len(), 5);
    upstream.iter().try_for_each(check_framing)
}

#[tokio::test]
async fn s11_a_host_in_the_request_line_does_not_direct_the_request() -> Result<()> {
    let stand = Stand::start().await?;
    let bytes = "GET http://169.254.169.254/v1/models HTTP/1.1\r\nhost: elsewhere.test\r\n\
        connection: close\r\n\r\n";
    let (statuses, upstream) = exchange(&stand, bytes).await?;
    assert_eq!(statuses, [200]);
    let [request] = upstream.as_slice() else {
        anyhow::bail!("{upstream:?}")
    };
    assert_eq!(request.path_and_query, "/v1/models");
    assert_eq!(
        request.header("host"),
        Some(stand.fake.addr().to_string().as_str())
    );
    Ok(())
}
