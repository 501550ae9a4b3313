//! What goes wrong changes nothing, and says what to do.

use std::{
    fs,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::home::{GATEWAY, Home, Ran};

#[test]
fn a_broken_file_changes_nothing_and_says_where() {
    for (file, text, place) in [
        (
            ".claude/settings.json",
            "{\n  \"env\": {\n",
            "settings.json",
        ),
        (
            ".claude/settings.json",
            "{\n  \"env\": [],\n  \"a\" 1\n}\n",
            "line 3",
        ),
        (".claude/settings.json", "{\"env\": 1}", "settings.json"),
        (
            ".claude/settings.json",
            "{\n  // mine\n  \"a\": 1\n}\n",
            "line 2, column 3",
        ),
        (".codex/anyray.config.toml", "a = 1\nb = \n", "line 2"),
        (
            ".bashrc",
            "# >>> anyray-connect >>>\nexport A=1\n",
            ".bashrc",
        ),
    ] {
        let home = Home::lived_in();
        home.write(file, text);
        let before = home.tree();
        home.set_up().failed(1, place);
        assert_eq!(home.tree(), before, "{file}: {text}");
    }
}

#[test]
fn a_file_that_is_not_to_be_written_changes_nothing() {
    for file in [".claude/settings.json", ".bashrc"] {
        let home = Home::lived_in();
        home.set_mode(file, 0o444);
        let before = home.tree();
        home.set_up().failed(1, "is read-only");
        assert_eq!(home.tree(), before, "{file}");
    }
    let home = Home::lived_in();
    fs::remove_file(home.path(".bashrc")).expect("removed");
    fs::create_dir(home.path(".bashrc")).expect("made");
    let before = home.tree();
    home.set_up().failed(1, "is no file");
    assert_eq!(home.tree(), before);
}

#[test]
fn nobody_to_ask_is_a_refusal_that_leaves_nothing() {
    let home = Home::lived_in();
    let before = home.tree();
    home.run(&["--gateway", GATEWAY])
        .failed(1, "say --yes")
        .says("change ~/.claude/settings.json");
    assert_eq!(home.tree(), before);
    home.set_up().succeeded();
    let after = home.tree();
    home.run(&["--revert"]).failed(1, "say --yes");
    assert_eq!(home.tree(), after);

    // An answer that comes through a pipe is none.
    let mut command = home.command(&["--revert"]);
    let (read, mut write) = std::io::pipe().expect("a pipe");
    command.stdin(Stdio::from(read));
    std::io::Write::write_all(&mut write, b"y\n").expect("written");
    drop(write);
    Ran::of(command).failed(1, "say --yes");
    assert_eq!(home.tree(), after);
}

#[test]
fn arguments_that_make_no_sense_are_told() {
    let home = Home::lived_in();
    let before = home.tree();
    for (arguments, text) in [
        (
            &["--gateway", "llm.example.com"][..],
            "https://llm.example.com",
        ),
        (&["--tools", "emacs"], "the tools are claude-code, codex"),
        (
            &["--invite", "ari_short", "--yes"],
            "--invite is not complete",
        ),
        (&["--user", "a\nb"], "control characters"),
        (&["--revert", "--subscription"], "cannot be used with"),
        (&["--nonsense"], "--nonsense"),
    ] {
        home.run(arguments).failed(2, text);
    }
    let mut command = home.command(&["--yes"]);
    command.env("ANYRAY_CLIENT_KEY", "ark_cut");
    Ran::of(command).failed(2, "ANYRAY_CLIENT_KEY is not complete");
    assert_eq!(home.tree(), before);
}

#[test]
fn a_home_without_tools_asks_which() {
    let home = Home::new();
    let mut command = home.command(&["--yes"]);
    command.env_remove("SHELL");
    Ran::of(command).failed(1, "--tools");
    assert!(home.tree().is_empty());
}

/// Kills runs at moments spread over their length: whatever is there then, a further run finishes
/// it and a revert undoes it.
#[test]
fn an_interrupted_run_is_gone_on_with_or_undone() {
    let begin = Instant::now();
    Home::lived_in().set_up().succeeded();
    let whole = begin.elapsed();
    let mut partial = 0;
    for step in 0..40 {
        let home = Home::lived_in();
        let before = home.tree();
        let mut child = home
            .command(&["--gateway", GATEWAY, "--yes"])
            .stdout(Stdio::null())
            .spawn()
            .expect("it starts");
        kill_after(&mut child, whole * step / 40);
        partial += usize::from(home.has(".anyray") && !home.read(".bashrc").contains(GATEWAY));
        if step % 2 == 0 {
            once_free(|| home.set_up()).succeeded();
            assert!(home.read(".bashrc").contains(GATEWAY));
        }
        once_free(|| home.run(&["--revert", "--yes"])).succeeded();
        assert_eq!(home.tree(), before, "killed after {step}/40");
    }
    eprintln!("{partial} of 40 runs were killed half-way");
}

/// Runs it once the lock is free: a child of the killed run may hold it for as long as it takes to
/// become another program.
fn once_free(run: impl Fn() -> Ran) -> Ran {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let ran = run();
        if !ran.errors.contains("is at work") || Instant::now() > end {
            return ran;
        }
    }
}

fn kill_after(child: &mut std::process::Child, time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end && child.try_wait().expect("a child").is_none() {
        std::thread::yield_now();
    }
    let _ = child.kill();
    child.wait().expect("it ends");
}

#[test]
fn of_two_runs_at_once_one_is_told_to_wait() {
    let home = Home::lived_in();
    home.set_up().succeeded();
    let lock = fs::File::create(home.path(".anyray/connect.lock")).expect("there");
    lock.lock().expect("locked");
    let other = ["--gateway", "https://other.example.com", "--yes"];
    for arguments in [&other[..], &["--revert", "--yes"]] {
        home.run(arguments)
            .failed(1, "another anyray-connect is at work");
    }
    drop(lock);
    home.run(&other).succeeded();
}

#[test]
fn a_state_that_is_not_readable_is_left_alone() {
    let home = Home::lived_in();
    home.set_up().succeeded();
    home.write(".anyray/connect.json", "{\"version\": 1,\n \"keys\": 7}");
    let before = home.tree();
    for arguments in [&["--yes"][..], &["--revert", "--yes"], &["status"]] {
        home.run(arguments).failed(1, "line 2");
    }
    home.write(".anyray/connect.json", "{\"version\": 2}");
    home.run(&["status"]).failed(1, "its version is 2");
    home.write(".anyray/connect.json", "{\"version\": 1,\n \"keys\": 7}");
    assert_eq!(home.tree(), before);
}

#[test]
fn what_a_user_has_written_by_hand_comes_back_even_if_it_looks_like_ours() {
    let own = r#"{"env": {"ANTHROPIC_BASE_URL": "https://mine.example.com", "ANTHROPIC_AUTH_TOKEN": "ark_mine", "ANTHROPIC_CUSTOM_HEADERS": "x-anyray-provider: openai\nA: b"}}"#;
    let block = "# >>> anyray-connect >>>\nexport MINE=1\n# <<< anyray-connect <<<\n";
    let home = Home::lived_in();
    home.write(".claude/settings.json", own);
    home.write(".bashrc", block);
    home.write(
        ".codex/anyray.config.toml",
        "model_provider = \"anyray\"\n[model_providers.anyray]\nname = \"Mine\"\n",
    );
    let before = home.tree();
    home.set_up().succeeded();
    let settings = home.read(".claude/settings.json");
    assert!(settings.contains("x-anyray-provider: openai"), "{settings}");
    home.run(&["--revert", "--yes"]).succeeded();
    assert_eq!(home.tree(), before);
}

#[test]
fn one_file_by_two_paths_is_one_file() {
    let home = Home::new();
    let own = r#"{"env": {"ANTHROPIC_BASE_URL": "https://mine.example.com", "ANTHROPIC_AUTH_TOKEN": "sk-mine"}}"#;
    home.write("real/settings.json", own);
    home.link("alias", "real");
    let before = home.tree();
    let tools = ["--gateway", GATEWAY, "--tools", "claude-code", "--yes"];
    for folder in ["real", "alias", "real"] {
        let mut command = home.command(&tools);
        command.env("CLAUDE_CONFIG_DIR", home.path(folder));
        Ran::of(command).succeeded();
    }
    home.run(&["--revert", "--yes"]).succeeded();
    assert_eq!(home.tree(), before);
}

#[test]
fn a_link_to_nowhere_stays_and_its_file_goes() {
    let home = Home::new();
    home.write("dotfiles/other", "");
    home.write(".claude/other", "");
    home.link(".claude/settings.json", "../dotfiles/settings.json");
    home.link(".anyray", "dotfiles");
    let before = home.tree();
    home.set_up().succeeded();
    assert!(home.read("dotfiles/settings.json").contains(GATEWAY));
    assert!(home.has("dotfiles/connect.json"));
    home.run(&["--revert", "--yes"]).succeeded();
    assert_eq!(home.tree(), before);

    home.link(".codex", "nowhere");
    let before = home.tree();
    let tools = ["--gateway", GATEWAY, "--tools", "codex", "--yes"];
    home.run(&tools)
        .failed(1, "leads to a folder that is not there");
    assert_eq!(home.tree(), before);
}

#[test]
fn files_of_others_in_the_folder_of_the_state_stay() {
    let home = Home::lived_in();
    home.write("project/connect.lock", "mine");
    let before = home.tree();
    let at = |arguments: &[&str], folder: &str| {
        let mut command = home.command(arguments);
        command.env("ANYRAY_HOME", folder);
        Ran::of(command)
    };
    let folder = home.path("project").display().to_string();
    at(&["--gateway", GATEWAY, "--yes"], &folder).succeeded();
    assert_eq!(home.read("project/connect.lock"), "mine");
    at(&["--revert", "--yes"], &folder).succeeded();
    assert_eq!(home.tree(), before);
    at(&["--gateway", GATEWAY, "--yes"], "project").failed(2, "no absolute path");
    assert_eq!(home.tree(), before);
}
