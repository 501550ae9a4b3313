//! Diagnostics: JSON lines on standard error, and panics without their payload.

use std::{io, panic, sync::Arc};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::{EnvFilter, filter::ParseError, fmt::MakeWriter};

use crate::accounting::log_buffer::{LogBuffer, Output, Writer};

/// Why no diagnostics can be written.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The filter is not in the syntax of `RUST_LOG`.
    #[error("--log: {0}")]
    ParseFilter(#[from] ParseError),
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes diagnostics")]
    StartWriter(#[from] io::Error),
}

/// The diagnostics of the process.
#[derive(Debug)]
pub struct Telemetry {
    /// Writes until it is finished.
    pub writer: Writer,
    /// Lines that there was no room for.
    pub dropped: Counter,
}

/// Starts writing diagnostics.
///
/// # Errors
/// [`StartError`].
pub fn start(filter: &str) -> Result<Telemetry, StartError> {
    let filter = filter.parse::<EnvFilter>()?;
    let dropped = Counter::default();
    let lines = LogBuffer::new(dropped.clone());
    let writer = Writer::start(Output::Stderr, vec![Arc::clone(&lines)])?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(Diagnostics(lines))
        .log_internal_errors(false)
        .init();
    // A panic's payload may quote what it choked on; its place is enough to find the fault.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked at {place}");
    }));
    Ok(Telemetry { writer, dropped })
}

/// Takes the lines that tracing formats, each in one write.
struct Diagnostics(Arc<LogBuffer>);

impl<'a> MakeWriter<'a> for Diagnostics {
    type Writer = Lines<'a>;

    fn make_writer(&'a self) -> Lines<'a> {
        Lines(&self.0)
    }
}

struct Lines<'a>(&'a LogBuffer);

impl io::Write for Lines<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.append_line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
