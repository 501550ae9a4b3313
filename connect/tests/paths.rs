//! Where each tool keeps its settings, on the systems that this test does not run on, too.

#![cfg(test)]

use std::{collections::BTreeMap, fs, path::Path};

use anyray_connect::{
    environment::{Environment, System},
    tool::{self, Way},
};
use tempfile::TempDir;

const CLAUDE: &str = ".claude/settings.json";
const CODEX: &str = ".codex/anyray.config.toml";

fn environment(system: System, home: &Path, variables: &[(&str, &str)]) -> Environment {
    let variables = variables.iter();
    let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::new(system, home.to_owned(), variables.collect())
}

/// Where a tool's settings are, below the home folder if they are there.
fn place(environment: &Environment, id: &str) -> Result<String, String> {
    let tool = tool::find(id).expect("a tool");
    let Way::File(settings) = tool.way else {
        panic!("{id} has no file");
    };
    let path = settings.path(environment)?;
    let below = path.strip_prefix(&environment.home).unwrap_or(&path);
    Ok(below.display().to_string())
}

#[test]
fn every_file_is_where_its_tool_looks_for_it() {
    use System::{Linux, MacOs, Windows};
    let bash = ("SHELL", "/bin/bash");
    let git_bash = ("SHELL", "C:\\Program Files\\Git\\bin\\bash.exe");
    for (system, variables, id, expected) in [
        (Linux, &[bash][..], "claude-code", CLAUDE),
        (MacOs, &[bash], "claude-code", CLAUDE),
        (Windows, &[], "claude-code", CLAUDE),
        (
            Linux,
            &[("CLAUDE_CONFIG_DIR", "/c")],
            "claude-code",
            "/c/settings.json",
        ),
        (Linux, &[("CLAUDE_CONFIG_DIR", "")], "claude-code", CLAUDE),
        (Linux, &[bash], "codex", CODEX),
        (MacOs, &[bash], "codex", CODEX),
        (Windows, &[], "codex", CODEX),
        (
            MacOs,
            &[("CODEX_HOME", "/c")],
            "codex",
            "/c/anyray.config.toml",
        ),
        (Linux, &[bash], "shell-env", ".bashrc"),
        (MacOs, &[bash], "shell-env", ".bash_profile"),
        (Windows, &[git_bash], "shell-env", ".bashrc"),
        (MacOs, &[("SHELL", "/bin/zsh")], "shell-env", ".zshrc"),
        (
            Linux,
            &[("SHELL", "/bin/zsh"), ("ZDOTDIR", "/z")],
            "shell-env",
            "/z/.zshrc",
        ),
        (
            Linux,
            &[("SHELL", "/usr/bin/fish")],
            "shell-env",
            ".config/fish/conf.d/anyray.fish",
        ),
    ] {
        let home = TempDir::new().expect("a folder");
        let environment = environment(system, home.path(), variables);
        let found = place(&environment, id);
        assert_eq!(found.as_deref(), Ok(expected), "{system:?} {variables:?}");
    }
}

#[test]
fn a_place_that_cannot_be_told_says_what_to_do() {
    let home = TempDir::new().expect("a folder");
    for (variables, id, word) in [
        (
            &[("CLAUDE_CONFIG_DIR", "c")][..],
            "claude-code",
            "CLAUDE_CONFIG_DIR",
        ),
        (&[("CODEX_HOME", "c")], "codex", "CODEX_HOME"),
        (&[("SHELL", "/bin/tcsh")], "shell-env", "OPENAI_BASE_URL"),
        (&[], "shell-env", "SHELL"),
    ] {
        let environment = environment(System::Linux, home.path(), variables);
        let reason = place(&environment, id).expect_err(id);
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn tools_are_found_by_what_they_leave_on_each_system() {
    for (system, folder, variables, id) in [
        (System::Linux, ".claude", &[][..], "claude-code"),
        (System::Windows, ".codex", &[], "codex"),
        (System::Linux, ".config/Cursor", &[], "cursor"),
        (
            System::MacOs,
            "Library/Application Support/Cursor",
            &[],
            "cursor",
        ),
        (System::MacOs, "Applications/Cursor.app", &[], "cursor"),
        (System::Windows, "AppData/Roaming/Cursor", &[], "cursor"),
        (System::Windows, "AppData/Roaming/Windsurf", &[], "windsurf"),
        (System::Linux, ".codeium/windsurf", &[], "windsurf"),
    ] {
        let home = TempDir::new().expect("a folder");
        let environment = environment(system, home.path(), variables);
        let tool = tool::find(id).expect("a tool");
        assert!(!(tool.is_present)(&environment), "{id} in an empty home");
        fs::create_dir_all(home.path().join(folder)).expect("made");
        assert!((tool.is_present)(&environment), "{id} by {folder}");
    }
}

#[test]
fn programs_are_found_by_the_endings_of_their_system() {
    let home = TempDir::new().expect("a folder");
    let path = home.path().display().to_string();
    for (system, file) in [(System::Linux, "claude"), (System::Windows, "codex.cmd")] {
        fs::write(home.path().join(file), "").expect("written");
        let variables = BTreeMap::from([("PATH".to_owned(), path.clone())]);
        let environment = Environment::new(system, home.path().join("none"), variables);
        let name = file.strip_suffix(".cmd").unwrap_or(file);
        assert!(environment.has_program(name), "{file}");
    }
}
