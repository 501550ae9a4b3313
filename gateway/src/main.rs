//! The program: flags, diagnostics, and the one place that turns an error into an exit status.

use std::{error::Error, process::ExitCode};

use anyray_gateway::{cli::Options, run, telemetry};
use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `EX_USAGE`: what the user gave is wrong.
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(told) => {
            // Help and version are no errors; both go where clap wants them.
            let status = if told.use_stderr() { EXIT_USAGE } else { 0 };
            let _ = told.print();
            return ExitCode::from(status);
        }
    };
    if let Err(error) = telemetry::start(&options.log) {
        return fail(EXIT_USAGE, &error, "--log");
    }
    match run::run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.exit_code(), &error, "anyray-gateway"),
    }
}

/// Tells the error with its causes on standard error.
#[expect(
    clippy::print_stderr,
    reason = "the one place that speaks to the person who started it"
)]
fn fail(status: u8, error: &dyn Error, what: &str) -> ExitCode {
    let mut text = format!("{what}: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    eprintln!("{text}");
    ExitCode::from(status)
}
