//! Set up, again, for another gateway, and back to what was.

use crate::home::{GATEWAY, Home};

#[test]
fn a_home_is_set_up_once_and_reverted_to_what_it_was() {
    let home = Home::lived_in();
    let before = home.tree();
    home.set_up()
        .succeeded()
        .says("Set up: Claude Code, Codex, Shell environment");
    let after = home.tree();
    for file in [
        ".claude/settings.json",
        ".codex/anyray.config.toml",
        ".bashrc",
    ] {
        assert!(home.read(file).contains(GATEWAY), "{file}");
    }
    assert_eq!(
        home.read(".codex/config.toml"),
        "model = \"gpt-5\" # mine\n"
    );
    assert_eq!(home.mode(".anyray/connect.json"), 0o600);

    home.set_up()
        .succeeded()
        .says("Everything is set up already.");
    assert_eq!(home.tree(), after);

    home.run(&["--revert", "--yes"]).succeeded().says("Undone.");
    assert_eq!(home.tree(), before);
    home.run(&["--revert", "--yes"])
        .succeeded()
        .says("nothing to undo.");
    assert_eq!(home.tree(), before);
}

#[test]
fn an_empty_home_is_empty_again() {
    let home = Home::new();
    home.install("claude");
    home.install("codex");
    home.set_up().succeeded();
    assert!(home.has(".claude/settings.json"));
    home.run(&["--revert", "--yes"]).succeeded();
    assert!(home.tree().is_empty(), "{:?}", home.tree());
}

#[test]
fn a_dry_run_shows_all_and_changes_nothing() {
    let home = Home::lived_in();
    let before = home.tree();
    let dry = ["--gateway", GATEWAY, "--dry-run"];
    home.run(&dry)
        .succeeded()
        .says("change ~/.claude/settings.json")
        .says("create ~/.codex/anyray.config.toml")
        .says("change ~/.bashrc")
        .says(GATEWAY)
        .says("Nothing was changed");
    assert_eq!(home.tree(), before);

    home.set_up().succeeded();
    let after = home.tree();
    let told = home.run(&["--revert", "--dry-run"]).succeeded();
    told.says("remove ~/.codex/anyray.config.toml");
    assert_eq!(home.tree(), after);
}

#[test]
fn another_gateway_and_fewer_tools_keep_what_was_before_the_first_run() {
    let home = Home::lived_in();
    let before = home.tree();
    home.set_up().succeeded();
    let other = "https://other.example.com";
    home.run(&["--gateway", other, "--tools", "codex,claude-code", "--yes"])
        .succeeded();
    assert!(home.read(".claude/settings.json").contains(other));
    assert!(home.read(".bashrc").contains(GATEWAY));
    home.run(&["--subscription", "--yes"]).succeeded();
    assert!(
        home.read(".bashrc").contains(other),
        "the last run's gateway is the default"
    );

    home.run(&["--revert", "--tools", "codex", "--yes"])
        .succeeded();
    assert!(!home.has(".codex/anyray.config.toml"));
    assert!(home.read(".claude/settings.json").contains(other));
    home.run(&["--revert", "--yes"]).succeeded();
    assert_eq!(home.tree(), before);
}

#[test]
fn what_its_user_changes_between_two_runs_outlives_both() {
    let home = Home::lived_in();
    home.set_up().succeeded();
    let edited = home.read(".claude/settings.json").replace("opus", "sonnet");
    home.write(".claude/settings.json", &edited);
    let edited = home.read(".bashrc") + "alias ll='ls -l'\n";
    home.write(".bashrc", &edited);
    home.run(&["--gateway", "https://other.example.com", "--yes"])
        .succeeded();
    home.run(&["--revert", "--yes"]).succeeded();

    let settings = home.read(".claude/settings.json");
    assert!(
        settings.contains(r#"{ "allow": ["Bash(ls:*)"] }"#),
        "{settings}"
    );
    assert!(settings.contains("\"sonnet\""), "{settings}");
    assert!(!settings.contains("ANTHROPIC"), "{settings}");
    let profile = home.read(".bashrc");
    assert!(profile.starts_with("# mine\nexport EDITOR=vi"), "{profile}");
    assert!(profile.contains("alias ll"), "{profile}");
    assert!(!profile.contains("ANTHROPIC"), "{profile}");
}

#[test]
fn a_block_stays_where_its_user_has_moved_it() {
    let home = Home::lived_in();
    home.set_up().succeeded();
    let profile = home.read(".bashrc");
    let block = profile.find("# >>>").expect("a block");
    let (own, block) = profile.split_at(block);
    let moved = format!("{block}{own}alias ll='ls -l'\n");
    home.write(".bashrc", &moved);
    home.set_mode(".bashrc", 0o600);
    home.set_up()
        .succeeded()
        .says("Everything is set up already.");
    assert_eq!(home.read(".bashrc"), moved);
    let other = ["--gateway", "https://other.example.com", "--yes"];
    home.run(&other).succeeded();
    assert_eq!(home.read(".bashrc"), moved.replace(GATEWAY, other[1]));
    assert_eq!(home.mode(".bashrc"), 0o600, "as its user has set it");
}

#[test]
fn a_revert_without_what_was_remembered_goes_by_the_files() {
    let home = Home::lived_in();
    home.set_up().succeeded();
    std::fs::remove_dir_all(home.path(".anyray")).expect("removed");
    home.run(&["--revert", "--yes"]).succeeded();
    assert!(!home.has(".codex/anyray.config.toml"));
    assert!(!home.read(".claude/settings.json").contains("ANTHROPIC"));
    assert!(!home.read(".bashrc").contains("ANTHROPIC"));
    assert!(!home.has(".anyray"));
}

#[test]
fn links_stay_and_what_they_lead_to_is_changed() {
    let home = Home::new();
    home.write("dotfiles/settings.json", "{}\n");
    home.write(".claude/other", "");
    home.link(".claude/settings.json", "../dotfiles/settings.json");
    let before = home.tree();
    home.set_up().succeeded();
    assert!(home.read("dotfiles/settings.json").contains(GATEWAY));
    home.run(&["--revert", "--yes"]).succeeded();
    assert_eq!(home.tree(), before);
}

#[test]
fn status_says_where_every_tool_points() {
    let home = Home::lived_in();
    let told = home.run(&["status", "--json"]).succeeded();
    let status: serde_json::Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!(status["gateway"], "http://localhost:8787");
    assert_eq!(status["tools"][0]["state"], "notSetUp");

    home.set_up().succeeded();
    let told = home.run(&["status", "--json"]).succeeded();
    let status: serde_json::Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!(status["gateway"], GATEWAY);
    for index in 0..3 {
        let tool = &status["tools"][index];
        assert_eq!(tool["state"], "setUp", "{tool}");
        assert_eq!(tool["credential"], "anyray-placeholder", "{tool}");
    }
    let elsewhere = ["status", "--gateway", "https://other.example.com"];
    home.run(&elsewhere)
        .succeeded()
        .says("set up for another address");
}

#[test]
fn requests_are_attributed_to_who_is_named_or_to_the_email_of_git() {
    let home = Home::lived_in();
    let file = ".codex/anyray.config.toml";
    home.set_up().succeeded();
    assert!(
        home.read(file).contains(r#"{"user":"ada"}"#),
        "{}",
        home.read(file)
    );
    home.write(".gitconfig", "[user]\n\temail = ada@example.com\n");
    home.set_up().succeeded();
    let expected = r#"{"user":"ada@example.com"}"#;
    assert!(home.read(file).contains(expected), "{}", home.read(file));
    let named = [
        "--gateway",
        GATEWAY,
        "--user",
        "zoë",
        "--team",
        "research",
        "--yes",
    ];
    home.run(&named).succeeded();
    let expected = r#"{"user":"zo\u00eb","team":"research"}"#;
    assert!(home.read(file).contains(expected), "{}", home.read(file));
}
