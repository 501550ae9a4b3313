//! Why the program stops: what, where, and what to do. No variant holds a key or a code.

use std::{error::Error, io, path::PathBuf};

use anyray_wire::anyray::credential::CredentialFault;

use crate::{edit::EditFault, file::FileFault};

/// Status for arguments or variables that make no sense, as clap has it.
pub const EXIT_USAGE: u8 = 2;

/// Why the program stops.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Arguments or variables make no sense.
    #[error("{0}")]
    Usage(String),
    /// A credential is not one, or not whole.
    #[error("{place} {fault}: {advice}")]
    Credential {
        /// Where it stands.
        place: &'static str,
        /// What is wrong with it.
        fault: CredentialFault,
        /// What to do.
        advice: &'static str,
    },
    /// The user has no home folder.
    #[error("there is no home folder: set HOME to its absolute path")]
    FindHome,
    /// No tool was found.
    #[error(
        "none of the tools is on this machine: name those to set up by --tools, for example --tools claude-code"
    )]
    NoTool,
    /// A tool has no file that could be changed.
    #[error("{tool} cannot be set up: {reason}; or leave it out by --tools")]
    NoFile {
        /// The tool.
        tool: &'static str,
        /// Why, and what to do.
        reason: String,
    },
    /// A file of settings cannot be changed; nothing was.
    #[error(
        "{} is not changed, and nothing else is: {fault}; fix it, or leave {tool} out by --tools", .path.display()
    )]
    Edit {
        /// The tool.
        tool: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong in it, and where.
        fault: EditFault,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileFault),
    /// What this program remembers is not readable.
    #[error(
        "{} is not what anyray-connect has written there: {reason}; move it away, and --revert will go by what is in the tools' files", .path.display()
    )]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// Another run is at work.
    #[error(
        "another anyray-connect is at work ({} is locked): wait for it, then try again", .0.display()
    )]
    Busy(PathBuf),
    /// Nobody is there to be asked.
    #[error(
        "nobody can be asked, because this is no terminal: look at it by --dry-run, then say --yes"
    )]
    NoTerminal,
    /// What was shown is not what would be done.
    #[error(
        "something has changed since the changes were shown: nothing was done, look at them again"
    )]
    Changed,
    /// The user said no.
    #[error("nothing was changed")]
    Declined,
    /// The gateway cannot be reached, or gives an answer that makes no sense.
    #[error("{action} at {gateway} failed: {reason}")]
    Call {
        /// What was tried.
        action: &'static str,
        /// Address of the gateway.
        gateway: String,
        /// Why, and what to do.
        reason: String,
    },
    /// A file could not be written after others, or after the key had come.
    #[error("{}; {kept}", with_causes(.why))]
    Unfinished {
        /// What went wrong.
        why: Box<Failure>,
        /// What is safe, and what to do.
        kept: String,
    },
    /// There is no key to print.
    #[error("there is no key for {0} here: get one by --invite CODE")]
    NoKey(String),
    /// Something is wrong, and all of it has been said.
    #[error("{0}")]
    Found(String),
    /// Standard output or input failed.
    #[error("cannot talk to the terminal")]
    Terminal(#[source] io::Error),
}

impl Failure {
    /// The program's exit status: 2 for usage, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Credential { .. } => EXIT_USAGE,
            _ => 1,
        }
    }
}

/// An error's text and those of its causes that do not repeat what is said.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
