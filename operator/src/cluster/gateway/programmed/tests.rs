//! What pods tell, and what the status makes of it.

use super::*;

const DESIRED: &str = "0123456789abcdef";

fn now() -> Timestamp {
    Timestamp::from_second(1_000_000).expect("a time")
}

/// A pod that has been ready for so many seconds, or is not ready.
fn pod(name: &str, age: Option<i64>, report: Option<Report>) -> PodState {
    PodState {
        name: name.to_owned(),
        life: format!("{name}/0"),
        ip: Some("10.0.0.1".to_owned()),
        ready_since: age.map(|age| now() - SignedDuration::from_secs(age)),
        trouble: None,
        report,
    }
}

fn runs(hash: &str) -> Option<Report> {
    Some(Report::Runs {
        hash: hash.to_owned(),
        rejected: None,
    })
}

fn refuses(reason: &str) -> Option<Report> {
    Some(Report::Runs {
        hash: "earlier".to_owned(),
        rejected: Some(reason.to_owned()),
    })
}

/// A status that says that every ready pod runs this configuration.
fn programmed(hash: &str) -> AnyrayGatewayStatus {
    let finding = Finding::yes(ConditionType::Programmed, Reason::Programmed, "so");
    AnyrayGatewayStatus {
        config_hash: Some(hash.to_owned()),
        conditions: conditions::merge(&[], &[finding], None, now()),
        ..AnyrayGatewayStatus::default()
    }
}

/// The finding, and that its message names these pods and no other.
fn check(pods: &[PodState], before: &AnyrayGatewayStatus, expected: (Truth, Reason, &[&str])) {
    let (truth, reason, named) = expected;
    let finding = finding(DESIRED, pods, before, now());
    assert_eq!(
        (finding.truth, finding.reason),
        (truth, reason),
        "{pods:?}: {}",
        finding.message
    );
    for pod in pods {
        let is_named = finding.message.contains(&pod.name);
        let name = pod.name.as_str();
        assert_eq!(is_named, named.contains(&name), "{}", finding.message);
    }
}

#[test]
fn without_a_ready_pod_nothing_is_programmed() {
    let expected = (Truth::False, Reason::NoReadyPod, &[][..]);
    check(&[], &programmed(DESIRED), expected);
    let unready = pod("main-1", None, runs(DESIRED));
    check(&[unready], &programmed(DESIRED), expected);
}

#[test]
fn every_ready_pod_must_run_it() {
    let nothing = AnyrayGatewayStatus::default();
    let good = pod("main-1", Some(600), runs(DESIRED));
    let unready = pod("main-2", None, None);
    let earlier = pod("main-3", Some(600), runs("earlier"));
    check(
        &[good.clone(), unready],
        &nothing,
        (Truth::True, Reason::Programmed, &[]),
    );
    check(
        &[good, earlier],
        &programmed(DESIRED),
        (Truth::False, Reason::ConfigPending, &["main-3"]),
    );
}

/// Each scale-up would otherwise make the gateway unready for a moment.
#[test]
fn a_young_pod_that_was_not_asked_does_not_count_beside_others() {
    let nothing = AnyrayGatewayStatus::default();
    let good = pod("main-1", Some(600), runs(DESIRED));
    let young = pod("main-2", Some(30), None);
    let overdue = pod("main-3", Some(31), None);
    check(
        &[good.clone(), young.clone()],
        &nothing,
        (Truth::True, Reason::Programmed, &[]),
    );
    check(
        &[good, overdue],
        &nothing,
        (Truth::False, Reason::ConfigPending, &["main-3"]),
    );
    check(
        &[young],
        &nothing,
        (Truth::False, Reason::ConfigPending, &["main-2"]),
    );
}

/// A new operator has asked nobody yet.
#[test]
fn a_restart_of_the_operator_keeps_what_was_said_of_the_same_configuration() {
    let pods = [
        pod("main-1", Some(600), None),
        pod("main-2", Some(600), None),
    ];
    check(
        &pods,
        &programmed(DESIRED),
        (Truth::True, Reason::Programmed, &[]),
    );
    let pending = (
        Truth::False,
        Reason::ConfigPending,
        &["main-1", "main-2"][..],
    );
    check(&pods, &programmed("earlier"), pending);
    check(&pods, &AnyrayGatewayStatus::default(), pending);
}

#[test]
fn what_a_pod_says_outweighs_what_was_said_before() {
    let before = programmed(DESIRED);
    let good = pod("main-1", Some(600), runs(DESIRED));
    let refusing = pod("main-2", Some(600), refuses("limits: must be at least 1"));
    let silent = pod("main-3", Some(600), Some(Report::Unreachable));
    check(
        &[good.clone(), refusing.clone()],
        &before,
        (Truth::False, Reason::ConfigRejected, &["main-2"]),
    );
    check(
        &[good, silent.clone()],
        &before,
        (Truth::Unknown, Reason::PodsUnreachable, &["main-3"]),
    );
    check(
        &[silent, refusing],
        &before,
        (Truth::False, Reason::ConfigRejected, &["main-2"]),
    );
}

#[test]
fn a_refusal_is_told_in_the_words_of_the_pod() {
    let pods = [pod(
        "main-1",
        Some(600),
        refuses("limits: must be at least 1"),
    )];
    let finding = finding(DESIRED, &pods, &AnyrayGatewayStatus::default(), now());
    assert_eq!(
        finding.message,
        "pod main-1 refuses the configuration and keeps its last good one: limits: must be at least 1"
    );
}

#[test]
fn only_ready_pods_that_said_so_are_counted() {
    let pods = [
        pod("main-1", Some(600), runs(DESIRED)),
        pod("main-2", None, runs(DESIRED)),
        pod("main-3", Some(600), runs("earlier")),
        pod("main-4", Some(600), None),
        pod("main-5", Some(600), Some(Report::Unreachable)),
    ];
    assert_eq!(count(DESIRED, &pods, &AnyrayGatewayStatus::default()), 1);
    assert_eq!(count(DESIRED, &pods, &programmed("earlier")), 1);
    // After a start of the operator, what was known of this configuration stands.
    let mut before = programmed(DESIRED);
    for (claimed, expected) in [(0, 1), (1, 1), (2, 2), (3, 2)] {
        before.programmed_replicas = Some(claimed);
        assert_eq!(count(DESIRED, &pods, &before), expected);
    }
}
