//! Reads recorded bytes of one connection back into requests and responses.
//!
//! Pure. HTTP/1.1 only, which is all that the clients speak to the gateway; bodies
//! lose their transfer coding, so that both ends of a gateway can be compared.

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};

/// Most headers of a head: the clients send fewer than 40.
const MAX_HEADERS: usize = 128;

/// One message as it was on the wire.
#[derive(Clone, Default)]
pub struct Message {
    /// Names in lower case, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body without its transfer coding.
    pub body: Bytes,
    /// Whether the body ended as its head announced; a cut body did not.
    pub is_complete: bool,
}

/// A request, and its response as far as it came.
#[derive(Clone)]
pub struct Exchange {
    /// The method, upper case.
    pub method: String,
    /// Path and query as on the request line.
    pub path_and_query: String,
    /// What the client sent.
    pub request: Message,
    /// Status of the answer; `None` if none came.
    pub status: Option<u16>,
    /// What the client received.
    pub response: Message,
    /// Place of the request among all that the tap saw, over all connections.
    pub order: u64,
}

impl Message {
    /// All values of a header; the name is in lower case.
    pub fn header_values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.headers.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_slice()).collect()
    }

    /// The first value of a header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = *self.header_values(name).first()?;
        std::str::from_utf8(value).ok()
    }
}

/// Sizes and names only: bodies and header values may hold keys and prompts.
impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Message")
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .field("is_complete", &self.is_complete)
            .finish()
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {} -> {:?}",
            self.method, self.path_and_query, self.status
        )
    }
}

/// How the end of a body is known.
#[derive(Clone, Copy)]
enum Framing {
    None,
    Length(usize),
    Chunked,
    UntilClose,
}

/// Reads all requests of a connection and pairs them with their responses.
/// `order_of` tells the place of the request that begins at an offset.
///
/// # Errors
///
/// The bytes are not HTTP/1.1, or the answers are not those of the requests.
pub fn read_exchanges(
    to_gateway: &[u8],
    to_client: &[u8],
    order_of: impl Fn(usize) -> u64,
) -> Result<Vec<Exchange>> {
    let mut exchanges = Vec::new();
    let (mut asked, mut answered) = (to_gateway, to_client);
    while !asked.is_empty() {
        let order = order_of(to_gateway.len() - asked.len());
        let Some((mut exchange, rest)) = read_request(asked, order)? else {
            break;
        };
        asked = rest;
        answered = match read_response(answered, &exchange.method)? {
            Some((status, response, rest)) => {
                exchange.status = Some(status);
                exchange.response = response;
                rest
            }
            None => &[],
        };
        exchanges.push(exchange);
    }
    if !answered.is_empty() {
        bail!("{} bytes of answers belong to no request", answered.len());
    }
    Ok(exchanges)
}

fn read_request(bytes: &[u8], order: u64) -> Result<Option<(Exchange, &[u8])>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes).context("parse a request head")?
    else {
        return Ok(None);
    };
    let method = head.method.unwrap_or_default().to_owned();
    let path_and_query = head.path.unwrap_or_default().to_owned();
    let headers = copy_headers(head.headers);
    let framing = find_framing(&headers)?.unwrap_or(Framing::None);
    let (request, rest) = read_body(headers, framing, bytes.get(length..).unwrap_or_default())?;
    let response = Message::default();
    Ok(Some((
        Exchange {
            method,
            path_and_query,
            request,
            status: None,
            response,
            order,
        },
        rest,
    )))
}

fn read_response<'a>(bytes: &'a [u8], method: &str) -> Result<Option<(u16, Message, &'a [u8])>> {
    let mut rest = bytes;
    loop {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        let parsed = head.parse(rest).context("parse a response head")?;
        let httparse::Status::Complete(length) = parsed else {
            return Ok(None);
        };
        let status = head.code.unwrap_or_default();
        let headers = copy_headers(head.headers);
        rest = rest.get(length..).unwrap_or_default();
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        let framing = match status {
            204 | 304 => Framing::None,
            _ if method == "HEAD" => Framing::None,
            _ => find_framing(&headers)?.unwrap_or(Framing::UntilClose),
        };
        let (response, rest) = read_body(headers, framing, rest)?;
        return Ok(Some((status, response, rest)));
    }
}

fn copy_headers(headers: &[httparse::Header<'_>]) -> Vec<(String, Vec<u8>)> {
    let copied = headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()));
    copied.collect()
}

fn find_framing(headers: &[(String, Vec<u8>)]) -> Result<Option<Framing>> {
    let find = |name: &str| headers.iter().find(|(key, _)| key == name);
    if let Some((_, coding)) = find("transfer-encoding") {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            bail!("a transfer coding other than chunked");
        }
        return Ok(Some(Framing::Chunked));
    }
    let Some((_, length)) = find("content-length") else {
        return Ok(None);
    };
    let length = std::str::from_utf8(length)?
        .parse()
        .context("parse content-length")?;
    Ok(Some(Framing::Length(length)))
}

fn read_body(
    headers: Vec<(String, Vec<u8>)>,
    framing: Framing,
    bytes: &[u8],
) -> Result<(Message, &[u8])> {
    let (body, is_complete, rest) = match framing {
        Framing::None => (Bytes::new(), true, bytes),
        Framing::UntilClose => (Bytes::copy_from_slice(bytes), true, [].as_slice()),
        Framing::Length(length) => {
            let (body, rest) = bytes.split_at(length.min(bytes.len()));
            (Bytes::copy_from_slice(body), body.len() == length, rest)
        }
        Framing::Chunked => read_chunks(bytes)?,
    };
    Ok((
        Message {
            headers,
            body,
            is_complete,
        },
        rest,
    ))
}

/// Joins chunks; without the last one the body is incomplete.
fn read_chunks(bytes: &[u8]) -> Result<(Bytes, bool, &[u8])> {
    let mut body = BytesMut::new();
    let mut rest = bytes;
    loop {
        let parsed = httparse::parse_chunk_size(rest);
        let Ok(parsed) = parsed else {
            bail!("a chunk without a size")
        };
        let httparse::Status::Complete((start, size)) = parsed else {
            return Ok((body.freeze(), false, [].as_slice()));
        };
        let size = usize::try_from(size)?;
        let chunk = rest.get(start..).unwrap_or_default();
        body.extend_from_slice(chunk.get(..size.min(chunk.len())).unwrap_or_default());
        // The line end after the chunk; trailers are not used by anyone here.
        let Some(after) = chunk
            .get(size..)
            .and_then(|after| after.strip_prefix(b"\r\n"))
        else {
            return Ok((body.freeze(), false, [].as_slice()));
        };
        rest = after;
        if size == 0 {
            return Ok((body.freeze(), true, rest));
        }
    }
}

#[cfg(test)]
mod tests;
