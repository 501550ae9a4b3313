//! A folder of invites and keys in the hands of several processes and of people.

use std::{os::unix::fs::PermissionsExt as _, thread};

use anyray_wire::anyray::credential::KeyId;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use super::*;

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(20);

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn open(folder: &TempDir) -> FileStore {
    FileStore::open(folder.path()).expect("a store")
}

fn key_json(name: &str, user: &str) -> Value {
    let id = KeyId::from_random([1; 8]);
    let hash = CredentialDigest::of("a key");
    json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "ClientKey",
        "metadata": { "name": name },
        "spec": {
            "gatewayRef": { "name": "local" }, "user": user,
            "key": { "id": id, "hash": hash },
        },
    })
}

fn key(name: &str, user: &str) -> ClientKey {
    serde_json::from_value(key_json(name, user)).expect("a key")
}

fn invite(name: &str, code: &str) -> Invite {
    serde_json::from_value(json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "Invite",
        "metadata": { "name": name },
        "spec": {
            "gatewayRef": { "name": "local" }, "user": "ada",
            "codeHash": CredentialDigest::of(code),
        },
    }))
    .expect("an invite")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

#[tokio::test]
async fn an_object_is_read_back_as_it_was_stored() {
    let folder = folder();
    let store = open(&folder);
    let created = store.create_key(&key("k", "ada")).await.expect("created");
    assert_eq!(created.resource_version().as_deref(), Some("1"));
    assert!(created.creation_timestamp().is_some());
    assert_eq!(store.get_key("k").await, Ok(Some(created.clone())));
    assert_eq!(store.list_keys().await, Ok(vec![created]));
    let invite = store.create_invite(&invite("i", "code")).await;
    let invite = invite.expect("created");
    let found = store.find_invite(&CredentialDigest::of("code")).await;
    assert_eq!(found, Ok(Some(invite)));
    let other = store.find_invite(&CredentialDigest::of("other")).await;
    assert_eq!(other, Ok(None));
    assert_eq!(store.delete_key("k").await, Ok(()));
    assert_eq!(store.delete_key("k").await, Err(StoreError::NotFound));
    assert_eq!(store.get_key("k").await, Ok(None));
}

#[tokio::test]
async fn only_the_owner_can_read_what_is_stored() {
    let parent = folder();
    let path = parent.path().join("deep/keys");
    let store = FileStore::open(&path).expect("a store");
    store.create_key(&key("k", "ada")).await.expect("created");
    store
        .create_invite(&invite("i", "code"))
        .await
        .expect("created");
    for folder in ["", "invites", "client-keys"] {
        assert_eq!(mode(&path.join(folder)), 0o700, "{folder}");
    }
    for file in ["invites/i.json", "client-keys/k.json", ".lock"] {
        assert_eq!(mode(&path.join(file)), 0o600, "{file}");
    }
    assert!(!path.join(".new").exists());
}

/// Runs this by two stores on one folder at once, many times; returns what came of it each time.
fn race<T: Send>(folder: &TempDir, work: impl Fn(&FileStore, usize) -> T + Sync) -> Vec<Vec<T>> {
    (0..50)
        .map(|round| {
            thread::scope(|scope| {
                let stores = [0, 1].map(|_| open(folder));
                let work = &work;
                let threads = stores.map(|store| scope.spawn(move || work(&store, round)));
                let threads = threads.into_iter();
                threads.map(|one| one.join().expect("no panic")).collect()
            })
        })
        .collect()
}

/// How many succeeded; all others met a conflict.
fn winners<T>(results: &[Result<T, StoreError>]) -> usize {
    let is_fair =
        |result: &Result<T, StoreError>| matches!(result, Ok(_) | Err(StoreError::Conflict));
    assert!(results.iter().all(is_fair));
    results.iter().filter(|result| result.is_ok()).count()
}

#[test]
fn s05_of_two_processes_that_create_one_object_one_wins() {
    let folder = folder();
    let rounds = race(&folder, |store, round| {
        store.create(KEYS, &key(&format!("k{round}"), "ada"))
    });
    for results in rounds {
        assert_eq!(winners(&results), 1);
    }
    let stored: Vec<ClientKey> = open(&folder).list(KEYS).expect("readable");
    assert_eq!(stored.len(), 50);
}

#[test]
fn s05_of_two_processes_that_change_one_version_one_wins() {
    let folder = folder();
    let store = open(&folder);
    for round in 0..50 {
        let invite = invite(&format!("i{round}"), "code");
        store.create(INVITES, &invite).expect("created");
    }
    let rounds = race(&folder, |store, round| {
        let mut invite = invite(&format!("i{round}"), "code");
        invite.metadata.resource_version = Some("1".to_owned());
        store.replace(INVITES, &invite)
    });
    for results in rounds {
        assert_eq!(winners(&results), 1);
    }
}

#[tokio::test]
async fn a_record_over_another_version_than_was_read_is_a_conflict() {
    let folder = folder();
    let store = open(&folder);
    let first = store.create_invite(&invite("i", "code")).await;
    let first = first.expect("created");
    let second = store
        .record(&first)
        .await
        .expect("the version that was read");
    assert_eq!(second.resource_version().as_deref(), Some("2"));
    assert_eq!(store.record(&first).await, Err(StoreError::Conflict));
    assert!(store.record(&second).await.is_ok());
    store.delete_invite("i").await.expect("deleted");
    assert_eq!(store.record(&second).await, Err(StoreError::NotFound));
}

/// Files that people wrote have no version until a gateway changes them.
#[tokio::test]
async fn a_file_that_a_person_wrote_can_be_recorded_once() {
    let folder = folder();
    let store = open(&folder);
    let text = serde_json::to_vec(&invite("i", "code")).expect("JSON");
    fs::write(folder.path().join("invites/i.json"), text).expect("written");
    let read = store
        .get_invite("i")
        .await
        .expect("readable")
        .expect("there");
    assert_eq!(read.resource_version(), None);
    assert!(store.record(&read).await.is_ok());
    assert_eq!(store.record(&read).await, Err(StoreError::Conflict));
}

#[tokio::test]
async fn names_that_lead_elsewhere_name_nothing() {
    let outer = folder();
    let path = outer.path().join("keys");
    let store = FileStore::open(&path).expect("a store");
    let secret = outer.path().join("secret.json");
    fs::write(&secret, key_json("../../secret", "eve").to_string()).expect("written");
    for name in [
        "../../secret",
        "..",
        ".",
        "",
        "/etc/passwd",
        "a/b",
        "A",
        "a\0b",
        ".hidden",
        "a..b",
        "-a",
        &"x".repeat(254),
    ] {
        assert_eq!(store.get_key(name).await, Ok(None), "{name}");
        assert_eq!(store.delete_key(name).await, Err(StoreError::NotFound));
        let created = store.create_key(&key(name, "eve")).await;
        assert_eq!(created, Err(StoreError::NotFound), "{name}");
    }
    assert!(secret.exists());
    assert!(store.create_key(&key("a.b-1", "ada")).await.is_ok());
}

/// Writes files that are no keys beside the key `good`.
fn write_garbage(folder: &TempDir) -> Vec<PathBuf> {
    let keys = folder.path().join(KEYS);
    let contents = [
        ("broken.json", "{".to_owned()),
        ("empty.json", String::new()),
        ("other-name.json", key_json("another", "eve").to_string()),
        ("Upper.json", key_json("Upper", "eve").to_string()),
        ("large.json", " ".repeat(70_000)),
        ("notes.txt", "keys of the team".to_owned()),
    ];
    let write = |(name, content): (&str, String)| {
        let path = keys.join(name);
        fs::write(&path, content).expect("written");
        path
    };
    contents.into_iter().map(write).collect()
}

#[tokio::test]
async fn files_that_are_no_objects_are_left_alone_and_hide_no_other() {
    let folder = folder();
    let store = open(&folder);
    let good = store.create_key(&key("good", "ada")).await;
    let garbage = write_garbage(&folder);
    assert_eq!(store.list_keys().await, Ok(vec![good.expect("created")]));
    let broken = store.get_key("broken").await;
    assert!(matches!(broken, Err(StoreError::Unavailable(_))));
    assert_eq!(store.get_key("Upper").await, Ok(None));
    assert_eq!(store.check().await, Ok(()));
    assert!(garbage.iter().all(|path| path.exists()));
}

/// Waits until something holds.
async fn wait_until(is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, wait).await.expect("it comes to hold");
}

#[tokio::test]
async fn what_other_processes_change_is_taken_in() {
    let folder = folder();
    let store = Arc::new(open(&folder));
    let other = open(&folder);
    other.create(KEYS, &key("good", "ada")).expect("created");
    let access = Arc::new(Access::default());
    let following = tokio::spawn(Arc::clone(&store).follow(Arc::clone(&access)));
    wait_until(|| access.is_complete()).await;
    assert_eq!(access.len(), 1);

    write_garbage(&folder);
    other.create(KEYS, &key("later", "bob")).expect("created");
    let mut suspended = key_json("good", "ada");
    suspended["spec"]["suspended"] = json!(true);
    fs::write(
        folder.path().join("client-keys/good.json"),
        suspended.to_string(),
    )
    .expect("written");
    other
        .create(INVITES, &invite("i", "code"))
        .expect("created");
    wait_until(|| access.len() == 2).await;
    let good = || access.find_named("good").expect("the key");
    wait_until(|| good().check(0).is_err()).await;
    let code = CredentialDigest::of("code");
    wait_until(|| access.find_invite(&code).is_some()).await;

    other.delete(KEYS, "good").expect("deleted");
    other.delete(INVITES, "i").expect("deleted");
    wait_until(|| access.len() == 1).await;
    wait_until(|| access.find_invite(&code).is_none()).await;
    assert!(access.find_named("later").is_some());
    following.abort();
}

/// A half-written file is no reason to lock somebody out.
#[tokio::test]
async fn a_file_that_becomes_unreadable_leaves_what_was_known_of_it() {
    let folder = folder();
    let store = open(&folder);
    store.create(KEYS, &key("k", "ada")).expect("created");
    let access = Access::default();
    let mut seen = Seen::new();
    let mut refresh = || {
        let put = |key: &ClientKey| access.put_key(key);
        store.refresh(KEYS, &mut seen, put).expect("a look");
        access.keep_keys(|name| seen.contains_key(name));
    };
    refresh();
    fs::write(folder.path().join("client-keys/k.json"), "{").expect("written");
    refresh();
    assert_eq!(access.len(), 1);
    fs::remove_file(folder.path().join("client-keys/k.json")).expect("removed");
    refresh();
    assert_eq!(access.len(), 0);
}

#[test]
fn a_change_that_leaves_length_and_time_as_they_were_is_seen() {
    let folder = folder();
    let store = open(&folder);
    let created = store
        .create(INVITES, &invite("i", "code"))
        .expect("created");
    let path = folder.path().join("invites/i.json");
    let time = fs::metadata(&path).and_then(|found| found.modified());
    let time = time.expect("a time");
    let before = look(&folder.path().join(INVITES)).expect("a look");
    store.replace(INVITES, &created).expect("replaced");
    let file = File::options().write(true).open(&path).expect("a file");
    file.set_modified(time).expect("set");
    let after = look(&folder.path().join(INVITES)).expect("a look");
    assert_ne!(before, after);
}
