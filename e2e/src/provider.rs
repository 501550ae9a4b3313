//! A provider without manners: the test itself reads and writes its connections.
//!
//! For what no HTTP server can be made to send, and for providers that stop reading. Providers
//! that speak the wire formats are in `anyray-fakes`.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::wait;

/// Longest wait for the gateway.
const LIMIT: Duration = Duration::from_secs(20);

/// Head of an event stream in chunks.
pub const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    transfer-encoding: chunked\r\n\r\n";

/// A listening socket.
#[derive(Debug)]
pub struct RawProvider {
    listener: TcpListener,
    address: SocketAddr,
}

/// The provider's end of a connection on which a request's head has arrived.
#[derive(Debug)]
pub struct Upstream {
    /// The head, and what came with it of the body.
    pub received: BytesMut,
    stream: TcpStream,
}

impl RawProvider {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// There is none.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("bind a provider")?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The base without `/v1`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next connection, once a request's head has arrived on it.
    ///
    /// # Errors
    ///
    /// None came within 20 seconds.
    pub async fn accept(&self) -> Result<Upstream> {
        let accepted = wait::at_most("a connection upstream", LIMIT, self.listener.accept());
        let (stream, _) = accepted.await??;
        let mut upstream = Upstream {
            received: BytesMut::new(),
            stream,
        };
        while !crate::raw::contains(&upstream.received, b"\r\n\r\n") {
            ensure!(
                upstream.read().await? > 0,
                "the connection ended before a request"
            );
        }
        Ok(upstream)
    }
}

impl Upstream {
    /// Reads more of the request; 0 at its end.
    ///
    /// # Errors
    ///
    /// Nothing came within 20 seconds, or the connection was reset.
    pub async fn read(&mut self) -> Result<usize> {
        let read = self.stream.read_buf(&mut self.received);
        Ok(wait::at_most("bytes of a request", LIMIT, read).await??)
    }

    /// Writes bytes.
    ///
    /// # Errors
    ///
    /// The gateway has closed the connection, or takes none within 20 seconds.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let written = self.stream.write_all(bytes.as_ref());
        wait::at_most("the gateway to read", LIMIT, written).await??;
        Ok(())
    }

    /// Writes the bytes as one chunk.
    ///
    /// # Errors
    ///
    /// As for [`Self::write`].
    pub async fn write_chunk(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let bytes = bytes.as_ref();
        let head = format!("{:x}\r\n", bytes.len());
        self.write([head.as_bytes(), bytes, b"\r\n"].concat()).await
    }

    /// Writes the same bytes again and again until the gateway has taken none for `silence`, or
    /// they were written `most` times; returns how many bytes were written.
    ///
    /// # Errors
    ///
    /// The gateway has closed the connection.
    pub async fn write_until_blocked(
        &mut self,
        bytes: &[u8],
        most: usize,
        silence: Duration,
    ) -> Result<usize> {
        let mut written = 0;
        while written < most * bytes.len() {
            let rest = bytes.get(written % bytes.len()..).unwrap_or_default();
            match timeout(silence, self.stream.write(rest)).await {
                Ok(length) => written += length?,
                Err(_) => break,
            }
        }
        Ok(written)
    }

    /// Ends what is written, and closes once the gateway has: what still comes is dropped, so that
    /// no reset overtakes the answer.
    ///
    /// # Errors
    ///
    /// The gateway had not closed the connection within 20 seconds.
    pub async fn close_gently(&mut self) -> Result<()> {
        self.stream.shutdown().await?;
        let drained = async {
            self.received.clear();
            while self
                .stream
                .read_buf(&mut self.received)
                .await
                .is_ok_and(|length| length > 0)
            {
                self.received.clear();
            }
        };
        wait::at_most("the gateway to close its connection", LIMIT, drained).await
    }

    /// Waits until the gateway has closed the connection; a reset is one way.
    ///
    /// # Errors
    ///
    /// It had not within `limit`.
    pub async fn wait_for_close(&mut self, limit: Duration) -> Result<()> {
        let closed = async {
            while self
                .stream
                .read_buf(&mut self.received)
                .await
                .is_ok_and(|length| length > 0)
            {}
        };
        wait::at_most("the gateway to close its connection", limit, closed).await
    }
}
