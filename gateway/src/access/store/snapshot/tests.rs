//! What survives a restart, and what must not.

use anyray_crds::v1alpha1::ClientKey;
use anyray_wire::anyray::credential::{CredentialDigest, KeyId, write_client_key};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(20);

fn id() -> KeyId {
    KeyId::from_random([1; 8])
}

fn secret() -> String {
    write_client_key(id(), &[7; 32])
}

fn key() -> ClientKey {
    serde_json::from_value(json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "ClientKey",
        "metadata": { "name": "k" },
        "spec": {
            "gatewayRef": { "name": "gw" }, "user": "ada",
            "key": { "id": id(), "hash": CredentialDigest::of(&secret()) },
        },
    }))
    .expect("a key")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join(FILE)
}

fn restored(folder: &TempDir) -> Access {
    let access = Access::default();
    restore(folder.path(), &access);
    access
}

#[tokio::test]
async fn what_is_known_is_written_and_taken_in_again() {
    let folder = folder();
    let access = Arc::new(Access::default());
    access.set_complete();
    let keeping = tokio::spawn(keep(folder.path().to_owned(), Arc::clone(&access)));
    access.put_key(&key());
    let written = async {
        while !file(&folder).exists() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, written).await.expect("it is written");
    keeping.abort();
    let after = restored(&folder);
    assert!(after.is_complete());
    let grant = after.find(id()).expect("the key");
    assert_eq!(grant.check(0), Ok(()));
    assert!(!folder.path().join("client-keys.new").exists());
}

/// Row S9 of the security catalogue.
#[test]
fn s09_the_file_holds_hashes_and_no_key() {
    let folder = folder();
    let access = Access::default();
    access.put_key(&key());
    write(folder.path(), &access.contents()).expect("written");
    let text = fs::read_to_string(file(&folder)).expect("readable");
    assert!(text.contains(&CredentialDigest::of(&secret()).to_string()));
    assert!(!text.contains("ark_"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_complete_does_not_replace_what_was() {
    let folder = folder();
    let before = Access::default();
    before.put_key(&key());
    write(folder.path(), &before.contents()).expect("written");
    let access = Arc::new(Access::default());
    let keeping = tokio::spawn(keep(folder.path().to_owned(), Arc::clone(&access)));
    access.remove_key("k");
    sleep(PAUSE * 3).await;
    keeping.abort();
    assert_eq!(restored(&folder).len(), 1);
}

#[test]
fn a_file_that_is_damaged_or_missing_counts_for_nothing() {
    let folder = folder();
    let access = Access::default();
    access.put_key(&key());
    write(folder.path(), &access.contents()).expect("written");
    let whole = fs::read(file(&folder)).expect("readable");
    let damaged: [&[u8]; 4] = [&whole[..whole.len() / 2], b"", b"null", b"{\"keys\":[[1]]}"];
    for content in damaged {
        fs::write(file(&folder), content).expect("written");
        let access = restored(&folder);
        assert!(access.is_empty());
        assert!(!access.is_complete());
    }
    fs::remove_file(file(&folder)).expect("removed");
    assert!(!restored(&folder).is_complete());
}
