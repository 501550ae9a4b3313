//! Each state of an invite and of a key, and what leads to it.

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

const HASH: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000001";
const OTHER: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000002";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn now() -> Timestamp {
    at("2026-01-02T00:00:00Z")
}

fn invite(spec: Value, status: Value) -> Invite {
    let mut object = json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "Invite",
        "metadata": { "name": "ada", "creationTimestamp": "2026-01-01T00:00:00Z" },
        "spec": { "gatewayRef": { "name": "gw" }, "user": "ada" },
    });
    merge(&mut object["spec"], spec);
    object["status"] = status;
    serde_json::from_value(object).expect("an invite")
}

fn key(spec: Value, status: Value) -> ClientKey {
    let mut object = json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "ClientKey",
        "metadata": { "name": "ck-000000000001" },
        "spec": { "gatewayRef": { "name": "gw" }, "user": "ada" },
    });
    merge(&mut object["spec"], spec);
    object["status"] = status;
    serde_json::from_value(object).expect("a key")
}

fn merge(into: &mut Value, from: Value) {
    let Value::Object(fields) = from else {
        panic!("no object");
    };
    for (name, value) in fields {
        into[name] = value;
    }
}

fn redeemed() -> Value {
    json!({ "redemption": {
        "keyId": "000000000001", "clientKeyName": "ck-000000000001",
        "at": "2026-01-01T01:00:00Z", "by": "pod",
    } })
}

#[test]
fn an_invite_stands_where_its_spec_its_record_and_the_clock_say() {
    let hash = json!({ "codeHash": HASH });
    let old = json!({ "codeHash": HASH, "expiresAt": "2026-01-01T12:00:00Z" });
    let revoked = json!({ "codeHash": HASH, "revoked": true });
    let minted = json!({ "codeHash": HASH });
    for (spec, status, expected) in [
        (json!({}), json!({}), InviteState::Pending),
        (json!({}), minted, InviteState::Issued),
        (hash.clone(), json!({}), InviteState::Issued),
        (hash, redeemed(), InviteState::Redeemed),
        (old.clone(), json!({}), InviteState::Expired),
        (old, redeemed(), InviteState::Redeemed),
        (revoked.clone(), json!({}), InviteState::Revoked),
        (revoked, redeemed(), InviteState::Revoked),
    ] {
        let invite = invite(spec, status);
        assert_eq!(invite_state(&invite, now()), expected, "{invite:?}");
    }
}

#[test]
fn a_code_lives_three_days_unless_its_invite_says_otherwise() {
    let end = |spec| code_expiry(&invite(spec, json!({})));
    assert_eq!(end(json!({})), Some(at("2026-01-04T00:00:00Z")));
    assert_eq!(
        end(json!({ "ttl": "1h" })),
        Some(at("2026-01-01T01:00:00Z"))
    );
    let fixed = json!({ "expiresAt": "2027-01-01T00:00:00Z" });
    assert_eq!(end(fixed), Some(at("2027-01-01T00:00:00Z")));
}

fn known() -> Value {
    json!({ "key": { "id": "000000000001", "hash": HASH } })
}

fn with(mut spec: Value, name: &str, value: Value) -> Value {
    spec[name] = value;
    spec
}

#[test]
fn a_key_stands_where_its_spec_and_the_clock_say() {
    let account = json!({ "serviceAccount": { "name": "ci" } });
    let secret = json!({ "secretName": "ci" });
    let made = json!({ "key": { "id": "000000000001", "hash": HASH } });
    for (spec, status, expected) in [
        (known(), json!({}), ClientKeyState::Active),
        (account, json!({}), ClientKeyState::Active),
        (secret.clone(), json!({}), ClientKeyState::Pending),
        (secret, made, ClientKeyState::Active),
        (
            with(known(), "suspended", true.into()),
            json!({}),
            ClientKeyState::Suspended,
        ),
        (
            with(known(), "revoked", true.into()),
            json!({}),
            ClientKeyState::Revoked,
        ),
        (
            with(known(), "expiresAt", "2026-01-02T00:00:00Z".into()),
            json!({}),
            ClientKeyState::Expired,
        ),
    ] {
        let key = key(spec, status);
        assert_eq!(
            client_key_state(&key, None, now()),
            expected,
            "{:?}",
            key.spec
        );
    }
}

#[test]
fn a_key_shares_the_fate_of_the_invite_that_it_came_from() {
    let origin = |policy: &str| {
        let origin = json!({ "name": "ada", "codeHash": HASH, "deletionPolicy": policy });
        key(with(known(), "invite", origin), json!({}))
    };
    let there = invite(json!({ "codeHash": HASH }), redeemed());
    let again = invite(json!({ "codeHash": OTHER }), json!({}));
    let revoked = invite(json!({ "codeHash": HASH, "revoked": true }), redeemed());
    for (policy, invite, expected) in [
        ("Revoke", Some(&there), ClientKeyState::Active),
        ("Revoke", None, ClientKeyState::Revoked),
        ("Revoke", Some(&again), ClientKeyState::Revoked),
        ("Revoke", Some(&revoked), ClientKeyState::Revoked),
        ("Keep", None, ClientKeyState::Active),
        ("Keep", Some(&again), ClientKeyState::Active),
        ("Keep", Some(&revoked), ClientKeyState::Revoked),
    ] {
        assert_eq!(
            client_key_state(&origin(policy), invite, now()),
            expected,
            "{policy} {:?}",
            invite.map(|invite| &invite.spec)
        );
    }
}
