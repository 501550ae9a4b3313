//! Files are written whole, by links, modes and owners as they were.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
};

use tempfile::TempDir;

use super::*;

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

fn contents(text: &str, mode: u32) -> Contents {
    Contents {
        text: text.to_owned(),
        mode,
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("readable");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let folder = folder();
    let path = folder.path().join("a/b/settings.json");
    assert_eq!(read(&path).expect("readable"), None);
    write(&path, &contents("{}\r\n", 0o600)).expect("written");
    let expected = Some(contents("{}\r\n", 0o600));
    assert_eq!(read(&path).expect("readable"), expected);
    assert_eq!(names(path.parent().expect("a folder")), ["settings.json"]);
    let made = fs::metadata(folder.path().join("a")).expect("made");
    assert_eq!(made.permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_link_stays_a_link_and_what_it_leads_to_is_written() {
    let folder = folder();
    let (real, link) = (
        folder.path().join("dotfiles/real"),
        folder.path().join("link"),
    );
    fs::create_dir(folder.path().join("dotfiles")).expect("made");
    symlink("dotfiles/real", &link).expect("linked");
    for text in ["new", "newer"] {
        let target = resolve(&link).expect("resolved");
        write(&target, &contents(text, 0o640)).expect("written");
        assert_eq!(fs::read_to_string(&real).expect("readable"), text);
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
    }
    let circle = folder.path().join("circle");
    symlink("circle", &circle).expect("linked");
    let fault = resolve(&circle).expect_err("a circle");
    assert!(matches!(fault, FileFault::Kind(_)), "{fault}");
}

#[test]
fn one_file_has_one_path() {
    let folder = folder();
    let root = fs::canonicalize(folder.path()).expect("there");
    fs::create_dir(root.join("real")).expect("made");
    symlink("real", root.join("link")).expect("linked");
    let expected = root.join("real/a/b");
    for path in ["real/a/b", "link/a/b"] {
        assert_eq!(resolve(&root.join(path)).expect("resolved"), expected);
    }
    symlink("nowhere", root.join("gone")).expect("linked");
    let fault = resolve(&root.join("gone/a/b")).expect_err("leads nowhere");
    assert!(matches!(fault, FileFault::Dangling(_)), "{fault}");
    // A file that is not there yet may have a link.
    symlink("real/new", root.join("file")).expect("linked");
    let resolved = resolve(&root.join("file")).expect("resolved");
    assert_eq!(resolved, root.join("real/new"));
}

#[test]
fn a_pipe_is_no_file_and_is_not_waited_for() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let fault = read(&pipe).expect_err("no file");
    assert!(matches!(fault, FileFault::Kind(_)), "{fault}");
}

#[test]
fn the_owner_stays_the_owner() {
    let folder = folder();
    let path = folder.path().join("file");
    fs::write(&path, "old").expect("written");
    if std::os::unix::fs::chown(&path, Some(12_345), Some(54_321)).is_err() {
        eprintln!("not run: only root can give files away");
        return;
    }
    write(&path, &contents("new", 0o600)).expect("written");
    let metadata = fs::metadata(&path).expect("there");
    assert_eq!((metadata.uid(), metadata.gid()), (12_345, 54_321));
}

#[test]
fn what_an_interrupted_run_left_goes_and_nothing_else() {
    let folder = folder();
    for name in [
        ".anyray-connect-x1.tmp",
        ".anyray-connect-notes",
        "other.tmp",
    ] {
        fs::write(folder.path().join(name), "").expect("written");
    }
    remove_leftovers(&folder.path().join("a/file"));
    let expected = [".anyray-connect-notes", "other.tmp"];
    assert_eq!(names(folder.path()), expected);
}

#[test]
fn what_cannot_be_written_is_known_before() {
    let folder = folder();
    let read_only = folder.path().join("read-only");
    fs::write(&read_only, "text").expect("written");
    fs::set_permissions(&read_only, Permissions::from_mode(0o444)).expect("set");
    let fault = reserve(&read_only, None).expect_err("read-only");
    assert!(matches!(fault, FileFault::ReadOnly(_)), "{fault}");

    let fault = reserve(folder.path(), None).expect_err("a folder");
    assert!(matches!(fault, FileFault::Kind(_)), "{fault}");

    let below_a_file = read_only.join("settings.json");
    let fault = reserve(&below_a_file, None).expect_err("no folder");
    assert!(matches!(fault, FileFault::Write(..)), "{fault}");

    let missing = folder.path().join("a/b/c");
    let reserved = reserve(&missing, Some(&contents("text", 0o600))).expect("there is room");
    drop(reserved);
    assert_eq!(names(folder.path()), ["read-only"]);
}

#[test]
fn what_is_no_text_is_refused() {
    let folder = folder();
    let path = folder.path().join("file");
    fs::write(&path, [0xff, 0xfe]).expect("written");
    let fault = read(&path).expect_err("no text");
    assert!(matches!(fault, FileFault::Encoding(_)), "{fault}");
    let file = File::create(&path).expect("made");
    file.set_len(MAX_BYTES + 1).expect("long");
    let fault = read(&path).expect_err("too long");
    assert!(matches!(fault, FileFault::Length(_)), "{fault}");
}

#[test]
fn folders_go_as_far_as_they_are_empty() {
    let folder = folder();
    let path = folder.path().join("a/b/c");
    let made = missing_folders(&path);
    assert_eq!(made, [folder.path().join("a"), folder.path().join("a/b")]);
    write(&path, &contents("", 0o600)).expect("written");
    remove(&path).expect("removed");
    fs::write(folder.path().join("a/other"), "").expect("written");
    remove_empty_folders(&made);
    assert_eq!(names(folder.path()), ["a"]);
    assert_eq!(names(&folder.path().join("a")), ["other"]);
}
