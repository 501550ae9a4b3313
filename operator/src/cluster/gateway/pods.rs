//! What matters of a gateway's pods.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use crate::metadata::CONTAINER;

/// What a pod said of the configuration that it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// It runs this one.
    Runs {
        /// SHA-256 of its `gateway.json`.
        hash: String,
        /// Why it refused a later one, if it did.
        rejected: Option<String>,
    },
    /// It gave no answer.
    Unreachable,
}

/// One pod that is not on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodState {
    /// Its name.
    pub name: String,
    /// Its uid and how often its container was restarted: another life is another pod.
    pub life: String,
    /// Its address, once it has one.
    pub ip: Option<String>,
    /// Since when it is ready; absent while it is not.
    pub ready_since: Option<Timestamp>,
    /// What the kubelet says, where it cannot start the container.
    pub trouble: Option<String>,
    /// What it said last.
    pub report: Option<Report>,
}

impl PodState {
    /// A pod as the API server knows it; absent when it is terminating or has ended.
    pub fn from_pod(pod: &Pod) -> Option<Self> {
        let status = pod.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref());
        if pod.metadata.deletion_timestamp.is_some()
            || matches!(phase, Some("Failed" | "Succeeded"))
        {
            return None;
        }
        let container = status
            .and_then(|status| status.container_statuses.as_ref())
            .and_then(|containers| {
                containers
                    .iter()
                    .find(|container| container.name == CONTAINER)
            });
        let restarts = container.map_or(0, |container| container.restart_count);
        Some(Self {
            name: pod.name_any(),
            life: format!("{}/{restarts}", pod.uid().unwrap_or_default()),
            ip: status.and_then(|status| status.pod_ip.clone()),
            ready_since: ready_since(pod),
            trouble: container.and_then(trouble).or_else(|| unschedulable(pod)),
            report: None,
        })
    }
}

fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
    Some(ready.last_transition_time.as_ref()?.0)
}

/// Waiting to be started is no trouble; waiting for anything else is.
fn trouble(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    if matches!(reason, "ContainerCreating" | "PodInitializing") {
        return None;
    }
    Some(match &waiting.message {
        Some(message) => format!("{reason}: {message}"),
        None => reason.to_owned(),
    })
}

fn unschedulable(pod: &Pod) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let scheduled = conditions
        .iter()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    let reason = scheduled.reason.as_deref().unwrap_or("Unschedulable");
    let message = scheduled.message.as_deref().unwrap_or_default();
    Some(format!("{reason}: {message}"))
}
