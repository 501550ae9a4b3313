//! One HTTP/1.1 exchange over a connection of its own: no pool and no retry hides a failure.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// For one answer of something that is ready.
const LIMIT: Duration = Duration::from_secs(60);

/// `GET`s a URL; returns the status and the body.
pub(crate) async fn get(url: &str) -> Result<(u16, String)> {
    send("GET", url, &[], "").await
}

/// `POST`s JSON; returns the status and the body.
pub(crate) async fn post(url: &str, body: &str) -> Result<(u16, String)> {
    send("POST", url, &[], body).await
}

/// Sends a request with further headers; returns the status and the body.
pub(crate) async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<(u16, String)> {
    let rest = url.strip_prefix("http://").context("an http URL")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let further: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n{further}\r\n{body}",
        body.len()
    );
    let answer = timeout(LIMIT, async {
        let mut stream = TcpStream::connect(authority).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        anyhow::Ok(answer)
    });
    let answer = answer
        .await
        .with_context(|| format!("no answer from {url} in time"))??;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("no head")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}
