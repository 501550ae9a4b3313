//! Statuses of keys.

use anyray_wire::gateway_config::CredentialKind;
use secrecy::SecretSlice;
use serde_json::json;

use super::*;

const GENERATION: i64 = 4;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn provider_key(previous: Option<ProviderKeyStatus>) -> ProviderKey {
    let key = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "ProviderKey",
        "metadata": { "name": "openai", "namespace": "llm", "generation": GENERATION },
        "spec": {
            "provider": "openai",
            "auth": { "apiKeySecretRef": { "name": "keys" } },
        },
    });
    let mut key: ProviderKey = serde_json::from_value(key).expect("a key");
    key.status = previous;
    key
}

fn usable_key(version: &str) -> Result<UsableKey, UnusableKey> {
    Ok(UsableKey {
        name: "openai".to_owned(),
        provider: "openai",
        kind: CredentialKind::ApiKey,
        secret: SecretSlice::from(b"sk-canary".to_vec()),
        version: Some(version.to_owned()),
        endpoint: None,
    })
}

fn unusable_key(reason: Reason) -> Result<UsableKey, UnusableKey> {
    Err(UnusableKey {
        name: "openai".to_owned(),
        provider: "openai",
        fault: Fault::new(reason, "what is wrong"),
    })
}

fn used_by(gateways: &[(&str, bool)]) -> Usage {
    let gateways = gateways.iter().map(|&(name, programmed)| UsedBy {
        name: name.to_owned(),
        programmed,
    });
    Usage {
        gateways: gateways.collect(),
        refused: Vec::new(),
    }
}

fn first_status(
    checked: &Result<UsableKey, UnusableKey>,
    gateways: &[(&str, bool)],
) -> ProviderKeyStatus {
    status(&provider_key(None), checked, used_by(gateways), at(1))
}

/// Conditions as `Type=Status/Reason`.
fn summary(status: &ProviderKeyStatus) -> Vec<String> {
    let mut all: Vec<_> = status
        .conditions
        .iter()
        .map(|it| format!("{}={}/{}", it.type_, it.status, it.reason))
        .collect();
    all.sort();
    all
}

#[test]
fn conditions_follow_the_key_and_its_gateways() {
    let resolved = ["Accepted=True/Accepted", "ResolvedRefs=True/ResolvedRefs"];
    for (gateways, expected) in [
        (
            &[("a", true), ("b", true)][..],
            &["Programmed=True/Programmed", "Ready=True/Programmed"][..],
        ),
        (
            &[("a", true), ("b", false)],
            &[
                "Programmed=False/ConfigPending",
                "Ready=False/ConfigPending",
                "Reconciling=True/ConfigPending",
            ],
        ),
        (&[], &["Programmed=False/NotUsed", "Ready=True/NotUsed"]),
    ] {
        let mut expected = [&resolved[..], expected].concat();
        expected.sort_unstable();
        let status = first_status(&usable_key("1"), gateways);
        assert_eq!(summary(&status), expected, "{gateways:?}");
    }
}

#[test]
fn a_gateway_that_does_not_run_the_key_yet_is_named() {
    let status = first_status(&usable_key("1"), &[("a", true), ("slow", false)]);
    let ready = conditions::find(&status.conditions, ConditionType::Ready);
    let message = &ready.expect("a condition").message;
    assert_eq!(message, "not in use yet by all pods of: slow");
}

#[test]
fn a_fault_is_the_reason_of_what_is_not_so() {
    for (reason, expected) in [
        (
            Reason::SecretNotFound,
            &[
                "Accepted=True/Accepted",
                "Programmed=False/SecretNotFound",
                "Ready=False/SecretNotFound",
                "ResolvedRefs=False/SecretNotFound",
            ][..],
        ),
        (
            Reason::Suspended,
            &[
                "Accepted=True/Accepted",
                "Programmed=False/Suspended",
                "Ready=False/Suspended",
            ],
        ),
        // Nothing but another spec helps.
        (
            Reason::InvalidEndpoint,
            &[
                "Accepted=False/InvalidEndpoint",
                "Ready=False/InvalidEndpoint",
                "Stalled=True/InvalidEndpoint",
            ],
        ),
    ] {
        let status = first_status(&unusable_key(reason), &[("a", false)]);
        assert_eq!(summary(&status), expected, "{reason:?}");
    }
}

#[test]
fn a_new_version_of_the_secret_moves_the_time_and_the_same_one_does_not() {
    let first = first_status(&usable_key("1"), &[("a", true)]);
    let version = |status: &ProviderKeyStatus| {
        let changed_at = status.secret_changed_at.as_ref().map(|time| time.0);
        (status.secret_version.clone(), changed_at)
    };
    assert_eq!(version(&first), (Some("1".to_owned()), Some(at(1))));

    let next = |previous: &ProviderKeyStatus, now: Timestamp, secret: &str| {
        let key = provider_key(Some(previous.clone()));
        status(&key, &usable_key(secret), used_by(&[("a", true)]), now)
    };
    let same = next(&first, at(2), "1");
    assert_eq!(same, first);
    let rotated = next(&same, at(3), "2");
    assert_eq!(version(&rotated), (Some("2".to_owned()), Some(at(3))));
}

#[test]
fn the_version_that_was_used_last_stays_while_the_key_cannot_be_used() {
    let before = first_status(&usable_key("1"), &[]);
    let key = provider_key(Some(before.clone()));
    for reason in [Reason::EmptyKey, Reason::Suspended] {
        let after = status(&key, &unusable_key(reason), Usage::default(), at(2));
        assert_eq!(after.secret_version, before.secret_version);
        assert_eq!(after.secret_changed_at, before.secret_changed_at);
    }
    let never = first_status(&unusable_key(Reason::EmptyKey), &[]);
    assert_eq!(never.secret_version, None);
}

#[test]
fn gateways_are_told_in_order_and_the_most_of_them() {
    let names: Vec<_> = (0..40).rev().map(|n| format!("gateway-{n:02}")).collect();
    let gateways: Vec<_> = names.iter().map(|name| (name.as_str(), true)).collect();
    let status = first_status(&usable_key("1"), &gateways);
    let told: Vec<_> = status.gateways.iter().map(|it| it.name.clone()).collect();
    let mut expected = names;
    expected.sort();
    expected.truncate(32);
    assert_eq!(told, expected);
}

#[test]
fn a_gateway_beyond_those_that_are_told_counts_all_the_same() {
    let names: Vec<_> = (0..40).map(|n| format!("gateway-{n:02}")).collect();
    let gateways: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), name != "gateway-39"))
        .collect();
    let status = first_status(&usable_key("1"), &gateways);
    assert!(status.gateways.iter().all(|gateway| gateway.programmed));
    assert!(!conditions::is_true(
        &status.conditions,
        ConditionType::Ready
    ));
}

/// Current is Ready, and nothing else is Current.
#[test]
fn every_status_is_one_that_tools_can_rely_on() {
    let mut keys = vec![usable_key("1"), usable_key("2")];
    keys.extend(Reason::ALL.iter().map(|(reason, _)| unusable_key(*reason)));
    let before = first_status(&usable_key("1"), &[("a", true)]);
    for checked in &keys {
        for gateways in [&[][..], &[("a", true)], &[("a", true), ("b", false)]] {
            for previous in [None, Some(before.clone())] {
                let first = status(&provider_key(previous), checked, used_by(gateways), at(2));
                check_conditions(&first);
                let again = provider_key(Some(first.clone()));
                let again = status(&again, checked, used_by(gateways), at(3));
                assert_eq!(again, first, "it changes although nothing else did");
            }
        }
    }
}

fn check_conditions(status: &ProviderKeyStatus) {
    let text = summary(status);
    let is = |type_| conditions::is_true(&status.conditions, type_);
    let has = |type_| conditions::find(&status.conditions, type_).is_some();
    assert_eq!(status.observed_generation, Some(GENERATION));
    for condition in &status.conditions {
        assert_eq!(condition.observed_generation, Some(GENERATION));
        assert!(!condition.message.contains("sk-canary"));
    }
    assert!(has(ConditionType::Ready), "{text:?}");
    if is(ConditionType::Ready) {
        assert!(is(ConditionType::Accepted) && is(ConditionType::ResolvedRefs));
    }
    let states = [
        is(ConditionType::Ready),
        has(ConditionType::Reconciling),
        has(ConditionType::Stalled),
    ];
    let count = states.iter().filter(|&&state| state).count();
    assert!(count <= 1, "{text:?}");
}

#[test]
fn a_gateway_that_does_not_allow_the_address_is_named_with_the_reason() {
    let mut usage = used_by(&[("a", true)]);
    usage
        .refused
        .push("gateway b: spec.endpoint.url: is a private address".to_owned());
    let status = status(&provider_key(None), &usable_key("1"), usage, at(1));
    assert_eq!(
        summary(&status),
        [
            "Accepted=True/Accepted",
            "Programmed=False/EndpointNotAllowed",
            "Ready=False/EndpointNotAllowed",
            "ResolvedRefs=True/ResolvedRefs",
            "Stalled=True/EndpointNotAllowed",
        ]
    );
    assert_eq!(status.gateway_summary.as_deref(), Some("1/2"));
}
