//! Log lines on their way out: appended to memory, written by a thread of their own.
//!
//! Whoever logs never waits for whoever reads. What does not fit is dropped and counted, because a
//! slow or dead reader must not slow requests.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

/// Most bytes that one buffer holds between two writes.
const MAX_BUFFER_BYTES: usize = 4 << 20;

/// Time between two writes.
const WRITE_INTERVAL: Duration = Duration::from_millis(100);

/// How long the last lines may take to be written.
const FINISH_LIMIT: Duration = Duration::from_secs(2);

/// Lines that are not written yet.
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

    /// Appends a line of JSON.
    pub fn append_json(&self, line: &impl Serialize) {
        self.append(|lines| {
            serde_json::to_writer(&mut *lines, line)?;
            lines.push(b'\n');
            Ok(())
        });
    }

    /// Appends a line that is already formatted.
    pub fn append_line(&self, line: &[u8]) {
        self.append(|lines| lines.write_all(line));
    }

    fn append(&self, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= MAX_BUFFER_BYTES || write(&mut lines).is_err() {
            self.dropped.inc();
        }
    }

    /// Exchanges the lines for the empty `spare`, whose memory is used again.
    fn take(&self, spare: &mut Vec<u8>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *lines, spare);
    }
}

/// Where lines go.
#[derive(Clone, Copy, Debug)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Output {
    /// Writes; a reader that is gone is nobody's to tell.
    fn write(self, lines: &[u8]) {
        let _ = match self {
            Self::Stdout => io::stdout().lock().write_all(lines),
            Self::Stderr => io::stderr().lock().write_all(lines),
        };
    }
}

/// The thread that writes buffers out.
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
    pub fn start(output: Output, buffers: Vec<Arc<LogBuffer>>) -> io::Result<Self> {
        let end = CancellationToken::new();
        let is_ending = end.clone();
        let (is_running, ended) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || {
                let _is_running = is_running;
                write_until(output, &buffers, &is_ending);
            })?;
        Ok(Self { thread, end, ended })
    }

    /// Writes what is left and ends the thread; tells whether all was written in time.
    pub fn finish(self) -> bool {
        self.end.cancel();
        self.thread.thread().unpark();
        self.ended.recv_timeout(FINISH_LIMIT) != Err(RecvTimeoutError::Timeout)
    }
}

fn write_until(output: Output, buffers: &[Arc<LogBuffer>], end: &CancellationToken) {
    let mut spare = Vec::new();
    loop {
        let is_last = end.is_cancelled();
        for buffer in buffers {
            buffer.take(&mut spare);
            if !spare.is_empty() {
                output.write(&spare);
                spare.clear();
            }
        }
        if is_last {
            return;
        }
        thread::park_timeout(WRITE_INTERVAL);
    }
}
