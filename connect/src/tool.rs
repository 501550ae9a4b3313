//! The tools that can be set up, one line each in [`ALL`].

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{edit::EditFault, environment::Environment, setup::Setup};

pub mod claude_code;
pub mod codex;
pub mod cursor;
pub mod shell_env;
pub mod windsurf;

/// Every tool, in the order in which people see them.
pub const ALL: &[&Tool] = &[
    &claude_code::TOOL,
    &codex::TOOL,
    &shell_env::TOOL,
    &cursor::TOOL,
    &windsurf::TOOL,
];

/// A tool that calls LLMs.
pub struct Tool {
    /// Its name in `--tools`.
    pub id: &'static str,
    /// Its name as people write it.
    pub title: &'static str,
    /// Whether it is on this machine.
    pub is_present: fn(&Environment) -> bool,
    /// How it is set up.
    pub way: Way,
}

/// How a tool is set up.
pub enum Way {
    /// By a file that this program changes.
    File(&'static dyn Settings),
    /// By hand, in the tool's own windows: the steps, a line each.
    ByHand(fn(&Setup) -> Vec<String>),
}

/// A tool's file of settings. All but [`Settings::path`] is pure: text in, text out.
///
/// With `base` a text without anything of ours, `remove(apply(setup, base))` is `base`, byte for
/// byte, and `apply` of the same is the same.
pub trait Settings: Sync {
    /// Where the file is, whether or not it exists.
    ///
    /// # Errors
    /// Why there is no such place, and what to do.
    fn path(&self, environment: &Environment) -> Result<PathBuf, String>;

    /// The file with the setup in it. `base` is the file without anything of ours, none if there is
    /// no file.
    ///
    /// # Errors
    /// [`EditFault`] if the base is not what the tool would accept.
    fn apply(&self, setup: &Setup, file: &Path, base: Option<&str>) -> Result<String, EditFault>;

    /// The file with another setup in it than it has, or with the same. `base` is the file without
    /// ours; whoever keeps ours where its user has moved it begins with `current`.
    ///
    /// # Errors
    /// As for [`Settings::apply`].
    fn reapply(
        &self,
        setup: &Setup,
        file: &Path,
        _current: &str,
        base: Option<&str>,
    ) -> Result<String, EditFault> {
        self.apply(setup, file, base)
    }

    /// The file without anything of ours, as far as that is still there: what was replaced comes
    /// back, what its user has changed since stays. None if nothing is left and there was no file.
    ///
    /// # Errors
    /// [`EditFault`] if the text is not what the tool would accept.
    fn remove(&self, current: &str, undo: &Undo<'_>) -> Result<Option<String>, EditFault>;

    /// Where the file points the tool.
    ///
    /// # Errors
    /// [`EditFault`] if the text is not what the tool would accept.
    fn pointing(&self, text: &str) -> Result<Pointing, EditFault>;

    /// Another file of the tool that is read with this one, and never changed.
    fn neighbour(&self, _environment: &Environment) -> Option<PathBuf> {
        None
    }

    /// What keeps the tool from doing what `text`, the file with this setup in it, says: settings
    /// beside ours, in the neighbour or in the environment that win. A sentence each, and what to
    /// do.
    fn warnings(
        &self,
        setup: &Setup,
        environment: &Environment,
        text: &str,
        neighbour: Option<&str>,
    ) -> Vec<String>;

    /// What its user does now, a sentence each.
    fn next_steps(&self, setup: &Setup, environment: &Environment) -> Vec<String>;
}

/// What of a file is ours, and all that it takes to write it again.
trait Entries: Default + PartialEq {
    /// What in a text is ours, by what it looks like and by the gateway that was written.
    fn find(text: &str, gateway: Option<&str>) -> Result<Self, EditFault>;

    /// The text with it.
    fn put(&self, base: Option<&str>) -> Result<String, EditFault>;

    /// The text without it, and with what it replaced of the original.
    fn take_back(&self, text: &str, original: Option<&str>) -> Result<Option<String>, EditFault>;
}

/// [`Settings::remove`] of a file with entries of ours among others.
fn remove<E: Entries>(current: &str, undo: &Undo<'_>) -> Result<Option<String>, EditFault> {
    let ours = E::find(current, undo.gateway)?;
    if ours == E::default() {
        return Ok(Some(current.to_owned()));
    }
    // Nothing else has changed since: it is what it was, byte for byte.
    if ours.put(undo.original).as_deref() == Ok(current) {
        return Ok(undo.original.map(str::to_owned));
    }
    ours.take_back(current, undo.original)
}

/// What is known of a file's past.
#[derive(Clone, Copy, Debug, Default)]
pub struct Undo<'a> {
    /// The file as it was before the first run; none if there was none, or if nothing is known.
    pub original: Option<&'a str>,
    /// The gateway that was written, where known.
    pub gateway: Option<&'a str>,
}

/// Where a file of settings points a tool.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pointing {
    /// The base URL; none if the tool calls its provider directly.
    pub base_url: Option<String>,
    /// What it sends to it, ours or another's; none if that stands elsewhere.
    pub credential: Option<String>,
    /// Whether the tool's own subscription pays.
    pub is_subscription: bool,
}

/// Without the credential.
impl fmt::Debug for Pointing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pointing")
            .field("base_url", &self.base_url)
            .field("has_credential", &self.credential.is_some())
            .field("is_subscription", &self.is_subscription)
            .finish()
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File(_) => "File",
            Self::ByHand(_) => "ByHand",
        })
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// The tool of an id.
pub fn find(id: &str) -> Option<&'static Tool> {
    ALL.iter().copied().find(|tool| tool.id == id)
}
