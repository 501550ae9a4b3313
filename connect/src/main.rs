//! The program: arguments, and the one place that turns a failure into an exit status.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyray_connect::{
    cli::Options,
    failure::{EXIT_USAGE, with_causes},
    plain::plain,
    run,
    screen::Screen,
};
use clap::Parser as _;

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
    match run::run(&options, &mut Screen::of_process()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let told = plain(&with_causes(&failure));
            let _ = writeln!(io::stderr(), "anyray-connect: {told}");
            ExitCode::from(failure.exit_code())
        }
    }
}
