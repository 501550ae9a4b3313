//! The program in a real terminal: tmux types, and what it shows is read from the screen.

use std::{
    fs,
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::home::{GATEWAY, Home};

/// For a screen to show what is waited for, on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

const QUESTION: &str = "Make these changes? [y/N]";

/// A terminal of this size that runs one command; its server ends with it.
struct Terminal {
    folder: TempDir,
}

impl Terminal {
    /// Starts the program at home, with further variables.
    fn start(home: &Home, size: (u16, u16), variables: &str, arguments: &str) -> Self {
        let terminal = Self {
            folder: TempDir::new().expect("a folder"),
        };
        let status = terminal.folder.path().join("status");
        let command = format!(
            "trap : INT; env -i HOME={home} PATH=/usr/bin:/bin SHELL=/bin/bash USER=ada TERM=$TERM {variables} \
             {program} {arguments}; echo $? >{status}; exec sleep 60",
            home = home.path("").display(),
            program = env!("CARGO_BIN_EXE_anyray-connect"),
            status = status.display(),
        );
        let (width, height) = (size.0.to_string(), size.1.to_string());
        let started = terminal.tmux(&[
            "new-session",
            "-d",
            "-s",
            "it",
            "-x",
            &width,
            "-y",
            &height,
            &command,
        ]);
        assert!(started.status.success(), "{started:?}");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux")
            .arg("-S")
            .arg(self.folder.path().join("socket"))
            .args(["-f", "/dev/null"])
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("tmux is installed, see .ci/test")
    }

    fn press(&self, keys: &[&str]) {
        let pressed = self.tmux(&[&["send-keys", "-t", "it"], keys].concat());
        assert!(pressed.status.success(), "{pressed:?}");
    }

    /// The screen and what has scrolled out of it, with escape sequences if `-e` is asked for.
    fn screen(&self, more: &[&str]) -> String {
        let arguments = ["capture-pane", "-p", "-t", "it", "-S", "-200"];
        let captured = self.tmux(&[&arguments, more].concat());
        String::from_utf8(captured.stdout).expect("text")
    }

    fn wait_for(&self, what: &str, look: impl Fn() -> bool) {
        let end = Instant::now() + LIMIT;
        while !look() {
            assert!(Instant::now() < end, "no {what}: {}", self.screen(&[]));
            pause();
        }
    }

    fn wait_for_text(&self, text: &str) -> String {
        self.wait_for(text, || self.screen(&[]).contains(text));
        self.screen(&[])
    }

    /// Waits for the program's end.
    fn status(&self) -> i32 {
        let path = self.folder.path().join("status");
        let read = || fs::read_to_string(&path).unwrap_or_default();
        self.wait_for("status", || read().ends_with('\n'));
        read().trim().parse().expect("a status")
    }
}

/// Nobody tells when a screen changes.
#[expect(clippy::disallowed_methods, reason = "between two looks at a screen")]
fn pause() {
    thread::sleep(Duration::from_millis(20));
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn arguments() -> String {
    format!("--gateway {GATEWAY}")
}

#[test]
fn yes_sets_up_and_yes_reverts() {
    let home = Home::lived_in();
    let before = home.tree();
    let terminal = Terminal::start(&home, (100, 50), "", &arguments());
    terminal.wait_for_text(QUESTION);
    assert!(
        !home.read(".bashrc").contains(GATEWAY),
        "nobody has answered"
    );
    terminal.press(&["y", "Enter"]);
    assert_eq!(terminal.status(), 0);
    assert!(home.read(".bashrc").contains(GATEWAY));

    let terminal = Terminal::start(&home, (100, 50), "", "--revert");
    terminal.wait_for_text("Undo these changes? [y/N]");
    terminal.press(&["yes", "Enter"]);
    assert_eq!(terminal.status(), 0);
    assert_eq!(home.tree(), before);
}

#[test]
fn anything_but_yes_changes_nothing() {
    for (keys, status) in [
        (&["n", "Enter"][..], 1),
        (&["Enter"], 1),
        (&["yep", "Enter"], 1),
        (&["C-d"], 1),
        // What a shell says of a program that SIGINT has ended.
        (&["C-c"], 130),
    ] {
        let home = Home::lived_in();
        let before = home.tree();
        let terminal = Terminal::start(&home, (100, 50), "", &arguments());
        terminal.wait_for_text(QUESTION);
        terminal.press(keys);
        assert_eq!(terminal.status(), status, "{keys:?}");
        assert_eq!(home.tree(), before, "{keys:?}");
    }
}

#[test]
fn what_changes_while_the_question_stands_is_not_overwritten() {
    let home = Home::lived_in();
    let terminal = Terminal::start(&home, (100, 50), "", &arguments());
    terminal.wait_for_text(QUESTION);
    home.write(".claude/settings.json", "{\"model\": \"sonnet\"}");
    let before = home.tree();
    terminal.press(&["y", "Enter"]);
    assert_eq!(terminal.status(), 1);
    terminal.wait_for_text("something has changed");
    assert_eq!(home.tree(), before);
}

#[test]
fn a_narrow_window_keeps_words_and_commands_whole() {
    let home = Home::lived_in();
    home.install("cursor");
    let terminal = Terminal::start(
        &home,
        (40, 200),
        "",
        &format!("{} --tools claude-code,codex,cursor --yes", arguments()),
    );
    assert_eq!(terminal.status(), 0);
    let screen = terminal.screen(&[]);
    for whole in [
        "`codex --profile anyray`",
        "`anyray-connect --revert`",
        "https://llm.example.com/v1",
    ] {
        assert!(screen.contains(whole), "{whole} is broken: {screen}");
    }
    for line in screen.lines() {
        assert!(line.chars().count() <= 40, "{line}");
    }
}

#[test]
fn colours_are_for_terminals_that_have_them() {
    const GREEN: &str = "\u{1b}[32m";
    for (variables, is_coloured) in [("", true), ("NO_COLOR=1", false), ("TERM=dumb", false)] {
        let home = Home::lived_in();
        let dry = format!("{} --dry-run", arguments());
        let terminal = Terminal::start(&home, (100, 50), variables, &dry);
        assert_eq!(terminal.status(), 0);
        let screen = terminal.screen(&["-e"]);
        assert_eq!(screen.contains(GREEN), is_coloured, "{variables}: {screen}");
        assert!(screen.contains("ANTHROPIC_BASE_URL"), "{screen}");
    }
    let home = Home::lived_in();
    let piped = home.run(&["--gateway", GATEWAY, "--dry-run"]).succeeded();
    assert!(!piped.out.contains('\u{1b}'), "{}", piped.out);
}
