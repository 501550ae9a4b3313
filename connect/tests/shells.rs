//! Real shells read what is written for them.

#![cfg(test)]

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyray_connect::{
    environment::{Environment, System},
    gateway_url::GatewayUrl,
    setup::{Billing, Credential, Setup},
    tool::{self, Settings, Undo, Way},
};
use anyray_wire::anyray::secret::Secret;

/// No key of ours looks like this; it must arrive nevertheless.
const ODD_KEY: &str = r#"ark_'" $HOME `id` $(id) \ \\ \' !! #;&|<>*?[~]{a,b} ^ % ä 🦀"#;

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

fn setup(key: &str) -> Setup {
    Setup {
        gateway: GatewayUrl::parse("https://llm.example.com/team-a").expect("an address"),
        credential: Credential::Key(Secret(key.to_owned())),
        user: None,
        team: None,
        billing: Billing::Organisation,
    }
}

fn settings() -> &'static dyn Settings {
    match tool::find("shell-env").expect("a tool").way {
        Way::File(settings) => settings,
        Way::ByHand(_) => panic!("shell-env has no file"),
    }
}

/// A home folder with the profile of a shell in it.
struct Home {
    shell: &'static str,
    folder: tempfile::TempDir,
    profile: PathBuf,
}

impl Home {
    fn new(shell: &'static str, base: Option<&str>) -> Self {
        Self::with_key(shell, base, ODD_KEY)
    }

    fn with_key(shell: &'static str, base: Option<&str>, key: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let variables = BTreeMap::from([("SHELL".to_owned(), format!("/usr/bin/{shell}"))]);
        let environment = Environment::new(System::Linux, folder.path().to_owned(), variables);
        let profile = settings().path(&environment).expect("a path");
        fs::create_dir_all(profile.parent().expect("a folder")).expect("made");
        let text = settings().apply(&setup(key), &profile, base);
        fs::write(&profile, text.expect("applied")).expect("written");
        Self {
            shell,
            folder,
            profile,
        }
    }

    /// The variables that a program gets from the shell that is started so.
    fn variables(&self, arguments: &[&OsStr]) -> BTreeMap<String, String> {
        let output = Command::new(self.shell)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", std::env::var_os("PATH").expect("a path"))
            .output()
            .unwrap_or_else(|error| panic!("install {}: {error}", self.shell));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{} {arguments:?}: {errors}",
            self.shell
        );
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    fn sourced(&self, script: &str) -> BTreeMap<String, String> {
        let script = format!("{script}; env -0");
        let bare: &[&str] = match self.shell {
            "bash" => &["--noprofile", "--norc", "-c"],
            "zsh" => &["-f", "-c"],
            _ => &["--no-config", "-c"],
        };
        let mut arguments: Vec<&OsStr> = bare.iter().map(OsStr::new).collect();
        arguments.push(OsStr::new(&script));
        // What POSIX shells take for `$0`; fish has only the arguments that follow.
        if self.shell != "fish" {
            arguments.push(OsStr::new("shell"));
        }
        arguments.push(self.profile.as_os_str());
        self.variables(&arguments)
    }

    /// How a script names its first argument.
    fn first_argument(&self) -> &'static str {
        if self.shell == "fish" {
            "$argv[1]"
        } else {
            "\"$1\""
        }
    }
}

#[track_caller]
fn assert_set_up(variables: &BTreeMap<String, String>, key: &str) {
    for (name, expected) in [
        ("OPENAI_BASE_URL", "https://llm.example.com/team-a/v1"),
        ("OPENAI_API_KEY", key),
        ("ANTHROPIC_BASE_URL", "https://llm.example.com/team-a"),
        ("ANTHROPIC_API_KEY", key),
    ] {
        assert_eq!(
            variables.get(name).map(String::as_str),
            Some(expected),
            "{name}"
        );
    }
}

#[test]
fn values_arrive_exactly() {
    for shell in SHELLS {
        let home = Home::new(shell, None);
        let first = home.first_argument();
        assert_set_up(&home.sourced(&format!("source {first}")), ODD_KEY);
    }
}

#[test]
fn it_may_be_read_twice() {
    for shell in SHELLS {
        let home = Home::new(shell, None);
        let first = home.first_argument();
        let script = format!("source {first}; source {first}");
        assert_set_up(&home.sourced(&script), ODD_KEY);
    }
}

#[test]
fn strict_shells_read_it() {
    for shell in ["bash", "zsh"] {
        let home = Home::new(shell, Some("true"));
        assert_set_up(&home.sourced("set -eu; source \"$1\""), ODD_KEY);
    }
}

#[test]
fn options_of_zsh_change_nothing() {
    let home = Home::new(
        "zsh",
        Some("setopt rc_quotes ksh_arrays sh_word_split no_unset bang_hist\n"),
    );
    assert_set_up(&home.sourced("source \"$1\""), ODD_KEY);
}

#[test]
fn a_posix_shell_reads_it() {
    let home = Home::new("bash", Some("alias a=b"));
    let script = ". \"$1\"; env -0";
    let output = Command::new("sh")
        .args(["-euc", script, "sh"])
        .arg(&home.profile)
        .output()
        .expect("sh");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains(&format!("OPENAI_API_KEY={ODD_KEY}\0")),
        "{text}"
    );
}

#[test]
fn a_new_terminal_has_it() {
    for shell in SHELLS {
        for base in [None, Some("# mine \\"), Some("# from Windows\r\n")] {
            let home = Home::new(shell, base);
            let arguments = ["-i", "-c", "env -0"].map(OsStr::new);
            assert_set_up(&home.variables(&arguments), ODD_KEY);
        }
    }
}

#[test]
fn it_wins_over_lines_above_and_is_gone_when_it_is_taken_out() {
    for shell in SHELLS {
        let base = match shell {
            "fish" => "set -gx OPENAI_API_KEY mine\n",
            _ => "export OPENAI_API_KEY=mine\n",
        };
        let home = Home::new(shell, Some(base));
        let arguments = ["-i", "-c", "env -0"].map(OsStr::new);
        assert_set_up(&home.variables(&arguments), ODD_KEY);
        let text = fs::read_to_string(&home.profile).expect("read");
        let text = settings().remove(&text, &Undo::default()).expect("removed");
        fs::write(&home.profile, text.expect("a text")).expect("written");
        let variables = home.variables(&arguments);
        assert_eq!(
            variables.get("OPENAI_API_KEY").map(String::as_str),
            Some("mine")
        );
        assert_eq!(variables.get("ANTHROPIC_BASE_URL"), None);
    }
}

#[test]
fn a_login_shell_of_macos_has_it() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(".profile"), "export FROM_PROFILE=1\n").expect("written");
    let variables = BTreeMap::from([("SHELL".to_owned(), "/bin/bash".to_owned())]);
    let environment = Environment::new(System::MacOs, folder.path().to_owned(), variables);
    let profile = settings().path(&environment).expect("a path");
    let base = fs::read_to_string(&profile).ok();
    let text = settings().apply(&setup("ark_a"), &profile, base.as_deref());
    fs::write(&profile, text.expect("applied")).expect("written");
    let home = Home {
        shell: "bash",
        folder,
        profile,
    };
    let variables = home.variables(&["-l", "-c", "env -0"].map(OsStr::new));
    assert_set_up(&variables, "ark_a");
    assert!(variables.contains_key("FROM_PROFILE"));
}

#[test]
fn the_line_that_people_are_told_to_run_works() {
    for shell in ["bash", "zsh"] {
        let folder = tempfile::tempdir().expect("a folder");
        let odd = folder.path().join("it's a home");
        fs::create_dir(&odd).expect("made");
        let variables = BTreeMap::from([
            ("SHELL".to_owned(), format!("/bin/{shell}")),
            ("ZDOTDIR".to_owned(), odd.display().to_string()),
        ]);
        let environment = Environment::new(System::Linux, folder.path().to_owned(), variables);
        let profile = settings().path(&environment).expect("a path");
        let text = settings().apply(&setup(ODD_KEY), &profile, None);
        fs::write(&profile, text.expect("applied")).expect("written");
        let advice = settings().next_steps(&setup(ODD_KEY), &environment);
        let told = advice.iter().find_map(|line| line.split_once("run: `"));
        let home = Home {
            shell,
            folder,
            profile,
        };
        assert_set_up(
            &home.sourced(told.expect("a command").1.trim_end_matches('`')),
            ODD_KEY,
        );
    }
}

#[test]
fn a_control_character_never_gets_into_a_profile() {
    let fault = settings().apply(&setup("ark_a\nrm -r x"), Path::new(".bashrc"), None);
    assert!(fault.is_err(), "{fault:?}");
}
