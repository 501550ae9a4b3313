//! Who is let in, with a store that knows more than the replica does.

use std::{fs, path::Path};

use anyray_wire::anyray::credential::{KeyId, write_client_key};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::*;
use crate::access::store::files::FileStore;

mod timing_tests;

fn id(number: u8) -> KeyId {
    KeyId::from_random([number; 8])
}

/// A key as a caller presents it: the id of one number, the secret of another.
fn presented(id_number: u8, secret: u8) -> Presented {
    let id = id(id_number);
    let digest = CredentialDigest::of(&write_client_key(id, &[secret; SECRET_BYTES]));
    Presented {
        key: Some(PresentedKey { id, digest }),
        ..Presented::default()
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("no object: {other}"),
    }
}

fn key(number: u8, more: Value) -> ClientKey {
    let known = presented(number, number).key.expect("a key");
    let mut key = json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "ClientKey",
        "metadata": { "name": key_name(known.id) },
        "spec": {
            "gatewayRef": { "name": "local" }, "user": "ada",
            "key": { "id": known.id, "hash": known.digest },
        },
    });
    let spec = key["spec"].as_object_mut().expect("an object");
    spec.extend(object(more));
    serde_json::from_value(key).expect("a key")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder")
}

fn callers(folder: &Path) -> Callers {
    let store = Arc::new(FileStore::open(folder).expect("a store"));
    let names = Names {
        gateway: "local".to_owned(),
        replica: "replica".to_owned(),
    };
    Callers::new(store, Arc::default(), names, None, Handle::current())
}

async fn authenticate(
    callers: &Callers,
    mut presented: Presented,
) -> Result<Option<Arc<Grant>>, GatewayError> {
    callers.authenticate(&mut presented).await
}

#[tokio::test]
async fn a_key_that_another_replica_made_is_looked_up() {
    let folder = folder();
    let (one, other) = (callers(folder.path()), callers(folder.path()));
    one.create_key(key(1, json!({}))).await.expect("created");
    let grant = authenticate(&other, presented(1, 1)).await;
    assert!(grant.expect("known").is_some());
    assert_eq!(other.access.len(), 1);
}

#[tokio::test]
async fn a_key_that_is_looked_up_is_judged_with_its_invite() {
    let folder = folder();
    let code = CredentialDigest::of("code");
    let origin = json!({ "name": "i", "codeHash": code });
    let invite = json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "Invite",
        "metadata": { "name": "i" },
        "spec": {
            "gatewayRef": { "name": "local" }, "user": "ada", "codeHash": code,
        },
    });
    let one = callers(folder.path());
    let key = key(1, json!({ "invite": origin }));
    one.create_key(key).await.expect("created");
    let without = authenticate(&callers(folder.path()), presented(1, 1)).await;
    assert_eq!(without.err(), Some(GatewayError::KeyRevoked));
    let invite = serde_json::from_value(invite).expect("an invite");
    one.create_invite(invite).await.expect("created");
    let with = authenticate(&callers(folder.path()), presented(1, 1)).await;
    assert!(with.expect("known").is_some());
}

#[tokio::test]
async fn a_key_whose_invite_is_not_known_yet_is_looked_up_with_it() {
    let folder = folder();
    let (one, other) = (callers(folder.path()), callers(folder.path()));
    let code = CredentialDigest::of("code");
    let invite = json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "Invite",
        "metadata": { "name": "i" },
        "spec": {
            "gatewayRef": { "name": "local" }, "user": "ada", "codeHash": code,
        },
    });
    let invite = serde_json::from_value(invite).expect("an invite");
    one.create_invite(invite).await.expect("created");
    let key = key(1, json!({ "invite": { "name": "i", "codeHash": code } }));
    let key = one.create_key(key).await.expect("created");
    // Of the two watches that of keys may be the faster one.
    other.access.put_key(&key);
    let grant = authenticate(&other, presented(1, 1)).await;
    assert!(grant.expect("known").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_deleted_while_it_was_made_does_not_stay() {
    let folder = folder();
    let callers = callers(folder.path());
    let made = callers.create_key(key(1, json!({}))).await.expect("made");
    callers
        .store
        .delete_key(&made.name_any())
        .await
        .expect("deleted");
    sleep(CONFIRM_AFTER * 2).await;
    let gone = authenticate(&callers, presented(1, 1)).await;
    assert_eq!(gone.err(), Some(GatewayError::KeyUnknown));
}

/// Row S7 of the security catalogue.
#[tokio::test]
async fn s07_a_wrong_secret_with_a_right_id_is_as_unknown_as_any() {
    let folder = folder();
    let callers = callers(folder.path());
    callers
        .create_key(key(1, json!({})))
        .await
        .expect("created");
    for wrong in [presented(1, 2), presented(2, 2), presented(2, 1)] {
        let error = authenticate(&callers, wrong).await.err();
        assert_eq!(error, Some(GatewayError::KeyUnknown));
    }
    // Not even that it has ended is told to one who has not the key.
    let revoked = key(3, json!({ "revoked": true }));
    callers.create_key(revoked).await.expect("created");
    let error = authenticate(&callers, presented(3, 1)).await.err();
    assert_eq!(error, Some(GatewayError::KeyUnknown));
    let error = authenticate(&callers, presented(3, 3)).await.err();
    assert_eq!(error, Some(GatewayError::KeyRevoked));
}

#[tokio::test]
async fn a_known_key_is_good_while_the_store_is_away_and_others_are_told_so() {
    let folder = folder();
    let callers = callers(folder.path());
    callers
        .create_key(key(1, json!({})))
        .await
        .expect("created");
    // A file where the folder was fails every look-up.
    fs::remove_dir_all(folder.path().join("client-keys")).expect("removed");
    fs::write(folder.path().join("client-keys"), "").expect("written");
    let known = authenticate(&callers, presented(1, 1)).await;
    assert!(known.expect("known").is_some());
    let unknown = authenticate(&callers, presented(2, 2)).await;
    assert_eq!(unknown.err(), Some(GatewayError::StoreUnavailable));
}

#[tokio::test]
async fn look_ups_of_unknown_keys_are_bounded_and_known_keys_are_not() {
    let folder = folder();
    let callers = callers(folder.path());
    let other = self::callers(folder.path());
    let late = other
        .create_key(key(200, json!({})))
        .await
        .expect("created");
    let mut refusals = Vec::new();
    for number in 0..100 {
        let unknown = authenticate(&callers, presented(number, number)).await;
        refusals.extend(unknown.err());
    }
    assert_eq!(refusals.first(), Some(&GatewayError::KeyUnknown));
    // There is no room left to look for the one that another process has made.
    let refused = authenticate(&callers, presented(200, 200)).await;
    assert_eq!(refused.err(), Some(GatewayError::StoreUnavailable));
    callers.access.put_key(&late);
    let known = authenticate(&callers, presented(200, 200)).await;
    assert!(known.expect("known").is_some());
}

#[tokio::test]
async fn codes_that_are_guessed_are_bounded() {
    let folder = folder();
    let callers = callers(folder.path());
    let mut refusals = Vec::new();
    for number in 0..1000 {
        let code = CredentialDigest::of(&format!("guess {number}"));
        refusals.push(callers.redeem(code).await.expect_err("a guess"));
    }
    let is_expected =
        |error: &RedeemError| matches!(error, RedeemError::Unknown | RedeemError::Busy);
    assert!(refusals.iter().all(is_expected));
    assert!(refusals.contains(&RedeemError::Busy));
}

#[tokio::test]
async fn a_request_without_a_key_is_a_strangers() {
    let folder = folder();
    let stranger = authenticate(&callers(folder.path()), Presented::default()).await;
    assert!(stranger.expect("no fault").is_none());
    assert_eq!(admit_stranger(ClientKeys::Optional), Ok(()));
    let refused = admit_stranger(ClientKeys::Required);
    assert_eq!(refused, Err(GatewayError::KeyMissing));
}

#[tokio::test]
async fn a_deleted_key_is_forgotten_at_once() {
    let folder = folder();
    let callers = callers(folder.path());
    callers
        .create_key(key(1, json!({})))
        .await
        .expect("created");
    let deleted = callers.delete_key(key_name(id(1))).await;
    assert_eq!(deleted, Ok(()));
    let unknown = authenticate(&callers, presented(1, 1)).await;
    assert_eq!(unknown.err(), Some(GatewayError::KeyUnknown));
}
