//! Keys from the environment: written where they belong, and shown nowhere.

use anyray_wire::anyray::credential::{KeyId, write_client_key, write_invite_code};

use crate::home::{GATEWAY, Home, Ran};

fn key() -> String {
    write_client_key(KeyId::from_random([3; 8]), &[5; 32])
}

fn set_up_with(home: &Home, key: &str, more: &[&str]) -> Ran {
    let mut arguments = vec!["--gateway", GATEWAY, "--yes"];
    arguments.extend(more);
    let mut command = home.command(&arguments);
    command.env("ANYRAY_CLIENT_KEY", key);
    Ran::of(command)
}

#[test]
fn a_key_is_written_for_its_owner_alone_and_never_printed() {
    let key = key();
    for more in [&[][..], &["--subscription"]] {
        let home = Home::lived_in();
        let before = home.tree();
        let ran = set_up_with(&home, &key, more).succeeded();
        let (tail, start) = (key.split_at(key.len() - 4).1, key.split_at(12).0);
        assert!(ran.out.contains(&format!("ark_…{tail}")), "{}", ran.out);
        let mut told = ran.out + &ran.errors;
        for file in [
            ".claude/settings.json",
            ".codex/anyray.config.toml",
            ".bashrc",
        ] {
            assert!(home.read(file).contains(&key), "{file}");
            assert_eq!(home.mode(file), 0o600, "{file}");
        }
        for command in [
            &["status"][..],
            &["status", "--json"],
            &["--revert", "--dry-run"],
        ] {
            let ran = home.run(command).succeeded();
            told.push_str(&(ran.out + &ran.errors));
        }
        assert!(!told.contains(start), "{told}");
        home.run(&["--revert", "--yes"]).succeeded();
        assert_eq!(home.tree(), before);
    }
}

#[test]
fn a_key_and_a_code_in_each_others_place_are_told_apart() {
    let home = Home::lived_in();
    let code = write_invite_code(&[9; 32]);
    let ran = set_up_with(&home, &code, &[]).failed(2, "by --invite");
    assert!(!ran.errors.contains(&code));
    let key = key();
    let ran = home
        .run(&["--invite", &key, "--yes"])
        .failed(2, "ANYRAY_CLIENT_KEY");
    assert!(!ran.errors.contains(&key));
}

#[test]
fn there_is_no_key_to_print_before_one_was_redeemed() {
    let home = Home::lived_in();
    home.run(&["print-key"]).failed(1, "--invite");
}

#[test]
fn a_dry_run_redeems_nothing() {
    let home = Home::lived_in();
    let before = home.tree();
    // Nothing listens there: a call would fail.
    let code = write_invite_code(&[9; 32]);
    let arguments = [
        "--gateway",
        "http://127.0.0.1:1",
        "--invite",
        &code,
        "--dry-run",
    ];
    let ran = home.run(&arguments).succeeded().says("ark_…");
    assert!(!ran.out.contains(&code), "{}", ran.out);
    assert_eq!(home.tree(), before);
    let arguments = [
        "--gateway",
        "http://127.0.0.1:1",
        "--invite",
        &code,
        "--yes",
    ];
    home.run(&arguments).failed(1, "nothing listens there");
    assert_eq!(home.tree(), before);
}

#[test]
fn a_key_that_is_given_once_is_kept() {
    let home = Home::lived_in();
    let key = key();
    set_up_with(&home, &key, &["--tools", "cursor"]).succeeded();
    let printed = home.run(&["print-key", "--gateway", GATEWAY]).succeeded();
    assert_eq!(printed.out.trim(), key);
    home.set_up().succeeded();
    assert!(home.read(".bashrc").contains(&key));
    home.run(&["--gateway", GATEWAY, "--subscription", "--yes"])
        .succeeded();
    assert!(home.read(".claude/settings.json").contains(&key));
}

#[test]
fn an_invite_may_stand_in_a_variable() {
    let home = Home::lived_in();
    let code = write_invite_code(&[9; 32]);
    let mut command = home.command(&["--gateway", "http://127.0.0.1:1", "--yes"]);
    command.env("ANYRAY_INVITE", &code);
    Ran::of(command).failed(1, "redeeming the invite");
}
