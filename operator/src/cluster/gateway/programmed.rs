//! Whether a gateway's pods run the configuration that they should.

use anyray_crds::{
    conditions::{ConditionType, Reason},
    v1alpha1::AnyrayGatewayStatus,
};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::pods::{PodState, Report};
use crate::cluster::conditions::{self, Finding, Truth};

/// How long a pod that has just become ready may go without having been asked.
const GRACE: SignedDuration = SignedDuration::from_secs(30);

/// How many ready pods run this configuration, as far as is known: after a start of the operator
/// nobody has been asked yet, and as many as before are taken to run it; see [`finding`].
pub fn count(desired: &str, pods: &[PodState], before: &AnyrayGatewayStatus) -> i32 {
    let count = |is_so: &dyn Fn(&PodState) -> bool| {
        let ready = pods.iter().filter(|pod| pod.ready_since.is_some());
        i32::try_from(ready.filter(|pod| is_so(pod)).count()).unwrap_or(i32::MAX)
    };
    let known = count(&|pod| runs(desired, pod));
    if !stands(desired, before) {
        return known;
    }
    let possible = count(&|pod| runs(desired, pod) || pod.report.is_none());
    known.max(possible.min(before.programmed_replicas.unwrap_or(0)))
}

/// Whether the status said of this same configuration that every pod runs it.
fn stands(desired: &str, before: &AnyrayGatewayStatus) -> bool {
    before.config_hash.as_deref() == Some(desired)
        && conditions::is_true(&before.conditions, ConditionType::Programmed)
}

fn runs(desired: &str, pod: &PodState) -> bool {
    pod.ready_since.is_some()
        && matches!(&pod.report, Some(Report::Runs { hash, .. }) if hash == desired)
}

/// The condition `Programmed`.
///
/// After a start of the operator nobody has been asked yet; what the status said of this same
/// configuration then stands, for as long as a pod may go without having been asked.
pub fn finding(
    desired: &str,
    pods: &[PodState],
    before: &AnyrayGatewayStatus,
    now: Timestamp,
) -> Finding {
    const TYPE: ConditionType = ConditionType::Programmed;
    let ready: Vec<_> = pods
        .iter()
        .filter(|pod| pod.ready_since.is_some())
        .collect();
    if ready.is_empty() {
        return Finding::no(TYPE, Reason::NoReadyPod, "no pod is ready");
    }
    if let Some(finding) = off_desired(desired, &ready) {
        return finding;
    }
    let programmed = ready.iter().filter(|pod| runs(desired, pod)).count();
    let waiting = ready.iter().filter(|pod| pod.report.is_none());
    let overdue = waiting.clone().any(|pod| {
        pod.ready_since
            .is_some_and(|since| now.duration_since(since) > GRACE)
    });
    if (programmed > 0 && !overdue) || stands(desired, before) {
        let message = format!("every ready pod runs the configuration {}", short(desired));
        return Finding::yes(TYPE, Reason::Programmed, message);
    }
    let names = names(waiting.copied());
    let message = format!(
        "not known yet to run the configuration {}: {names}",
        short(desired)
    );
    Finding::no(TYPE, Reason::ConfigPending, message)
}

/// A pod that runs another configuration, or that does not tell.
fn off_desired(desired: &str, ready: &[&PodState]) -> Option<Finding> {
    const TYPE: ConditionType = ConditionType::Programmed;
    let others = ready.iter().filter_map(|pod| match &pod.report {
        Some(Report::Runs { hash, rejected }) if hash != desired => Some((*pod, rejected)),
        _ => None,
    });
    let refusal = others
        .clone()
        .find_map(|(pod, rejected)| Some((pod, rejected.as_ref()?)));
    if let Some((pod, reason)) = refusal {
        let message = format!(
            "pod {} refuses the configuration and keeps its last good one: {reason}",
            pod.name
        );
        return Some(Finding::no(TYPE, Reason::ConfigRejected, message));
    }
    let pending = names(others.map(|(pod, _)| pod));
    if !pending.is_empty() {
        let message = format!(
            "runs an earlier configuration than {}: {pending}",
            short(desired)
        );
        return Some(Finding::no(TYPE, Reason::ConfigPending, message));
    }
    let silent = ready
        .iter()
        .filter(|pod| pod.report == Some(Report::Unreachable));
    let silent = names(silent.copied());
    (!silent.is_empty()).then(|| {
        let message = format!("no answer on the ops port 8789 of: {silent}");
        Finding::new(TYPE, Truth::Unknown, Reason::PodsUnreachable, message)
    })
}

fn names<'a>(pods: impl Iterator<Item = &'a PodState>) -> String {
    let names: Vec<_> = pods.map(|pod| pod.name.as_str()).collect();
    names.join(", ")
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

#[cfg(test)]
mod tests;
