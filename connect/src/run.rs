//! From the arguments to what is done.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::{
    choose::choose_gateway,
    cli::{Command, Options},
    doctor,
    environment::Environment,
    failure::Failure,
    gateway_url::GatewayUrl,
    man, revert,
    screen::Screen,
    set_up,
    state::Store,
    status,
};

/// Does what the arguments ask for.
///
/// # Errors
/// [`Failure`].
pub fn run(options: &Options, screen: &mut Screen) -> Result<(), Failure> {
    let environment = Environment::of_process().ok_or(Failure::FindHome)?;
    match &options.command {
        None if options.set_up.revert => revert::revert(&options.set_up, &environment, screen),
        None => set_up::set_up(&options.set_up, &environment, screen),
        Some(Command::Status(report)) => status::status(report, &environment, screen),
        Some(Command::Doctor(report)) => doctor::doctor(report, &environment, screen),
        Some(Command::PrintKey(at)) => print_key(at.gateway.as_ref(), &environment, screen),
        Some(Command::Completions { shell }) => {
            let mut text = Vec::new();
            let mut command = Options::command();
            clap_complete::generate(*shell, &mut command, "anyray-connect", &mut text);
            write_out(&text)
        }
        Some(Command::Man) => {
            let page = man::page(Options::command()).map_err(Failure::Terminal)?;
            write_out(&page)
        }
    }
}

fn print_key(
    named: Option<&GatewayUrl>,
    environment: &Environment,
    screen: &mut Screen,
) -> Result<(), Failure> {
    let state = Store::of(environment)?.load()?;
    let gateway = choose_gateway(named, &state, environment)?;
    match state.key(&gateway) {
        Some(saved) => screen.line(&saved.key.0),
        None => Err(Failure::NoKey(gateway.to_string())),
    }
}

fn write_out(text: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text)
        .and_then(|()| out.flush())
        .map_err(Failure::Terminal)
}
