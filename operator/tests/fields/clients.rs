//! The fields of `Invite` and `ClientKey`. What a gateway reads of them itself is said so here, and
//! shown by its own tests.

use std::collections::BTreeMap;

use anyray_crds::v1alpha1::{ClientKey, Invite};
use anyray_operator::cluster::{
    client_key::{self, key},
    invite::{
        self, code,
        validate::Step,
        validate::{Gateway, References},
    },
};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde_json::{Value, json};

use super::{
    Effect::{self, ForPeople, InGateway, Objects},
    admit, check, object, set,
};

/// The hash of a code or key that somebody else has made.
fn hash(digit: &str) -> String {
    format!("sha256:{}", digit.repeat(64))
}

fn in_gateway(after: Value) -> Effect {
    InGateway(json!({}), after)
}

/// Fields of `Permissions` below `path`, each set by `nest`.
fn permissions(nest: impl Fn(Value) -> Value) -> [Effect; 4] {
    [
        json!({ "models": ["claude-*"] }),
        json!({ "providers": ["openai"] }),
        json!({ "requestsPerMinute": 7 }),
        json!({ "concurrentRequests": 7 }),
    ]
    .map(|permissions| in_gateway(nest(permissions)))
}

fn invite_fields() -> BTreeMap<&'static str, Effect> {
    let nest = |permissions: Value| json!({ "key": { "permissions": permissions } });
    let [models, providers, rate, concurrency] = permissions(nest);
    [
        (
            "gatewayRef.name",
            set(json!({ "gatewayRef": { "name": "other" } })),
        ),
        ("user", in_gateway(json!({ "user": "grace" }))),
        ("team", in_gateway(json!({ "team": "a" }))),
        ("ttl", set(json!({ "ttl": "24h" }))),
        (
            "expiresAt",
            set(json!({ "expiresAt": "2030-01-01T00:00:00Z" })),
        ),
        ("codeHash", set(json!({ "codeHash": hash("0") }))),
        ("secretName", set(json!({ "secretName": "handed-out" }))),
        (
            "key.expiresAfter",
            in_gateway(json!({ "key": { "expiresAfter": "24h" } })),
        ),
        (
            "key.deletionPolicy",
            in_gateway(json!({ "key": { "deletionPolicy": "Keep" } })),
        ),
        ("key.permissions.models", models),
        ("key.permissions.providers", providers),
        ("key.permissions.requestsPerMinute", rate),
        ("key.permissions.concurrentRequests", concurrency),
        ("revoked", set(json!({ "revoked": true }))),
    ]
    .into()
}

fn client_key_fields() -> BTreeMap<&'static str, Effect> {
    let known = |id: &str, digit: &str| json!({ "secretName": null, "key": { "id": id.repeat(12), "hash": hash(digit) } });
    let account = |name: &str, namespace: &str| {
        let account = json!({ "name": name, "namespace": namespace });
        json!({ "secretName": null, "serviceAccount": account })
    };
    let origin = |name: &str, digit: &str, policy: &str| {
        let hash = hash(digit);
        json!({ "invite": { "name": name, "codeHash": hash, "deletionPolicy": policy } })
    };
    let [models, providers, rate, concurrency] =
        permissions(|permissions| json!({ "permissions": permissions }));
    let from_ada = || origin("ada", "0", "Revoke");
    [
        (
            "gatewayRef.name",
            set(json!({ "gatewayRef": { "name": "other" } })),
        ),
        ("user", in_gateway(json!({ "user": "grace" }))),
        ("team", in_gateway(json!({ "team": "a" }))),
        ("key.id", InGateway(known("a", "0"), known("b", "0"))),
        ("key.hash", InGateway(known("a", "0"), known("a", "1"))),
        ("secretName", set(json!({ "secretName": "other" }))),
        (
            "serviceAccount.name",
            Objects(account("a", "llm"), account("b", "llm")),
        ),
        (
            "serviceAccount.namespace",
            Objects(account("a", "llm"), account("a", "ci")),
        ),
        (
            "invite.name",
            Objects(from_ada(), origin("gone", "0", "Revoke")),
        ),
        (
            "invite.codeHash",
            Objects(from_ada(), origin("ada", "1", "Revoke")),
        ),
        (
            "invite.deletionPolicy",
            Objects(origin("gone", "0", "Revoke"), origin("gone", "0", "Keep")),
        ),
        (
            "description",
            ForPeople(json!({}), json!({ "description": "nightly tests" })),
        ),
        (
            "expiresAt",
            set(json!({ "expiresAt": "2020-01-01T00:00:00Z" })),
        ),
        ("permissions.models", models),
        ("permissions.providers", providers),
        ("permissions.requestsPerMinute", rate),
        ("permissions.concurrentRequests", concurrency),
        ("suspended", set(json!({ "suspended": true }))),
        ("revoked", set(json!({ "revoked": true }))),
    ]
    .into()
}

fn now() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().expect("a time")
}

/// The Secret and the status of an invite to the gateway `main`, which is there.
fn invite(patch: &Value) -> Result<String, String> {
    let spec = json!({ "gatewayRef": { "name": "main" }, "user": "ada" });
    let mut invite: Invite = admit(&object("Invite", "ada", spec, patch))?;
    invite.metadata.creation_timestamp = Some(Time(now()));
    let gateway = match invite.spec.gateway_ref.name.as_str() {
        "main" => Gateway::At("http://main.llm.svc:8787".to_owned()),
        _ => Gateway::Missing,
    };
    let references = References {
        gateway,
        ..References::default()
    };
    let mut validated = invite::validate::validate(&invite, &references, now());
    let mut secret = None;
    if let Step::Mint { address } = validated.step.clone() {
        let minted = code::mint(&invite, &address, &[7; 32]);
        validated.take_minted(&minted.hash, now());
        secret = Some(minted.secret);
    }
    let status = invite::status::status(&validated, now());
    Ok(json!([secret, status]).to_string())
}

/// The Secret and the status of a client key of the gateway `main`, which is there, as is the
/// invite `ada`.
fn client_key(patch: &Value) -> Result<String, String> {
    let spec = json!({ "gatewayRef": { "name": "main" }, "user": "ci", "secretName": "ci-key" });
    let key: ClientKey = admit(&object("ClientKey", "ci", spec, patch))?;
    let spec = json!({ "gatewayRef": { "name": "main" }, "user": "ada", "codeHash": hash("0") });
    let ada: Invite = admit(&object("Invite", "ada", spec, &json!({})))?;
    let origin = key.spec.invite.as_ref();
    let references = client_key::validate::References {
        has_gateway: key.spec.gateway_ref.name == "main",
        invite: origin.filter(|it| it.name == "ada").map(|_| ada),
        ..client_key::validate::References::default()
    };
    let mut validated = client_key::validate::validate(&key, &references, now());
    let random = key::Random {
        id: [7; 8],
        secret: [7; 32],
    };
    let minted = validated.mint_into.clone().map(|name| {
        let minted = key::mint(&key, &name, &random);
        validated.take_minted(minted.known, &references, now());
        minted.secret
    });
    let status = client_key::status::status(&validated, now());
    Ok(json!([minted, status]).to_string())
}

#[test]
fn every_field_of_an_invite_has_an_effect() {
    check("Invite", &invite_fields(), invite);
}

#[test]
fn every_field_of_a_client_key_has_an_effect() {
    check("ClientKey", &client_key_fields(), client_key);
}
