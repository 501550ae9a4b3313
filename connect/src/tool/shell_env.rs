//! The environment of a shell, for SDKs, scripts and tools that read the usual variables.
//!
//! All Anthropic clients read `ANTHROPIC_API_KEY`; `LangChain`'s and Vercel's do not read
//! `ANTHROPIC_AUTH_TOKEN` (measured). The gateway takes a key in either header. Claude Code's
//! subscription would lose against that variable, so the settings that this program writes for it
//! blank it.

use std::path::{Path, PathBuf};

use super::{Pointing, Settings, Tool, Undo, Way};
use crate::{
    edit::{
        EditFault,
        shell_block::{self, Assignment, Dialect},
    },
    environment::{Environment, System},
    setup::{Billing, Setup, is_ours},
};

/// The environment of a shell.
pub const TOOL: Tool = Tool {
    id: "shell-env",
    title: "Shell environment",
    is_present: |environment| Shell::of(environment).is_some(),
    way: Way::File(&ShellEnv),
};

const OPENAI_BASE_URL: &str = "OPENAI_BASE_URL";
const OPENAI_API_KEY: &str = "OPENAI_API_KEY";
const ANTHROPIC_BASE_URL: &str = "ANTHROPIC_BASE_URL";
const ANTHROPIC_API_KEY: &str = "ANTHROPIC_API_KEY";

const SUBSCRIPTION: &str = "Programs that read these variables are not paid by your subscription. Claude Code is, but only while it is set up by this program, too: ANTHROPIC_API_KEY would win otherwise.";

struct ShellEnv;

impl Settings for ShellEnv {
    fn path(&self, environment: &Environment) -> Result<PathBuf, String> {
        let shell = Shell::of(environment).ok_or_else(|| by_hand(environment))?;
        Ok(match shell {
            Shell::Bash => bash_profile(environment),
            Shell::Zsh => folder(environment, "ZDOTDIR", "").join(".zshrc"),
            // fish reads all files of that folder, so this one can be ours alone.
            Shell::Fish => {
                folder(environment, "XDG_CONFIG_HOME", ".config").join("fish/conf.d/anyray.fish")
            }
        })
    }

    fn apply(&self, setup: &Setup, file: &Path, base: Option<&str>) -> Result<String, EditFault> {
        let dialect = dialect_of(file);
        let lines: Result<Vec<_>, _> = variables(setup)
            .iter()
            .map(|(name, value)| dialect.assign(name, value))
            .collect();
        shell_block::put(base, &lines?)
    }

    fn remove(&self, current: &str, _: &Undo<'_>) -> Result<Option<String>, EditFault> {
        shell_block::remove(current)
    }

    /// The block stays where its user has moved it.
    fn reapply(
        &self,
        setup: &Setup,
        file: &Path,
        current: &str,
        base: Option<&str>,
    ) -> Result<String, EditFault> {
        let from = if shell_block::find(current)?.is_some() {
            Some(current)
        } else {
            base
        };
        self.apply(setup, file, from)
    }

    fn pointing(&self, text: &str) -> Result<Pointing, EditFault> {
        let Some(block) = shell_block::find(text)? else {
            return Ok(Pointing::default());
        };
        let read = |name| {
            // The last one wins, as in the shell.
            let lines = block.inside.lines().rev();
            let mut found = lines.filter_map(shell_block::read_assignment);
            found.find(|it| it.name == name).and_then(|it| it.value)
        };
        Ok(Pointing {
            base_url: read(ANTHROPIC_BASE_URL).or_else(|| read(OPENAI_BASE_URL)),
            credential: read(ANTHROPIC_API_KEY).or_else(|| read(OPENAI_API_KEY)),
            is_subscription: false,
        })
    }

    fn warnings(
        &self,
        setup: &Setup,
        environment: &Environment,
        text: &str,
        _: Option<&str>,
    ) -> Vec<String> {
        let Ok(path) = self.path(environment) else {
            return Vec::new();
        };
        let shown = environment.shorten(&path);
        let block = shell_block::find(text).ok().flatten();
        let below = block.map_or(0, |block| text.len() - block.after.len());
        let others = assignments(text);
        let (mut warnings, mut elsewhere) = (Vec::new(), Vec::new());
        for (name, value) in variables(setup) {
            let mut same = others.iter().filter(|it| it.2.name == name);
            match same.next_back() {
                Some((byte, line, _)) if *byte >= below => {
                    warnings.push(format!("Line {line} of {shown} sets {name} after the block, and wins: delete it, or move it above the block."));
                }
                Some(_) => {}
                None if has_another(environment, name, &value) => elsewhere.push(name),
                None => {}
            }
        }
        warnings.extend(of_elsewhere(&elsewhere, &shown));
        warnings
    }

    fn next_steps(&self, setup: &Setup, environment: &Environment) -> Vec<String> {
        let mut steps = Vec::new();
        if let Ok(path) = self.path(environment) {
            let shown = as_argument(&environment.shorten(&path), &path);
            steps.push(format!("Open a new terminal, or run: `source {shown}`"));
        }
        if setup.billing == Billing::Subscription {
            steps.push(SUBSCRIPTION.to_owned());
        }
        steps
    }
}

/// What programs are told, in this order.
fn variables(setup: &Setup) -> [(&'static str, String); 4] {
    let key = setup.credential.as_str();
    [
        (OPENAI_BASE_URL, setup.gateway.openai()),
        (OPENAI_API_KEY, key.to_owned()),
        (ANTHROPIC_BASE_URL, setup.gateway.as_str().to_owned()),
        (ANTHROPIC_API_KEY, key.to_owned()),
    ]
}

/// Shells whose profiles are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    /// The user's own, by the name of its program.
    fn of(environment: &Environment) -> Option<Self> {
        let program = environment.variable("SHELL")?;
        let name = program.rsplit(['/', '\\']).next()?;
        match name.strip_suffix(".exe").unwrap_or(name) {
            "bash" => Some(Self::Bash),
            "zsh" => Some(Self::Zsh),
            "fish" => Some(Self::Fish),
            _ => None,
        }
    }
}

/// What bash reads when a terminal opens.
///
/// On macOS that is a login shell, which reads the first of three files and never `.bashrc`; a new
/// `.bash_profile` would hide the other two. Elsewhere it is `.bashrc`, which the login files of
/// distributions read as well.
///
/// Source: bash's manual, "Bash Startup Files".
fn bash_profile(environment: &Environment) -> PathBuf {
    let names: &[&str] = match environment.system {
        System::MacOs => &[".bash_profile", ".bash_login", ".profile"],
        System::Linux | System::Windows => &[".bashrc"],
    };
    let files = names.iter().map(|name| environment.home.join(name));
    let files: Vec<_> = files.collect();
    let found = files.iter().find(|file| file.exists());
    let file = found.or_else(|| files.first()).cloned();
    file.unwrap_or_else(|| environment.home.join(".bashrc"))
}

/// A folder that a variable names, if that is absolute, or else one below the home folder.
fn folder(environment: &Environment, variable: &str, below_home: &str) -> PathBuf {
    let named = environment.variable(variable).map(PathBuf::from);
    let named = named.filter(|folder| folder.is_absolute());
    named.unwrap_or_else(|| environment.home.join(below_home))
}

/// Why there is no profile, and what to do.
fn by_hand(environment: &Environment) -> String {
    let why = match environment.variable("SHELL") {
        Some(shell) => format!("{shell} is none of bash, zsh and fish"),
        None => "SHELL names no shell".to_owned(),
    };
    let how = match environment.system {
        System::Windows => {
            "in Settings > System > About > Advanced system settings > Environment Variables"
        }
        System::Linux | System::MacOs => "in what your shell reads when it starts",
    };
    format!(
        "{why}; set these {how}: {OPENAI_BASE_URL} (the gateway's address and /v1), {ANTHROPIC_BASE_URL} (the gateway's address), and {OPENAI_API_KEY} and {ANTHROPIC_API_KEY} (what `anyray-connect print-key` prints)"
    )
}

fn dialect_of(file: &Path) -> Dialect {
    match file.extension() {
        Some(extension) if extension == "fish" => Dialect::Fish,
        _ => Dialect::Posix,
    }
}

/// A path to be pasted: as people write it where that is one word, else quoted.
fn as_argument(shown: &str, path: &Path) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "~/\\._-+".contains(character);
    if shown.chars().all(is_plain) {
        shown.to_owned()
    } else {
        dialect_of(path).quote(&path.display().to_string())
    }
}

/// Byte, line and content of each line that sets a variable, without those of the block.
fn assignments(text: &str) -> Vec<(usize, usize, Assignment<'_>)> {
    let mut all = Vec::new();
    let (mut byte, mut is_ours) = (0, false);
    for (line, content) in text.split_inclusive('\n').enumerate() {
        match content.trim() {
            shell_block::BEGIN => is_ours = true,
            shell_block::END => is_ours = false,
            _ if is_ours => {}
            _ => all.extend(shell_block::read_assignment(content).map(|it| (byte, line + 1, it))),
        }
        byte += content.len();
    }
    all
}

/// Whether the process has a variable from somebody else; an earlier run's does not count.
fn has_another(environment: &Environment, name: &str, value: &str) -> bool {
    let current = environment.variable(name);
    current.is_some_and(|current| current != value && !is_ours(current))
}

fn of_elsewhere(names: &[&str], shown: &str) -> Option<String> {
    let (last, first) = names.split_last()?;
    let (names, have, them) = match first {
        [] => ((*last).to_owned(), "has another value", "it"),
        _ => (
            format!("{} and {last}", first.join(", ")),
            "have other values",
            "them",
        ),
    };
    Some(format!(
        "{names} {have} in this terminal. If that is so in a new one, too, something sets {them} after {shown}: take it out there."
    ))
}

#[cfg(test)]
mod tests;
