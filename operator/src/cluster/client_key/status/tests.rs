//! Statuses of client keys, and when a key is made.

use anyray_crds::v1alpha1::{Invite, client_key::KnownKey};
use anyray_wire::anyray::credential::{CredentialDigest, read_client_key};
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use super::*;
use crate::cluster::{
    client_key::{
        key::{self, Minted, Random},
        validate::{References, failed, validate},
    },
    found::Found,
    minted::classify,
};

const HASH: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

/// A key with this source, and what else is said.
fn client_key(patch: &Value) -> ClientKey {
    let mut spec = json!({ "gatewayRef": { "name": "team-a" }, "user": "ci" });
    let fields = spec.as_object_mut().expect("an object");
    fields.extend(patch.as_object().expect("an object").clone());
    let key = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "ClientKey",
        "metadata": { "name": "ci", "namespace": "llm", "uid": "1", "generation": 4 },
        "spec": spec,
    });
    serde_json::from_value(key).expect("a key")
}

fn in_secret(patch: &Value) -> ClientKey {
    let mut all = json!({ "secretName": "ci-key" });
    let fields = all.as_object_mut().expect("an object");
    fields.extend(patch.as_object().expect("an object").clone());
    client_key(&all)
}

fn elsewhere(patch: &Value) -> ClientKey {
    let mut all = json!({ "key": { "id": "0123456789ab", "hash": HASH } });
    let fields = all.as_object_mut().expect("an object");
    fields.extend(patch.as_object().expect("an object").clone());
    client_key(&all)
}

fn references() -> References {
    References {
        has_gateway: true,
        ..References::default()
    }
}

fn minted(key: &ClientKey, byte: u8) -> Minted {
    let random = Random {
        id: [byte; 8],
        secret: [byte; 32],
    };
    key::mint(key, "ci-key", &random)
}

fn found(key: &ClientKey, mut secret: Secret) -> Found<KnownKey> {
    secret.metadata.uid = Some("2".to_owned());
    classify(key, secret, key::read)
}

fn with_secret(key: &ClientKey, byte: u8) -> References {
    References {
        secret: found(key, minted(key, byte).secret),
        ..references()
    }
}

fn entry(secret: &Secret) -> String {
    let data = secret.data.as_ref().expect("entries");
    String::from_utf8(data["apiKey"].0.clone()).expect("text")
}

/// Type, status and reason of each condition.
fn told(status: &ClientKeyStatus) -> Vec<(&str, &str, &str)> {
    let mut told: Vec<_> = status
        .conditions
        .iter()
        .map(|it| (it.type_.as_str(), it.status.as_str(), it.reason.as_str()))
        .collect();
    told.sort_unstable();
    told
}

const ACCEPTED: (&str, &str, &str) = ("Accepted", "True", "Accepted");
const ISSUED: (&str, &str, &str) = ("Issued", "True", "Issued");

#[test]
fn a_key_is_made_once_and_its_hash_is_told() {
    let key = in_secret(&json!({}));
    let mut validated = validate(&key, &references(), at(1));
    assert_eq!(validated.mint_into.as_deref(), Some("ci-key"));
    let minted = minted(&key, 7);
    validated.take_minted(minted.known.clone(), &references(), at(1));
    let first = status(&validated, at(1));
    assert_eq!(first.key, Some(minted.known));
    assert_eq!(first.state, Some(ClientKeyState::Active));
    assert_eq!(told(&first), [ACCEPTED, ISSUED, ("Ready", "True", "Ready")]);

    let mut stored = key.clone();
    stored.status = Some(first.clone());
    let again = validate(&stored, &with_secret(&key, 7), at(2));
    assert_eq!(again.mint_into, None);
    assert_eq!(status(&again, at(2)), first);
}

#[test]
fn the_secret_has_the_key_and_no_label_of_the_owner() {
    let key = in_secret(&json!({}));
    let Minted { secret, known } = minted(&key, 7);
    let text = entry(&secret);
    let id = read_client_key(&text).expect("a key");
    assert_eq!(id.as_str(), known.id);
    assert_eq!(CredentialDigest::of(&text).to_string(), known.hash);
    assert_eq!(secret.type_.as_deref(), Some("Opaque"));
    assert_eq!(secret.metadata.name.as_deref(), Some("ci-key"));
    let owners = secret.metadata.owner_references.expect("an owner");
    assert_eq!(
        (owners[0].kind.as_str(), owners[0].controller),
        ("ClientKey", Some(true))
    );
}

#[test]
fn the_key_is_in_the_secret_alone() {
    let key = in_secret(&json!({}));
    let minted = minted(&key, 7);
    let text = entry(&minted.secret);
    let references = with_secret(&key, 7);
    let validated = validate(&key, &references, at(1));
    let status = json!(status(&validated, at(1))).to_string();
    let debug = format!("{validated:?}{minted:?}{:?}", references.secret);
    for shown in [status, debug] {
        assert!(!shown.contains(&text) && !shown.contains("ark_"), "{shown}");
    }
}

#[test]
fn another_key_is_made_once_the_secret_is_deleted() {
    let mut key = in_secret(&json!({}));
    let before = status(&validate(&key, &with_secret(&key, 7), at(1)), at(1));
    key.status = Some(before.clone());
    let mut validated = validate(&key, &references(), at(2));
    assert_eq!(validated.mint_into.as_deref(), Some("ci-key"));
    validated.take_minted(minted(&key, 8).known, &references(), at(2));
    let after = status(&validated, at(2));
    assert_ne!(after.key, before.key);
    assert_eq!(after.state, Some(ClientKeyState::Active));
}

#[test]
fn a_foreign_secret_is_left_alone() {
    let key = in_secret(&json!({}));
    let mut not_ours = minted(&key, 7).secret;
    not_ours.metadata.owner_references = None;
    let mut no_key = minted(&key, 7).secret;
    no_key.data = None;
    for secret in [not_ours, no_key] {
        let references = References {
            secret: found(&key, secret),
            ..references()
        };
        let validated = validate(&key, &references, at(1));
        assert_eq!(validated.mint_into, None);
        let status = status(&validated, at(1));
        let expected = [
            ("Accepted", "False", "NameConflict"),
            ("Issued", "False", "NameConflict"),
            ("Ready", "False", "NameConflict"),
            ("Stalled", "True", "NameConflict"),
        ];
        assert_eq!(told(&status), expected);
        assert_eq!(status.key, None);
    }
}

#[test]
fn a_key_that_was_made_elsewhere_is_not_repeated_in_the_status() {
    let status = status(
        &validate(&elsewhere(&json!({})), &references(), at(1)),
        at(1),
    );
    assert_eq!(status.key, None);
    assert_eq!(
        told(&status),
        [ACCEPTED, ISSUED, ("Ready", "True", "Ready")]
    );
}

#[test]
fn a_service_account_needs_no_key() {
    let key = client_key(&json!({ "serviceAccount": { "name": "ci" } }));
    let status = status(&validate(&key, &references(), at(1)), at(1));
    assert_eq!(status.state, Some(ClientKeyState::Active));
    assert_eq!(
        told(&status),
        [ACCEPTED, ISSUED, ("Ready", "True", "Ready")]
    );
    let issued = conditions::find(&status.conditions, ConditionType::Issued);
    assert!(issued.expect("Issued").message.contains("llm/ci"));
}

#[test]
fn a_key_needs_its_gateway_to_be_ready() {
    let references = References::default();
    let status = status(&validate(&elsewhere(&json!({})), &references, at(1)), at(1));
    let ready = ("Ready", "False", "GatewayNotFound");
    assert_eq!(told(&status), [ACCEPTED, ISSUED, ready]);
}

#[test]
fn suspended_waits_for_its_owner_and_what_is_over_for_a_person() {
    let expired = json!({ "expiresAt": "1970-01-01T00:00:01Z" });
    for (patch, state, reason) in [
        (
            json!({ "suspended": true }),
            ClientKeyState::Suspended,
            "Suspended",
        ),
        (expired, ClientKeyState::Expired, "Expired"),
        (
            json!({ "revoked": true }),
            ClientKeyState::Revoked,
            "Revoked",
        ),
    ] {
        let status = status(&validate(&elsewhere(&patch), &references(), at(1)), at(1));
        assert_eq!(status.state, Some(state));
        let told = told(&status);
        assert!(told.contains(&("Ready", "False", reason)), "{told:?}");
        let is_stalled = told.contains(&("Stalled", "True", reason));
        assert_eq!(is_stalled, reason != "Suspended", "{told:?}");
    }
}

#[test]
fn no_key_is_made_for_what_is_over() {
    let expired = json!({ "expiresAt": "1970-01-01T00:00:01Z" });
    for patch in [expired, json!({ "revoked": true })] {
        let validated = validate(&in_secret(&patch), &references(), at(1));
        assert_eq!(validated.mint_into, None);
        let status = status(&validated, at(1));
        assert!(!conditions::is_true(
            &status.conditions,
            ConditionType::Issued
        ));
    }
    let suspended = validate(
        &in_secret(&json!({ "suspended": true })),
        &references(),
        at(1),
    );
    assert_eq!(suspended.mint_into.as_deref(), Some("ci-key"));
}

#[test]
fn a_key_goes_with_its_invite() {
    let key = elsewhere(&json!({ "invite": { "name": "ada", "codeHash": HASH } }));
    let invite = |revoked: bool| -> Option<Invite> {
        let invite = json!({
            "apiVersion": "anyray.ai/v1alpha1",
            "kind": "Invite",
            "metadata": { "name": "ada", "namespace": "llm" },
            "spec": {
                "gatewayRef": { "name": "team-a" },
                "user": "ci",
                "codeHash": HASH,
                "revoked": revoked,
            },
        });
        serde_json::from_value(invite).expect("an invite")
    };
    for (invite, state) in [
        (invite(false), ClientKeyState::Active),
        (invite(true), ClientKeyState::Revoked),
        (None, ClientKeyState::Revoked),
    ] {
        let references = References {
            invite,
            ..references()
        };
        let status = status(&validate(&key, &references, at(1)), at(1));
        assert_eq!(status.state, Some(state));
    }
}

#[test]
fn what_the_api_server_refused_is_told_and_the_key_stays() {
    let mut key = in_secret(&json!({}));
    let before = status(&validate(&key, &with_secret(&key, 7), at(1)), at(1));
    key.status = Some(before.clone());
    let message = "cannot read Secret llm/ci-key: forbidden (403)".to_owned();
    let status = status(&failed(&key, message, at(2)), at(2));
    assert_eq!(status.key, before.key);
    assert!(told(&status).contains(&("Reconciling", "True", "ApplyFailed")));
}
