//! Where the block goes, what it says, and what people are told.

use std::{collections::BTreeMap, fs};

use anyray_wire::anyray::secret::Secret;

use super::*;
use crate::{gateway_url::GatewayUrl, setup::Credential};

fn environment(system: System, home: &Path, variables: &[(&str, &str)]) -> Environment {
    let variables = variables.iter();
    let variables: BTreeMap<_, _> = variables
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Environment::new(system, home.to_owned(), variables)
}

fn linux(variables: &[(&str, &str)]) -> Environment {
    environment(System::Linux, Path::new("/home/ada"), variables)
}

fn setup() -> Setup {
    Setup {
        gateway: GatewayUrl::parse("https://llm.example.com").expect("an address"),
        credential: Credential::Key(Secret("ark_secret".to_owned())),
        user: None,
        team: None,
        billing: Billing::Organisation,
    }
}

#[test]
fn the_shell_says_which_file() {
    for (variables, expected) in [
        (&[("SHELL", "/bin/bash")] as &[_], "/home/ada/.bashrc"),
        (&[("SHELL", "/usr/local/bin/zsh")], "/home/ada/.zshrc"),
        (&[("SHELL", "/bin/zsh"), ("ZDOTDIR", "/z")], "/z/.zshrc"),
        (
            &[("SHELL", "/bin/zsh"), ("ZDOTDIR", "z")],
            "/home/ada/.zshrc",
        ),
        (
            &[("SHELL", "fish")],
            "/home/ada/.config/fish/conf.d/anyray.fish",
        ),
        (
            &[("SHELL", "/bin/fish"), ("XDG_CONFIG_HOME", "/x")],
            "/x/fish/conf.d/anyray.fish",
        ),
    ] {
        let environment = linux(variables);
        assert!((TOOL.is_present)(&environment));
        assert_eq!(ShellEnv.path(&environment), Ok(PathBuf::from(expected)));
    }
}

#[test]
fn another_shell_is_set_up_by_hand() {
    for variables in [
        &[("SHELL", "/bin/tcsh")] as &[_],
        &[],
        &[("SHELL", "/bin/sh")],
    ] {
        let environment = linux(variables);
        assert!(!(TOOL.is_present)(&environment));
        let reason = ShellEnv.path(&environment).expect_err("no file");
        for (name, _) in super::variables(&setup()) {
            assert!(reason.contains(name), "{reason}");
        }
    }
}

#[test]
fn git_bash_on_windows_has_a_profile() {
    let home = Path::new("home");
    let shell = [("SHELL", r"C:\Program Files\Git\usr\bin\bash.exe")];
    let environment = environment(System::Windows, home, &shell);
    assert_eq!(ShellEnv.path(&environment), Ok(home.join(".bashrc")));
}

#[test]
fn no_login_file_is_hidden_by_a_new_one_on_macos() {
    let home = tempfile::tempdir().expect("a folder");
    let environment = environment(System::MacOs, home.path(), &[("SHELL", "/bin/bash")]);
    let path = || ShellEnv.path(&environment).expect("a path");
    assert_eq!(path(), home.path().join(".bash_profile"));
    fs::write(home.path().join(".profile"), "").expect("written");
    assert_eq!(path(), home.path().join(".profile"));
    fs::write(home.path().join(".bash_profile"), "").expect("written");
    assert_eq!(path(), home.path().join(".bash_profile"));
}

#[test]
fn the_file_is_as_it_was_without_the_block() {
    for file in [".bashrc", ".zshrc", "anyray.fish"] {
        for base in [None, Some(""), Some("alias a=b"), Some("a\r\n")] {
            let file = Path::new(file);
            let once = ShellEnv.apply(&setup(), file, base).expect("applied");
            let removed = ShellEnv.remove(&once, &Undo::default()).expect("removed");
            assert_eq!(removed.as_deref(), base);
            let pointing = ShellEnv.pointing(&once).expect("a block");
            let expected = Pointing {
                base_url: Some("https://llm.example.com".to_owned()),
                credential: Some("ark_secret".to_owned()),
                is_subscription: false,
            };
            assert!(pointing == expected, "{pointing:?}");
        }
    }
}

#[test]
fn a_file_without_the_block_points_nowhere() {
    let text = "export ANTHROPIC_BASE_URL=https://other.example.com\n";
    assert_eq!(ShellEnv.pointing(text), Ok(Pointing::default()));
}

fn warnings(variables: &[(&str, &str)], text: &str) -> Vec<String> {
    let variables = [&[("SHELL", "/bin/bash")], variables].concat();
    ShellEnv.warnings(&setup(), &linux(&variables), text, None)
}

#[test]
fn people_are_told_how_to_read_the_file() {
    for (variables, expected) in [
        (&[("SHELL", "/bin/bash")][..], "source ~/.bashrc"),
        (
            &[("SHELL", "/bin/zsh"), ("ZDOTDIR", "/a 'b'")],
            r"source '/a '\''b'\''/.zshrc'",
        ),
    ] {
        let steps = ShellEnv.next_steps(&setup(), &linux(variables));
        assert_eq!(
            steps,
            [format!("Open a new terminal, or run: `{expected}`")]
        );
    }
}

#[test]
fn people_are_told_of_lines_that_win() {
    let above = "# mine\nexport OPENAI_API_KEY=sk-mine\n";
    let written = ShellEnv.apply(&setup(), Path::new(".bashrc"), Some(above));
    let written = written.expect("applied");
    let loses = warnings(&[("OPENAI_API_KEY", "sk-mine")], &written);
    assert!(loses.is_empty(), "{loses:?}");
    let below = format!("{written}export ANTHROPIC_BASE_URL=https://other.example.com\n");
    let wins = "Line 10 of ~/.bashrc sets ANTHROPIC_BASE_URL after the block, and wins: delete it, or move it above the block.";
    assert_eq!(warnings(&[], &below), [wins]);
}

#[test]
fn people_are_told_of_variables_from_elsewhere() {
    let told = warnings(
        &[
            ("OPENAI_API_KEY", "sk-mine"),
            ("ANTHROPIC_API_KEY", "ark_old"),
        ],
        "",
    );
    let expected = "OPENAI_API_KEY has another value in this terminal. If that is so in a new one, too, something sets it after ~/.bashrc: take it out there.";
    assert_eq!(told, [expected]);
}

#[test]
fn people_are_told_what_a_subscription_does_not_pay_for() {
    let billing = Billing::Subscription;
    let setup = Setup { billing, ..setup() };
    let told = ShellEnv.next_steps(&setup, &linux(&[("SHELL", "/bin/bash")]));
    assert_eq!(told[1..], [SUBSCRIPTION]);
}

#[test]
fn no_value_is_told() {
    let told = warnings(
        &[("OPENAI_API_KEY", "sk-mine")],
        "ANTHROPIC_API_KEY=sk-mine\n",
    )
    .join("\n");
    assert!(
        !told.contains("sk-mine") && !told.contains("ark_"),
        "{told}"
    );
}
