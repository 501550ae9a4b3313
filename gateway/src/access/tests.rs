//! What a replica knows of invites and keys, and what follows from it for a caller.

use anyray_wire::anyray::credential::write_client_key;
use serde_json::{Map, Value, json};

use super::{grant::Standing, *};
use crate::error::GatewayError;

/// Any moment.
const NOW: i64 = 1_700_000_000;

fn id(number: u8) -> KeyId {
    KeyId::from_random([number; 8])
}

fn digest(number: u8) -> CredentialDigest {
    CredentialDigest::of(&write_client_key(id(number), &[number; 32]))
}

fn code(number: u8) -> CredentialDigest {
    CredentialDigest::of(&format!("code {number}"))
}

fn known(number: u8) -> Value {
    json!({ "id": id(number), "hash": digest(number) })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("no object: {other}"),
    }
}

/// A key of this object, with this further content of its specification.
fn key(name: &str, more: Value) -> ClientKey {
    let mut key = json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "ClientKey",
        "metadata": { "name": name, "namespace": "team" },
        "spec": { "gatewayRef": { "name": "gw" }, "user": "ada", "key": known(1) },
    });
    let spec = key["spec"].as_object_mut().expect("an object");
    spec.extend(object(more));
    serde_json::from_value(key).expect("a key")
}

fn invite(name: &str, number: u8) -> Invite {
    serde_json::from_value(json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "Invite",
        "metadata": { "name": name },
        "spec": { "gatewayRef": { "name": "gw" }, "user": "ada", "codeHash": code(number) },
    }))
    .expect("an invite")
}

/// A key that came from the invite `i` with code 1.
fn invited(policy: &str) -> ClientKey {
    let origin = json!({ "name": "i", "codeHash": code(1), "deletionPolicy": policy });
    key("k", json!({ "invite": origin }))
}

fn verdict(access: &Access) -> Result<(), GatewayError> {
    let grant = access.find(id(1)).ok_or(GatewayError::KeyUnknown)?;
    grant.check(NOW)
}

#[test]
fn a_key_is_found_by_its_id_and_by_its_object() {
    let access = Access::default();
    access.put_key(&key("k", json!({})));
    let grant = access.find(id(1)).expect("by its id");
    assert_eq!(&*grant.name, "k");
    assert_eq!(grant.facts.digest, Some(digest(1)));
    assert_eq!(grant.label(), id(1).as_str());
    assert!(access.find_named("k").is_some());
    assert!(access.find(id(2)).is_none());
    assert_eq!(access.len(), 1);
    access.remove_key("k");
    assert!(access.find(id(1)).is_none());
    assert!(access.is_empty());
}

#[test]
fn a_key_that_takes_the_place_of_another_ends_it() {
    let access = Access::default();
    access.put_key(&key("k", json!({})));
    access.put_key(&key("k", json!({ "key": known(2) })));
    assert!(access.find(id(1)).is_none());
    assert!(access.find(id(2)).is_some());
    assert_eq!(access.len(), 1);
}

#[test]
fn an_id_that_has_moved_to_another_object_stays_there() {
    let access = Access::default();
    access.put_key(&key("old", json!({})));
    access.put_key(&key("new", json!({})));
    access.remove_key("old");
    let grant = access.find(id(1)).expect("the new one");
    assert_eq!(&*grant.name, "new");
    access.remove_key("new");
    assert!(access.find(id(1)).is_none());
}

#[test]
fn a_minted_key_that_is_rotated_ends_the_one_before() {
    let minted = |number: u8| {
        let mut key = key("ci", json!({ "key": null, "secretName": "ci-key" }));
        let status = json!({ "key": known(number) });
        key.status = Some(serde_json::from_value(status).expect("a status"));
        key
    };
    let access = Access::default();
    let mut pending = minted(1);
    pending.status = None;
    access.put_key(&pending);
    assert!(access.find(id(1)).is_none());
    access.put_key(&minted(1));
    assert_eq!(verdict(&access), Ok(()));
    access.put_key(&minted(2));
    assert!(access.find(id(1)).is_none());
    assert!(access.find(id(2)).is_some());
}

#[test]
fn the_status_of_a_key_that_was_made_elsewhere_counts_for_nothing() {
    let access = Access::default();
    let mut key = key("k", json!({}));
    let status = json!({ "key": known(2) });
    key.status = Some(serde_json::from_value(status).expect("a status"));
    access.put_key(&key);
    assert!(access.find(id(1)).is_some());
    assert!(access.find(id(2)).is_none());
}

#[test]
fn an_account_is_found_in_its_namespace_alone() {
    let access = Access::default();
    let account = json!({ "key": null, "serviceAccount": { "name": "ci" } });
    access.put_key(&key("k", account));
    let find = |namespace: &str| {
        access.find_account(&Account {
            namespace: namespace.into(),
            name: "ci".into(),
        })
    };
    let grant = find("team").expect("the account of the key's own namespace");
    assert_eq!(grant.label(), "k");
    assert!(find("other").is_none());
    access.remove_key("k");
    assert!(find("team").is_none());
}

#[test]
fn an_invite_is_found_by_its_code_until_it_goes() {
    let access = Access::default();
    access.put_invite(&invite("i", 1));
    assert_eq!(access.find_invite(&code(1)).as_deref(), Some("i"));
    access.put_invite(&invite("i", 2));
    assert_eq!(access.find_invite(&code(1)), None);
    assert_eq!(access.find_invite(&code(2)).as_deref(), Some("i"));
    access.put_invite(&invite("j", 2));
    access.remove_invite("i");
    assert_eq!(access.find_invite(&code(2)).as_deref(), Some("j"));
}

#[test]
fn s06_a_key_stands_and_falls_with_its_invite_as_its_policy_says() {
    let live = invite("i", 1);
    let mut revoked = live.clone();
    revoked.spec.revoked = true;
    let mut deleted = live.clone();
    let now = k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
    deleted.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    let of_other_code = invite("i", 2);
    let out = Err(GatewayError::KeyRevoked);
    for (invite, when_revoke, when_keep) in [
        (Some(&live), Ok(()), Ok(())),
        (Some(&revoked), out.clone(), out.clone()),
        (Some(&deleted), out.clone(), Ok(())),
        (Some(&of_other_code), out.clone(), Ok(())),
        (None, out, Ok(())),
    ] {
        for (policy, expected) in [("Revoke", &when_revoke), ("Keep", &when_keep)] {
            let invite_last = Access::default();
            invite_last.put_key(&invited(policy));
            let invite_first = Access::default();
            let changed = Access::default();
            changed.put_invite(&live);
            changed.put_key(&invited(policy));
            match invite {
                Some(invite) => {
                    invite_last.put_invite(invite);
                    invite_first.put_invite(invite);
                    changed.put_invite(invite);
                }
                None => changed.remove_invite("i"),
            }
            invite_first.put_key(&invited(policy));
            for access in [invite_last, invite_first, changed] {
                assert_eq!(&verdict(&access), expected, "{policy} {invite:?}");
            }
        }
    }
}

#[test]
fn s06_an_invite_made_anew_with_the_same_code_lets_its_key_in_again() {
    let access = Access::default();
    access.put_invite(&invite("i", 1));
    access.put_key(&invited("Revoke"));
    access.remove_invite("i");
    assert_eq!(verdict(&access), Err(GatewayError::KeyRevoked));
    access.put_invite(&invite("i", 1));
    assert_eq!(verdict(&access), Ok(()));
}

#[test]
fn a_key_whose_origin_cannot_be_read_is_refused() {
    let origin = json!({ "name": "i", "codeHash": "md5:1" });
    let access = Access::default();
    access.put_key(&key("k", json!({ "invite": origin })));
    assert_eq!(verdict(&access), Err(GatewayError::KeyRevoked));
}

#[test]
fn what_a_new_list_lacks_is_forgotten() {
    let access = Access::default();
    access.put_invite(&invite("i", 1));
    access.put_key(&invited("Revoke"));
    access.put_key(&key("other", json!({ "key": known(2) })));
    access.keep_keys(|name| name == "k");
    assert!(access.find(id(2)).is_none());
    assert_eq!(verdict(&access), Ok(()));
    access.keep_invites(|_| false);
    assert_eq!(access.find_invite(&code(1)), None);
    assert_eq!(verdict(&access), Err(GatewayError::KeyRevoked));
}

#[test]
fn what_was_remembered_means_the_same_as_before() {
    let before = Access::default();
    let mut revoked = invite("i", 1);
    revoked.spec.revoked = true;
    before.put_invite(&revoked);
    before.put_key(&invited("Keep"));
    let permissions = json!({ "models": ["gpt-*"], "requestsPerMinute": 5 });
    let limited = json!({ "key": known(2), "permissions": permissions, "suspended": true });
    before.put_key(&key("limited", limited));
    let text = serde_json::to_string(&before.contents()).expect("JSON");
    let after = Access::default();
    assert!(!after.is_complete());
    after.restore(serde_json::from_str(&text).expect("contents"));
    assert!(after.is_complete());
    assert_eq!(verdict(&after), Err(GatewayError::KeyRevoked));
    assert_eq!(after.find_invite(&code(1)).as_deref(), Some("i"));
    for name in ["k", "limited"] {
        let facts = |access: &Access| access.find_named(name).expect(name).facts.clone();
        assert_eq!(facts(&before), facts(&after));
    }
    let limited = after.find(id(2)).expect("the limited one");
    assert_eq!(limited.facts.standing, Standing::Suspended);
}

#[tokio::test]
async fn every_change_rings() {
    let access = Access::default();
    access.put_key(&key("k", json!({})));
    access.changed.notified().await;
    access.remove_key("k");
    access.changed.notified().await;
}

#[test]
fn a_key_is_good_until_the_second_in_which_it_ends() {
    let access = Access::default();
    let end = k8s_openapi::jiff::Timestamp::from_second(NOW).expect("a time");
    access.put_key(&key("k", json!({ "expiresAt": end.to_string() })));
    let grant = access.find(id(1)).expect("the key");
    assert_eq!(grant.check(NOW - 1), Ok(()));
    assert_eq!(grant.check(NOW), Err(GatewayError::KeyExpired));
}

#[test]
fn the_gravest_reason_is_told() {
    let past = "2001-01-01T00:00:00Z";
    for (more, expected) in [
        (json!({ "suspended": true }), GatewayError::KeySuspended),
        (
            json!({ "suspended": true, "expiresAt": past }),
            GatewayError::KeyExpired,
        ),
        (
            json!({ "suspended": true, "expiresAt": past, "revoked": true }),
            GatewayError::KeyRevoked,
        ),
    ] {
        let access = Access::default();
        access.put_key(&key("k", more));
        assert_eq!(verdict(&access), Err(expected));
    }
}

fn permitted(permissions: Value) -> Arc<Grant> {
    let access = Access::default();
    let more = Value::from_iter([("permissions", permissions)]);
    access.put_key(&key("k", more));
    access.find(id(1)).expect("the key")
}

#[test]
fn models_are_matched_as_patterns_and_as_a_whole() {
    let grant = permitted(json!({ "models": ["gpt-4o", "claude-*-latest", "*/llama"] }));
    assert!(grant.limits_models());
    for model in ["gpt-4o", "claude-opus-latest", "meta/llama"] {
        assert!(grant.allows_model(model), "{model}");
    }
    for model in ["gpt-4o-mini", "GPT-4o", "claude-opus", "llama", ""] {
        assert!(!grant.allows_model(model), "{model}");
    }
    let unlimited = permitted(json!({}));
    assert!(!unlimited.limits_models());
    assert!(unlimited.allows_model("anything"));
    assert!(unlimited.facts.permissions.is_none());
}

#[test]
fn providers_are_matched_exactly() {
    let grant = permitted(json!({ "providers": ["openai"] }));
    assert!(grant.allows_provider("openai"));
    assert!(!grant.allows_provider("anthropic"));
    assert!(!grant.limits_models());
    assert!(permitted(json!({})).allows_provider("anthropic"));
    let by_alias = permitted(json!({ "providers": ["vertex-ai"] }));
    assert!(by_alias.allows_provider("google-vertex-ai"));
}

#[test]
fn requests_beyond_the_rate_are_told_when_to_come_back() {
    let grant = permitted(json!({ "requestsPerMinute": 2 }));
    for _ in 0..2 {
        assert!(grant.admit(NOW).is_ok());
    }
    let Err(GatewayError::TooManyRequests {
        limit,
        wait_seconds,
    }) = grant.admit(NOW)
    else {
        panic!("admitted");
    };
    assert_eq!(limit, 2);
    // One is due every 30 s.
    assert!((1..=31).contains(&wait_seconds), "{wait_seconds}");
}

#[test]
fn requests_at_once_are_counted_until_they_end() {
    let grant = permitted(json!({ "concurrentRequests": 2 }));
    let first = grant.admit(NOW).expect("the first").expect("a place");
    let _second = grant.admit(NOW).expect("the second");
    let full = GatewayError::TooManyAtOnce { limit: 2 };
    assert_eq!(grant.admit(NOW).err(), Some(full));
    drop(first);
    assert!(grant.admit(NOW).is_ok());
}

#[test]
fn a_request_beyond_the_rate_takes_no_place() {
    let grant = permitted(json!({ "concurrentRequests": 2, "requestsPerMinute": 1 }));
    let _held = grant.admit(NOW).expect("the first");
    for _ in 0..3 {
        let refused = grant.admit(NOW).err();
        let is_rate = matches!(refused, Some(GatewayError::TooManyRequests { .. }));
        assert!(is_rate, "{refused:?}");
    }
}

/// A limited key of the object `k`, with this rate.
fn limited(rate: u32, team: &str) -> ClientKey {
    let permissions = json!({ "requestsPerMinute": rate, "concurrentRequests": 1 });
    key("k", json!({ "permissions": permissions, "team": team }))
}

#[test]
fn an_edit_that_leaves_the_rate_alone_gives_no_new_allowance() {
    let access = Access::default();
    access.put_key(&limited(1, "old"));
    let before = access.find(id(1)).expect("the key");
    let held = before.admit(NOW).expect("the first");
    access.put_key(&limited(1, "new"));
    let after = access.find(id(1)).expect("the key");
    assert_eq!(after.facts.team.as_deref(), Some("new"));
    assert_eq!(after.last_used(), Some(NOW));
    let at_once = GatewayError::TooManyAtOnce { limit: 1 };
    assert_eq!(after.admit(NOW).err(), Some(at_once));
    drop(held);
    let refused = after.admit(NOW).err();
    let is_rate = matches!(refused, Some(GatewayError::TooManyRequests { .. }));
    assert!(is_rate, "{refused:?}");
    access.put_key(&limited(60, "new"));
    assert!(access.find(id(1)).expect("the key").admit(NOW).is_ok());
}

#[test]
fn a_lockout_gives_no_new_allowance() {
    let access = Access::default();
    let mut key = limited(1, "team");
    key.spec.invite = invited("Revoke").spec.invite;
    access.put_invite(&invite("i", 1));
    access.put_key(&key);
    drop(access.find(id(1)).expect("the key").admit(NOW));
    access.remove_invite("i");
    access.put_invite(&invite("i", 1));
    let grant = access.find(id(1)).expect("the key");
    assert_eq!(grant.check(NOW), Ok(()));
    assert!(grant.admit(NOW).is_err());
}

#[test]
fn the_last_use_is_remembered_by_the_second() {
    let grant = permitted(json!({}));
    assert_eq!(grant.last_used(), None);
    let _ = grant.admit(NOW);
    let _ = grant.admit(NOW + 5);
    assert_eq!(grant.last_used(), Some(NOW + 5));
}
