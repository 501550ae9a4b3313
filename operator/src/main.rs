//! The program: flags, diagnostics, and the one place that turns an error into an exit status.

use std::{
    error::Error,
    io::{self, Write as _},
    process::ExitCode,
};

use anyray_operator::{
    cli::{Command, Options},
    error_text::with_causes,
    render, telemetry,
};
use clap::Parser as _;

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
        return fail(EXIT_USAGE, &error);
    }
    match options.command {
        #[cfg(feature = "cluster")]
        Command::Run(options) => anyray_operator::cluster::run::run(&options)
            .map_or_else(|error| fail(1, &error), |()| ExitCode::SUCCESS),
        Command::Render(options) => render::run(&options)
            .map_or_else(|error| fail(EXIT_USAGE, &error), |()| ExitCode::SUCCESS),
        Command::Crds => {
            render::crds().map_or_else(|error| fail(1, &error), |()| ExitCode::SUCCESS)
        }
    }
}

/// Tells the error with its causes on standard error, if anyone reads it.
fn fail(status: u8, error: &dyn Error) -> ExitCode {
    let _ = writeln!(io::stderr(), "anyray-operator: {}", with_causes(error));
    ExitCode::from(status)
}
