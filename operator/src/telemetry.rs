//! Diagnostics: JSON lines on standard error, and panics without their payload.

use std::panic;

use tracing_subscriber::{EnvFilter, filter::ParseError};

/// Starts writing diagnostics.
///
/// # Errors
/// [`ParseError`] if the filter is not in the syntax of `RUST_LOG`.
pub fn start(filter: &str) -> Result<(), ParseError> {
    // kube logs an answer that it cannot read as a whole, and the answer may be a Secret. What
    // fails is logged here.
    let filter = format!("{filter},kube_client=off").parse::<EnvFilter>()?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        // A line names its object itself.
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
    // A panic's payload may quote what it choked on; its place is enough to find the fault.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked at {place}");
    }));
    Ok(())
}
