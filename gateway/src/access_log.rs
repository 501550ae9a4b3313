//! One JSON line per request on standard output, without a word of content.
//!
//! A request appends to its worker's buffer and never waits; one thread writes the buffers out.
//! What does not fit is dropped and counted, because a slow log must not slow requests.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// Most bytes that one worker's buffer holds between two writes.
const MAX_BUFFER_BYTES: usize = 4 << 20;

/// Time between two writes.
const WRITE_INTERVAL: Duration = Duration::from_millis(100);

/// How long the last lines may take to be written.
const FINISH_LIMIT: Duration = Duration::from_secs(2);

/// One request, as the log tells it.
///
/// Names with dots group by entity, as in the diagnostics.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// When the request ended.
    pub timestamp: Timestamp,
    /// Always `request`.
    pub message: &'static str,
    /// The gateway's id of the request.
    #[serde(rename = "request.id")]
    pub request_id: &'a str,
    /// See `Operation::name`.
    pub operation: &'static str,
    /// Provider slug.
    pub provider: &'static str,
    /// Name of the provider key; absent where the caller brought its own credential.
    #[serde(rename = "provider.key", skip_serializing_if = "Option::is_none")]
    pub provider_key: Option<&'a str>,
    /// Model that was asked for, if it looks like a model's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    /// HTTP status of the answer; 0 where the caller left before it.
    pub status: u16,
    /// `ok`, `client_gone` or the error's code.
    pub outcome: &'static str,
    /// From the head of the request to the end of the answer.
    pub duration_ms: f64,
    /// From the head of the request to the head of the provider's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<f64>,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// Token counts, where the answer reported them.
    #[serde(flatten)]
    pub tokens: Option<Tokens>,
}

/// Token counts of one answer.
#[derive(Debug, Serialize)]
pub struct Tokens {
    /// Fresh input.
    #[serde(rename = "tokens.input")]
    pub input: u64,
    /// Output, reasoning included.
    #[serde(rename = "tokens.output")]
    pub output: u64,
    /// Read from a cache.
    #[serde(rename = "tokens.cache_read")]
    pub cache_read: u64,
    /// Written to a cache.
    #[serde(rename = "tokens.cache_write")]
    pub cache_write: u64,
}

/// One worker's lines that are not written yet.
#[derive(Debug)]
pub struct LogBuffer {
    lines: Mutex<Vec<u8>>,
    dropped: Counter,
}

impl LogBuffer {
    /// An empty buffer; what it must drop is counted in `dropped`.
    pub fn new(dropped: Counter) -> Arc<Self> {
        Arc::new(Self {
            lines: Mutex::default(),
            dropped,
        })
    }

    /// Appends a line.
    pub fn append(&self, line: &Line<'_>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MAX_BUFFER_BYTES || serde_json::to_writer(&mut *lines, line).is_err() {
            self.dropped.inc();
            return;
        }
        lines.push(b'\n');
    }

    /// Exchanges the lines for the empty `spare`, whose memory is used again.
    fn take(&self, spare: &mut Vec<u8>) {
        std::mem::swap(
            &mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner),
            spare,
        );
    }
}

/// The thread that writes the buffers out.
#[derive(Debug)]
pub struct Writer {
    thread: JoinHandle<()>,
    end: CancellationToken,
    /// Closed by the thread's end.
    ended: mpsc::Receiver<()>,
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// Those of the system.
    pub fn start(buffers: Vec<Arc<LogBuffer>>) -> io::Result<Self> {
        let end = CancellationToken::new();
        let is_ending = end.clone();
        let (is_running, ended) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                let _is_running = is_running;
                write_until(&buffers, &is_ending);
            })?;
        Ok(Self { thread, end, ended })
    }

    /// Writes what is left and ends the thread, unless nobody reads the log any more.
    pub fn finish(self) {
        self.end.cancel();
        self.thread.thread().unpark();
        if self.ended.recv_timeout(FINISH_LIMIT) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("left lines of the access log behind: nobody reads standard output");
        }
    }
}

fn write_until(buffers: &[Arc<LogBuffer>], end: &CancellationToken) {
    let mut spare = Vec::new();
    loop {
        let is_last = end.is_cancelled();
        for buffer in buffers {
            buffer.take(&mut spare);
            write_out(&spare);
            spare.clear();
        }
        if is_last {
            return;
        }
        thread::park_timeout(WRITE_INTERVAL);
    }
}

fn write_out(lines: &[u8]) {
    if lines.is_empty() {
        return;
    }
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(lines).and_then(|()| out.flush()) {
        tracing::warn!(%error, "cannot write the access log: {error}");
    }
}
