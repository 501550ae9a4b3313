//! The program: flags, diagnostics, and the one place that turns an error into an exit status.

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

use anyray_gateway::process::{cli::Options, run, telemetry};
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
    let telemetry = match telemetry::start(&options.log) {
        Ok(telemetry) => telemetry,
        Err(error) => return fail(EXIT_USAGE, &error),
    };
    let ended = run::run(&options, telemetry.dropped);
    telemetry.writer.finish();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.exit_code(), &error),
    }
}

/// Tells the error with its causes on standard error, if anyone reads it.
fn fail(status: u8, error: &dyn Error) -> ExitCode {
    let mut text = format!("anyray-gateway: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(status)
}
