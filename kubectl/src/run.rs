//! From the options to the command.

use k8s_openapi::jiff::Timestamp;

use crate::{
    cli::{Command, InviteCommand, KeyCommand, Options},
    failure::Failure,
    invite,
    key::{self, Change},
    screen::Screen,
    session::Session,
};

/// Does what the options ask for.
///
/// # Errors
/// [`Failure`].
pub fn run(options: &Options, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::Start)?;
    runtime.block_on(async {
        let session = Session::open(&options.cluster).await?;
        execute(&options.command, &session, Timestamp::now(), screen).await
    })
}

/// Does what a command asks for, at a moment.
///
/// # Errors
/// [`Failure`].
pub async fn execute(
    command: &Command,
    session: &Session,
    now: Timestamp,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    match command {
        Command::Invite(InviteCommand::Create(options)) => {
            let random = invite::create::Random::draw()?;
            invite::create::create(session, options, (&random, now), screen).await
        }
        Command::Invite(InviteCommand::List(options)) => {
            invite::list::list(session, options, now, screen).await
        }
        Command::Invite(InviteCommand::Code(options)) => {
            invite::code::code(session, &options.name, now, screen).await
        }
        Command::Invite(InviteCommand::Revoke(options)) => {
            invite::revoke::revoke(session, options, screen).await
        }
        Command::Key(KeyCommand::List(options)) => {
            key::list::list(session, options, now, screen).await
        }
        Command::Key(KeyCommand::Revoke(options)) => {
            let change = if options.delete {
                Change::Delete
            } else {
                Change::Revoke
            };
            key::change(session, &options.keys, (change, now), screen).await
        }
        Command::Key(KeyCommand::Suspend(options)) => {
            key::change(session, &options.keys, (Change::Suspend, now), screen).await
        }
        Command::Key(KeyCommand::Resume(options)) => {
            key::change(session, &options.keys, (Change::Resume, now), screen).await
        }
    }
}
