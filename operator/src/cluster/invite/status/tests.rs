//! Statuses of invites, and what is done about their codes.

use anyray_crds::v1alpha1::{ClientKey, Invite, invite::Redemption};
use anyray_wire::anyray::credential::{CredentialDigest, KeyId, write_client_key};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use serde_json::{Value, json};

use super::*;
use crate::cluster::{
    found::Found,
    invite::{
        code::{self, Minted},
        validate::{Gateway, References, Step, failed, validate},
    },
    minted::classify,
};

const ADDRESS: &str = "http://team-a.llm.svc:8787";
const HASH: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// When the invites below are made; they live for 72 hours.
fn made_at() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().expect("a time")
}

fn hours_later(hours: i64) -> Timestamp {
    Timestamp::from_second(made_at().as_second() + hours * 3600).expect("a time")
}

fn invite(patch: &Value) -> Invite {
    let mut spec = json!({ "gatewayRef": { "name": "team-a" }, "user": "ada@example.com" });
    let fields = spec.as_object_mut().expect("an object");
    fields.extend(patch.as_object().expect("an object").clone());
    let invite = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "Invite",
        "metadata": {
            "name": "ada",
            "namespace": "llm",
            "uid": "1",
            "generation": 4,
            "creationTimestamp": "2026-12-01T00:00:00Z",
            "labels": { "argocd.argoproj.io/instance": "hostile" },
        },
        "spec": spec,
    });
    serde_json::from_value(invite).expect("an invite")
}

fn references() -> References {
    References {
        gateway: Gateway::At(ADDRESS.to_owned()),
        ..References::default()
    }
}

fn minted(invite: &Invite) -> Minted {
    code::mint(invite, ADDRESS, &[7; 32])
}

/// What is found of a Secret once it is stored.
fn found(invite: &Invite, mut secret: Secret) -> Found<CredentialDigest> {
    secret.metadata.uid = Some("2".to_owned());
    classify(invite, secret, code::read)
}

fn entry(secret: &Secret, name: &str) -> String {
    let data = secret.data.as_ref().expect("entries");
    String::from_utf8(data[name].0.clone()).expect("text")
}

fn client_key(invite: &str, code_hash: &str) -> ClientKey {
    let key = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "ClientKey",
        "metadata": {
            "name": "ck-0123456789ab",
            "namespace": "llm",
            "creationTimestamp": "2026-12-01T01:00:00Z",
        },
        "spec": {
            "gatewayRef": { "name": "team-a" },
            "user": "ada@example.com",
            "key": { "id": "0123456789ab", "hash": HASH },
            "invite": { "name": invite, "codeHash": code_hash },
        },
    });
    serde_json::from_value(key).expect("a key")
}

fn record(by: &str) -> Redemption {
    Redemption {
        key_id: "0123456789ab".to_owned(),
        client_key_name: "ck-0123456789ab".to_owned(),
        at: Time(hours_later(1)),
        by: by.to_owned(),
    }
}

/// An invite whose code is in a Secret.
fn issued() -> (Invite, References) {
    let mut invite = invite(&json!({}));
    let minted = minted(&invite);
    invite.status = Some(InviteStatus {
        code_hash: Some(minted.hash.to_string()),
        code_secret_name: Some("ada-code".to_owned()),
        state: Some(InviteState::Issued),
        ..InviteStatus::default()
    });
    let secret = found(&invite, minted.secret);
    let references = References {
        secret,
        ..references()
    };
    (invite, references)
}

/// Type, status and reason of each condition.
fn told(status: &InviteStatus) -> Vec<(&str, &str, &str)> {
    let mut told: Vec<_> = status
        .conditions
        .iter()
        .map(|it| (it.type_.as_str(), it.status.as_str(), it.reason.as_str()))
        .collect();
    told.sort_unstable();
    told
}

/// Whether the step is to delete the Secret of [`found`].
fn deletes(step: &Step) -> bool {
    let Step::Delete { uid } = step else {
        return false;
    };
    uid.as_deref() == Some("2")
}

#[test]
fn a_code_is_made_for_the_gateways_address() {
    let invite = invite(&json!({}));
    let mut validated = validate(&invite, &references(), made_at());
    let address = ADDRESS.to_owned();
    assert_eq!(validated.step, Step::Mint { address });
    let minted = minted(&invite);
    validated.take_minted(&minted.hash, made_at());
    let status = status(&validated, made_at());
    assert_eq!(status.state, Some(InviteState::Issued));
    assert_eq!(status.code_hash, Some(minted.hash.to_string()));
    assert_eq!(status.code_secret_name.as_deref(), Some("ada-code"));
    assert_eq!(status.expires_at, Some(Time(hours_later(72))));
    let expected = [
        ("Accepted", "True", "Accepted"),
        ("Issued", "True", "Issued"),
        ("Ready", "True", "Issued"),
    ];
    assert_eq!(told(&status), expected);
}

#[test]
fn the_secret_has_the_code_the_command_and_no_label_of_the_invite() {
    let invite = invite(&json!({}));
    let Minted { secret, hash } = minted(&invite);
    let code = entry(&secret, "code");
    assert_eq!(CredentialDigest::of(&code), hash);
    let command = format!("npx anyray-connect --gateway {ADDRESS} --invite {code}");
    assert_eq!(entry(&secret, "command"), command);
    assert_eq!(secret.type_.as_deref(), Some("anyray.ai/invite-code"));
    assert_eq!(secret.immutable, Some(true));
    let labels = secret.metadata.labels.expect("labels");
    assert!(
        labels
            .keys()
            .all(|label| label.starts_with("app.kubernetes.io/"))
    );
    let owners = secret.metadata.owner_references.expect("an owner");
    assert_eq!(
        (owners[0].uid.as_str(), owners[0].controller),
        ("1", Some(true))
    );
}

#[test]
fn the_code_is_in_the_secret_alone() {
    let invite = invite(&json!({}));
    let minted = minted(&invite);
    let code = entry(&minted.secret, "code");
    let mut validated = validate(&invite, &references(), made_at());
    validated.take_minted(&minted.hash, made_at());
    let status = json!(status(&validated, made_at())).to_string();
    let found = found(&invite, minted.secret.clone());
    for text in [status, format!("{validated:?}{minted:?}{found:?}")] {
        assert!(!text.contains(&code) && !text.contains("ari_"), "{text}");
    }
}

#[test]
fn a_pass_that_ended_before_its_status_is_taken_up_again() {
    let invite = invite(&json!({}));
    let minted = minted(&invite);
    let references = References {
        secret: found(&invite, minted.secret),
        ..references()
    };
    let validated = validate(&invite, &references, made_at());
    assert_eq!(validated.step, Step::Keep);
    let status = status(&validated, made_at());
    assert_eq!(status.code_hash, Some(minted.hash.to_string()));
    assert_eq!(status.code_secret_name.as_deref(), Some("ada-code"));
    assert_eq!(status.state, Some(InviteState::Issued));
}

#[test]
fn a_foreign_secret_is_left_alone() {
    let invite = invite(&json!({}));
    let other_uid = |uid: &str| {
        let mut secret = minted(&invite).secret;
        let owners = secret.metadata.owner_references.as_mut().expect("an owner");
        owners[0].uid = uid.to_owned();
        secret
    };
    let mut not_ours = minted(&invite).secret;
    not_ours.metadata.owner_references = None::<Vec<OwnerReference>>;
    let mut no_code = minted(&invite).secret;
    no_code.data = None;
    for secret in [not_ours, no_code, other_uid("3")] {
        let references = References {
            secret: found(&invite, secret),
            ..references()
        };
        assert_eq!(references.secret, Found::Foreign);
        let validated = validate(&invite, &references, made_at());
        assert_eq!(validated.step, Step::Keep);
        let status = status(&validated, made_at());
        let expected = [
            ("Accepted", "False", "NameConflict"),
            ("Issued", "False", "NameConflict"),
            ("Ready", "False", "NameConflict"),
            ("Stalled", "True", "NameConflict"),
        ];
        assert_eq!(told(&status), expected);
        assert_eq!((status.code_hash, status.code_secret_name), (None, None));
    }
}

#[test]
fn a_code_waits_for_its_gateway_and_for_the_gateways_address() {
    for (gateway, reason) in [
        (Gateway::Missing, "GatewayNotFound"),
        (Gateway::WithoutAddress, "Progressing"),
    ] {
        let references = References {
            gateway,
            ..References::default()
        };
        let validated = validate(&invite(&json!({})), &references, made_at());
        assert_eq!(validated.step, Step::Keep);
        let status = status(&validated, made_at());
        assert_eq!(status.state, Some(InviteState::Pending));
        let told = told(&status);
        assert!(told.contains(&("Issued", "False", reason)), "{told:?}");
        assert!(told.contains(&("Ready", "False", reason)), "{told:?}");
        let is_at_work = told.iter().any(|it| it.0 == "Reconciling");
        assert_eq!(is_at_work, reason == "Progressing");
    }
}

#[test]
fn a_code_that_was_made_elsewhere_needs_no_secret() {
    let invite = invite(&json!({ "codeHash": HASH }));
    let validated = validate(&invite, &references(), made_at());
    assert_eq!(validated.step, Step::Keep);
    let status = status(&validated, made_at());
    assert_eq!(status.state, Some(InviteState::Issued));
    assert_eq!((status.code_hash, status.code_secret_name), (None, None));
}

#[test]
fn a_secret_that_was_deleted_is_not_made_again() {
    for secret in [Found::Absent, Found::Foreign] {
        let (invite, references) = issued();
        let references = References {
            secret,
            ..references
        };
        let validated = validate(&invite, &references, made_at());
        assert_eq!(validated.step, Step::Keep);
        let status = status(&validated, made_at());
        assert_eq!(status.code_secret_name, None);
        assert_eq!(status.code_hash, invite.status.expect("one").code_hash);
        let issued = conditions::find(&status.conditions, ConditionType::Issued);
        assert!(issued.expect("Issued").message.contains("was deleted"));
    }
}

#[test]
fn the_code_is_put_away_once_it_is_of_no_more_use() {
    let (mut revoked, references) = issued();
    revoked.spec.revoked = true;
    let (expired, _) = issued();
    let (mut redeemed, _) = issued();
    redeemed.status.as_mut().expect("one").redemption = Some(record("team-a-7d9"));
    for (invite, hours, state) in [
        (revoked, 1, InviteState::Revoked),
        (expired, 72, InviteState::Expired),
        (redeemed, 1, InviteState::Redeemed),
    ] {
        let mut validated = validate(&invite, &references, hours_later(hours));
        assert!(deletes(&validated.step), "{state:?}");
        validated.take_deleted();
        let status = status(&validated, hours_later(hours));
        assert_eq!(status.state, Some(state));
        assert_eq!(status.code_secret_name, None);
        assert!(status.code_hash.is_some());
    }
}

#[test]
fn a_code_lives_to_the_last_second() {
    let (invite, references) = issued();
    let last = Timestamp::from_second(hours_later(72).as_second() - 1).expect("a time");
    let validated = validate(&invite, &references, last);
    assert_eq!(validated.state, InviteState::Issued);
}

#[test]
fn expired_and_revoked_need_a_person() {
    let (invite, references) = issued();
    let mut revoked = invite.clone();
    revoked.spec.revoked = true;
    for (invite, reason) in [(invite, "Expired"), (revoked, "Revoked")] {
        let status = status(&validate(&invite, &references, hours_later(72)), made_at());
        let expected = [
            ("Accepted", "True", "Accepted"),
            ("Issued", "False", reason),
            ("Ready", "False", reason),
            ("Stalled", "True", reason),
        ];
        assert_eq!(told(&status), expected);
    }
}

#[test]
fn a_pods_record_is_shown_and_never_written() {
    let (mut invite, references) = issued();
    let record = record("team-a-7d9");
    invite.status.as_mut().expect("one").redemption = Some(record.clone());
    // A key of the same invite does not change it either.
    let hash = invite.status.as_ref().and_then(|it| it.code_hash.clone());
    let references = References {
        client_keys: vec![client_key("ada", &hash.expect("a hash"))],
        ..references
    };
    let status = status(&validate(&invite, &references, hours_later(2)), made_at());
    assert_eq!(status.redemption, Some(record));
    assert_eq!(own_part(&status).redemption, None);
    assert!(json!(own_part(&status)).get("redemption").is_none());
    assert!(told(&status).contains(&("Ready", "True", "Redeemed")));
}

#[test]
fn a_record_that_is_missing_is_completed_from_the_key_and_then_repeated() {
    let mut invite = invite(&json!({ "codeHash": HASH }));
    let mut references = References {
        client_keys: vec![client_key("ada", HASH)],
        ..references()
    };
    let first = status(&validate(&invite, &references, hours_later(80)), made_at());
    assert_eq!(first.state, Some(InviteState::Redeemed));
    assert_eq!(first.redemption, Some(record("anyray-operator")));
    assert_eq!(own_part(&first), first);
    invite.status = Some(first.clone());
    references.client_keys.clear();
    let second = status(&validate(&invite, &references, hours_later(81)), made_at());
    assert_eq!(second, first);
    assert_eq!(own_part(&second), first);
}

#[test]
fn a_key_of_another_invite_or_code_completes_nothing() {
    let invite = invite(&json!({ "codeHash": HASH }));
    let other = HASH.replace('0', "1");
    for key in [client_key("grace", HASH), client_key("ada", &other)] {
        let references = References {
            client_keys: vec![key],
            ..references()
        };
        let validated = validate(&invite, &references, made_at());
        assert_eq!(validated.state, InviteState::Issued);
    }
}

#[test]
fn what_the_api_server_refused_is_told() {
    let invite = invite(&json!({}));
    let message = "cannot create Secret llm/ada-code: quota (403)".to_owned();
    let status = status(&failed(&invite, message, made_at()), made_at());
    assert!(told(&status).contains(&("Issued", "False", "ApplyFailed")));
    assert!(told(&status).contains(&("Reconciling", "True", "ApplyFailed")));
}

#[test]
fn the_same_findings_change_nothing() {
    let (mut invite, references) = issued();
    let first = status(&validate(&invite, &references, made_at()), made_at());
    invite.status = Some(first.clone());
    let again = hours_later(1);
    assert_eq!(status(&validate(&invite, &references, again), again), first);
}

/// Otherwise what is read back would differ from what is to be, each time.
#[test]
fn the_end_is_told_in_whole_seconds() {
    let invite = invite(&json!({ "expiresAt": "2026-12-02T00:00:00.7Z", "codeHash": HASH }));
    let status = status(&validate(&invite, &references(), made_at()), made_at());
    let read_back: InviteStatus = serde_json::from_value(json!(status)).expect("a status");
    assert_eq!(read_back, status);
}

#[test]
fn a_code_is_not_taken_for_a_key() {
    let invite = invite(&json!({}));
    let mut secret = minted(&invite).secret;
    let key = write_client_key(KeyId::from_random([1; 8]), &[1; 32]);
    let data = secret.data.as_mut().expect("entries");
    data.insert("code".to_owned(), k8s_openapi::ByteString(key.into()));
    assert_eq!(found(&invite, secret), Found::Foreign);
}
