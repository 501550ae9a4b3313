//! A raw HTTP/1.1 client: what a test writes is what goes over the wire, byte for byte.
//!
//! Answers are taken apart by their framing, so that a body that was broken off is told from one
//! that ended. Which requests a dialect knows is in `call`.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::wait;

/// Longest wait for the next bytes: longer than any time limit that a test sets.
const LIMIT: Duration = Duration::from_secs(20);

/// Most headers of an answer.
const MAX_HEADERS: usize = 128;

/// Bytes read at once.
const READ_BYTES: usize = 64 * 1024;

/// One connection to the gateway.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    framing: Framing,
}

/// How the rest of the body at hand ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// After so many bytes.
    Length(usize),
    /// With the last chunk; so many bytes of the present chunk are left.
    Chunk(usize),
    /// Between two chunks; the line end after the last one's data is still to come if true.
    ChunkHead(bool),
    /// With the connection.
    UntilClose,
}

/// What comes next of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// More of it.
    Data(Bytes),
    /// Its end, as its head announced it.
    End,
    /// The connection ended before it.
    Broken,
}

/// Status line and headers of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
}

/// A whole answer, or as much of it as came.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status and headers.
    pub head: Head,
    /// The body without its transfer coding.
    pub body: Bytes,
    /// Whether the body ended as its head announced.
    pub is_whole: bool,
}

impl Head {
    /// All values of a header; the name is in lower case.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }
}

impl Answer {
    /// The status.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| self.text())
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The connection was refused or not made within 20 seconds.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = wait::at_most("a connection", LIMIT, TcpStream::connect(address)).await??;
        Self::over(stream)
    }

    /// Connects with buffers of the kernel of about this size, for callers that are to wait for
    /// the gateway, or the gateway for them.
    ///
    /// # Errors
    ///
    /// As for [`Self::open`].
    pub async fn open_narrow(address: SocketAddr, buffer_bytes: u32) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(buffer_bytes)?;
        socket.set_send_buffer_size(buffer_bytes)?;
        Self::over(wait::at_most("a connection", LIMIT, socket.connect(address)).await??)
    }

    fn over(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        let (buffer, framing) = (BytesMut::new(), Framing::UntilClose);
        Ok(Self {
            stream,
            buffer,
            framing,
        })
    }

    /// The caller's end of the connection.
    ///
    /// # Errors
    ///
    /// The system cannot tell.
    pub fn local_address(&self) -> Result<SocketAddr> {
        Ok(self.stream.local_addr()?)
    }

    /// Writes bytes.
    ///
    /// # Errors
    ///
    /// The gateway has closed the connection, or takes none within 20 seconds.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        wait::at_most(
            "the gateway to read",
            LIMIT,
            self.stream.write_all(bytes.as_ref()),
        )
        .await??;
        Ok(())
    }

    /// Reads the head of the next answer; interim answers are left out.
    ///
    /// # Errors
    ///
    /// The connection ended before it, or nothing came within 20 seconds.
    pub async fn read_head(&mut self) -> Result<Head> {
        loop {
            let found = parse_head(&self.buffer)?;
            let Some((head, length)) = found else {
                ensure!(self.fill().await?, "the connection ended before an answer");
                continue;
            };
            drop(self.buffer.split_to(length));
            if head.status >= 200 {
                self.framing = find_framing(&head)?;
                return Ok(head);
            }
        }
    }

    /// Reads the leave to send a body, `100 Continue`.
    ///
    /// # Errors
    ///
    /// Something else came, or nothing within 20 seconds.
    pub async fn read_interim(&mut self) -> Result<()> {
        loop {
            if let Some((head, length)) = parse_head(&self.buffer)? {
                ensure!(head.status == 100, "{} instead of leave", head.status);
                drop(self.buffer.split_to(length));
                return Ok(());
            }
            ensure!(self.fill().await?, "the connection ended before leave");
        }
    }

    /// Reads what comes next of the body.
    ///
    /// # Errors
    ///
    /// Nothing came within 20 seconds, or the framing is none.
    pub async fn read_piece(&mut self) -> Result<Piece> {
        loop {
            if let Some(piece) = self.take_piece()? {
                return Ok(piece);
            }
            if !self.fill().await? {
                let is_end = self.framing == Framing::UntilClose;
                return Ok(if is_end { Piece::End } else { Piece::Broken });
            }
        }
    }

    /// Reads the body until it holds `needle`; returns what was read.
    ///
    /// # Errors
    ///
    /// The body ended without it.
    pub async fn read_until(&mut self, needle: &str) -> Result<Bytes> {
        let mut body = BytesMut::new();
        while !contains(&body, needle.as_bytes()) {
            match self.read_piece().await? {
                Piece::Data(data) => body.extend_from_slice(&data),
                end => bail!(
                    "{end:?} before {needle:?} in {:?}",
                    String::from_utf8_lossy(&body)
                ),
            }
        }
        Ok(body.freeze())
    }

    /// Reads the rest of the body; tells whether it ended as announced.
    ///
    /// # Errors
    ///
    /// Nothing came for 20 seconds.
    pub async fn read_rest(&mut self) -> Result<(Bytes, bool)> {
        let mut body = BytesMut::new();
        loop {
            match self.read_piece().await? {
                Piece::Data(data) => body.extend_from_slice(&data),
                end => return Ok((body.freeze(), end == Piece::End)),
            }
        }
    }

    /// Reads the next answer.
    ///
    /// # Errors
    ///
    /// There was none.
    pub async fn read_answer(&mut self) -> Result<Answer> {
        let head = self.read_head().await?;
        let (body, is_whole) = self.read_rest().await?;
        Ok(Answer {
            head,
            body,
            is_whole,
        })
    }

    /// Reads until the gateway closes the connection; returns what came before.
    ///
    /// # Errors
    ///
    /// It did not within 20 seconds after the last byte.
    pub async fn read_to_close(&mut self) -> Result<Bytes> {
        while self.fill().await? {}
        Ok(self.buffer.split().freeze())
    }

    /// Reads more into the buffer; false at the end, which a reset is, too.
    async fn fill(&mut self) -> Result<bool> {
        self.buffer.reserve(READ_BYTES);
        let read = wait::at_most(
            "bytes of an answer",
            LIMIT,
            self.stream.read_buf(&mut self.buffer),
        );
        Ok(read.await?.is_ok_and(|length| length > 0))
    }

    /// The next piece, as far as the buffer holds one.
    fn take_piece(&mut self) -> Result<Option<Piece>> {
        match self.framing {
            Framing::Length(0) => Ok(Some(Piece::End)),
            Framing::Length(left) => Ok(self.take_data(left, Framing::Length)),
            Framing::UntilClose => Ok(self.take_data(usize::MAX, |_| Framing::UntilClose)),
            Framing::Chunk(left) => Ok(self.take_data(left, |left| match left {
                0 => Framing::ChunkHead(true),
                left => Framing::Chunk(left),
            })),
            Framing::ChunkHead(has_line_end) => self.take_chunk_head(has_line_end),
        }
    }

    fn take_data(&mut self, left: usize, next: impl Fn(usize) -> Framing) -> Option<Piece> {
        let length = left.min(self.buffer.len());
        if length == 0 {
            return None;
        }
        self.framing = next(left - length);
        Some(Piece::Data(self.buffer.split_to(length).freeze()))
    }

    fn take_chunk_head(&mut self, has_line_end: bool) -> Result<Option<Piece>> {
        let skipped = if has_line_end { 2 } else { 0 };
        let Some(head) = self.buffer.get(skipped..) else {
            return Ok(None);
        };
        let parsed = httparse::parse_chunk_size(head);
        let Ok(parsed) = parsed else {
            bail!("a chunk without a size")
        };
        let httparse::Status::Complete((length, size)) = parsed else {
            return Ok(None);
        };
        if size == 0 {
            if head.len() < length + 2 {
                return Ok(None);
            }
            drop(self.buffer.split_to(skipped + length + 2));
            self.framing = Framing::Length(0);
            return Ok(Some(Piece::End));
        }
        drop(self.buffer.split_to(skipped + length));
        self.framing = Framing::Chunk(usize::try_from(size)?);
        self.take_piece()
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) =
        parsed.parse(bytes).context("parse an answer's head")?
    else {
        return Ok(None);
    };
    let headers = parsed.headers.iter().map(|header| {
        (
            header.name.to_ascii_lowercase(),
            String::from_utf8_lossy(header.value).into_owned(),
        )
    });
    let head = Head {
        status: parsed.code.unwrap_or_default(),
        headers: headers.collect(),
    };
    Ok(Some((head, length)))
}

fn find_framing(head: &Head) -> Result<Framing> {
    if head.header("transfer-encoding") == Some("chunked") {
        return Ok(Framing::ChunkHead(false));
    }
    match head.header("content-length") {
        Some(length) => Ok(Framing::Length(
            length.parse().context("parse content-length")?,
        )),
        None if matches!(head.status, 204 | 304) => Ok(Framing::Length(0)),
        None => Ok(Framing::UntilClose),
    }
}

/// Whether `bytes` hold `needle`.
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
