//! The program: arguments, and the one place that turns a failure into an exit status.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyray_kubectl::{
    cli::Options,
    failure::{Failure, with_causes},
    run,
    screen::Screen,
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
    let (mut out, mut notes) = (io::stdout(), io::stderr());
    match run::run(&options, &mut Screen::new(&mut out, &mut notes)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(notes, "kubectl anyray: {}", with_causes(&failure));
            ExitCode::from(match failure {
                Failure::Usage(_) => EXIT_USAGE,
                _ => 1,
            })
        }
    }
}
