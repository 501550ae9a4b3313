//! What a gateway's status says, from what was decided, applied and observed.

use anyray_crds::{
    conditions::{ConditionType, Reason},
    v1alpha1::{AnyrayGateway, AnyrayGatewayStatus},
};
use k8s_openapi::api::{
    apps::v1::{Deployment, DeploymentStatus},
    core::v1::Service,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::{ResourceExt as _, core::error_boundary::InvalidObject};

use super::{pods::PodState, programmed};
use crate::{
    cluster::conditions::{self, Finding, Truth},
    fault::Fault,
    gateway::validate::ValidatedGateway,
    metadata,
};

/// How far the reconciling of a gateway came.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// What the gateway names cannot be read for now, or something is still in its way.
    Waiting(Fault),
    /// Nothing of this generation may be built.
    Refused(Fault),
    /// Building was right, but the API refused or failed it, in its own words.
    Failed(&'a ValidatedGateway<'a>, String),
    /// Every object is as it should be.
    Applied(&'a ValidatedGateway<'a>),
}

/// The gateway's objects whose own status matters, as the cluster has them.
#[derive(Clone, Debug, Default)]
pub struct Children {
    /// The Service, if there is one.
    pub service: Option<Service>,
    /// The Deployment, if there is one.
    pub deployment: Option<Deployment>,
}

/// What the cluster has of a gateway.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The objects.
    pub children: Children,
    /// The pods.
    pub pods: Vec<PodState>,
    /// Hash of the configuration, where it has just been handed over.
    pub hash: Option<String>,
}

/// The new status of a gateway.
pub fn status(
    gateway: &AnyrayGateway,
    outcome: &Outcome<'_>,
    observed: &Observed,
    now: Timestamp,
) -> AnyrayGatewayStatus {
    let previous = gateway.status.clone().unwrap_or_default();
    let findings = findings(gateway, outcome, observed, now);
    let validated = match outcome {
        Outcome::Refused(_) | Outcome::Waiting(_) => None,
        Outcome::Failed(validated, _) | Outcome::Applied(validated) => Some(validated),
    };
    let rollout = Rollout::of(gateway, observed.children.deployment.as_ref());
    let hash = observed.hash.clone().or(previous.config_hash.clone());
    let programmed = hash
        .as_deref()
        .map_or(0, |hash| programmed::count(hash, &observed.pods, &previous));
    let name = gateway.name_any();
    AnyrayGatewayStatus {
        observed_generation: gateway.metadata.generation,
        conditions: conditions::merge(
            &previous.conditions,
            &findings,
            gateway.metadata.generation,
            now,
        ),
        address: observed
            .children
            .service
            .as_ref()
            .and_then(internal_address),
        external_address: observed
            .children
            .service
            .as_ref()
            .and_then(external_address),
        provider_keys: validated.map_or(previous.provider_keys, |validated| {
            validated
                .usable
                .iter()
                .map(|key| key.name.clone())
                .collect()
        }),
        models: validated.map_or(previous.models, |validated| validated.models.clone()),
        replicas: Some(rollout.replicas),
        ready_replicas: Some(rollout.ready),
        programmed_replicas: Some(programmed),
        replica_summary: Some(format!("{}/{}", rollout.ready, rollout.wanted)),
        selector: Some(metadata::selector_text(&name)),
        config_hash: hash,
    }
}

fn findings(
    gateway: &AnyrayGateway,
    outcome: &Outcome<'_>,
    observed: &Observed,
    now: Timestamp,
) -> Vec<Finding> {
    match outcome {
        Outcome::Refused(fault) => refused(fault),
        Outcome::Waiting(fault) => waiting(fault),
        Outcome::Failed(validated, message) => failed(validated, message),
        Outcome::Applied(validated) => applied(gateway, validated, observed, now),
    }
}

/// Nothing goes on until a person acts. Pods of an earlier generation go on serving.
pub fn refused(fault: &Fault) -> Vec<Finding> {
    let accepted = Finding::no(ConditionType::Accepted, fault.reason, &fault.message);
    vec![
        accepted.about(ConditionType::Ready),
        Finding::yes(ConditionType::Stalled, fault.reason, &fault.message),
        accepted,
    ]
}

/// What is said of an object that does not fit its type: of it, only the metadata is known.
pub fn unreadable(object: &InvalidObject) -> Vec<Condition> {
    let message = format!("the stored object does not fit this operator's schema: {object}");
    let findings = refused(&Fault::new(Reason::Unreadable, message));
    let metadata = &object.metadata;
    // A time of its own would make each pass a change, and each change a pass.
    let since = metadata
        .creation_timestamp
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    conditions::merge(&[], &findings, metadata.generation, since)
}

/// It goes on by itself, once what it waits for has come.
fn waiting(fault: &Fault) -> Vec<Finding> {
    let programmed = Finding::no(ConditionType::Programmed, fault.reason, &fault.message);
    vec![
        programmed.about(ConditionType::Ready),
        programmed
            .about(ConditionType::Reconciling)
            .with(Truth::True),
        programmed,
    ]
}

fn failed(validated: &ValidatedGateway<'_>, message: &str) -> Vec<Finding> {
    let mut findings = vec![accepted(), resolved(validated)];
    findings.extend(waiting(&Fault::new(Reason::ApplyFailed, message)));
    findings
}

fn applied(
    gateway: &AnyrayGateway,
    validated: &ValidatedGateway<'_>,
    observed: &Observed,
    now: Timestamp,
) -> Vec<Finding> {
    let resolved = resolved(validated);
    let available =
        Rollout::of(gateway, observed.children.deployment.as_ref()).finding(&observed.pods);
    let before = gateway.status.clone().unwrap_or_default();
    let programmed = programmed::finding(&validated.files.hash, &observed.pods, &before, now);
    let ready = ready(validated, &resolved, &available, &programmed);
    let mut findings = vec![accepted(), resolved];
    if available.reason == Reason::ProgressDeadlineExceeded {
        findings.push(available.about(ConditionType::Stalled).with(Truth::True));
    } else if !(available.is_true() && programmed.is_true())
        && available.reason != Reason::ScaledToZero
    {
        let at_work = if available.is_true() {
            &programmed
        } else {
            &available
        };
        findings.push(at_work.about(ConditionType::Reconciling).with(Truth::True));
    }
    findings.extend([programmed, available, ready]);
    findings
}

fn accepted() -> Finding {
    Finding::yes(
        ConditionType::Accepted,
        Reason::Accepted,
        "the spec is valid",
    )
}

fn resolved(validated: &ValidatedGateway<'_>) -> Finding {
    let faults = &validated.unresolved;
    let Some(first) = faults.first() else {
        let message = match validated.selected {
            0 => "no ProviderKey is selected: callers need a provider's credential of their own"
                .to_owned(),
            count if validated.suspended.is_empty() => {
                format!("every one of {count} ProviderKeys was found with what it names")
            }
            count => format!(
                "{count} ProviderKeys, of which these are suspended: {}",
                validated.suspended.join(", ")
            ),
        };
        return Finding::yes(ConditionType::ResolvedRefs, Reason::ResolvedRefs, message);
    };
    let messages: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
    Finding::no(
        ConditionType::ResolvedRefs,
        first.reason,
        messages.join("; "),
    )
}

fn ready(
    validated: &ValidatedGateway<'_>,
    resolved: &Finding,
    available: &Finding,
    programmed: &Finding,
) -> Finding {
    for part in [available, programmed] {
        if !part.is_true() {
            return part.about(ConditionType::Ready);
        }
    }
    if validated.selected > 0 && validated.usable.is_empty() {
        let why = if validated.unresolved.is_empty() {
            "all that the gateway selects are suspended"
        } else {
            &resolved.message
        };
        let message = format!("no ProviderKey can be used: {why}");
        return Finding::no(ConditionType::Ready, Reason::NoUsableProviderKey, message);
    }
    if resolved.is_true() {
        Finding::yes(
            ConditionType::Ready,
            Reason::Ready,
            "every pod serves this spec",
        )
    } else {
        let message = format!(
            "every pod serves what could be resolved; {}",
            resolved.message
        );
        Finding::yes(ConditionType::Ready, Reason::PartiallyResolved, message)
    }
}

/// The Deployment's own view.
struct Rollout<'a> {
    wanted: i32,
    replicas: i32,
    updated: i32,
    ready: i32,
    is_complete: bool,
    /// What the Deployment says of its newest generation, once it has seen it.
    current: Option<&'a DeploymentStatus>,
}

impl<'a> Rollout<'a> {
    fn of(gateway: &AnyrayGateway, deployment: Option<&'a Deployment>) -> Self {
        let wanted = gateway.spec.replicas;
        let status = deployment.and_then(|deployment| deployment.status.as_ref());
        let generation = deployment.and_then(|deployment| deployment.metadata.generation);
        let current = status.filter(|status| status.observed_generation >= generation);
        let is_complete = current.is_some_and(|status| {
            [
                status.replicas,
                status.updated_replicas,
                status.available_replicas,
            ]
            .iter()
            .all(|count| count.unwrap_or(0) == wanted)
        });
        Self {
            wanted,
            replicas: status.and_then(|status| status.replicas).unwrap_or(0),
            updated: status
                .and_then(|status| status.updated_replicas)
                .unwrap_or(0),
            ready: status.and_then(|status| status.ready_replicas).unwrap_or(0),
            is_complete,
            current,
        }
    }

    fn finding(&self, pods: &[PodState]) -> Finding {
        const TYPE: ConditionType = ConditionType::Available;
        if self.wanted == 0 {
            let message = "spec.replicas is 0: nothing serves";
            return Finding::no(TYPE, Reason::ScaledToZero, message);
        }
        if self.is_complete {
            let message = format!("{} of {} pods serve", self.ready, self.wanted);
            return Finding::yes(TYPE, Reason::Available, message);
        }
        let mut serving = format!("{} of {} pods serve", self.ready, self.wanted);
        if self.updated < self.replicas {
            let newest = format!("{} of {}", self.updated, self.replicas);
            serving = format!("{serving}; {newest} are of the newest version");
        }
        if let Some(message) = self.condition("Progressing", "False") {
            let message = [&serving, message, &troubles(pods)]
                .map(String::as_str)
                .join("; ");
            return Finding::no(
                TYPE,
                Reason::ProgressDeadlineExceeded,
                message.trim_end_matches("; "),
            );
        }
        let refused = self
            .condition("ReplicaFailure", "True")
            .cloned()
            .unwrap_or_default();
        let parts = [serving, refused, troubles(pods)];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Finding::no(TYPE, Reason::Progressing, parts.join("; "))
    }

    fn condition(&self, type_: &str, status: &str) -> Option<&'a String> {
        let conditions = self.current?.conditions.as_ref()?;
        let condition = conditions
            .iter()
            .find(|condition| condition.type_ == type_ && condition.status == status)?;
        condition.message.as_ref()
    }
}

/// What the kubelet says of pods that do not start.
fn troubles(pods: &[PodState]) -> String {
    let troubles = pods.iter().filter_map(|pod| {
        let trouble = pod.trouble.as_ref()?;
        Some(format!("pod {}: {trouble}", pod.name))
    });
    troubles.take(3).collect::<Vec<_>>().join("; ")
}

fn internal_address(service: &Service) -> Option<String> {
    let port = service.spec.as_ref()?.ports.as_ref()?.first()?.port;
    let (name, namespace) = (service.name_any(), service.namespace()?);
    Some(format!("http://{name}.{namespace}.svc:{port}"))
}

fn external_address(service: &Service) -> Option<String> {
    let port = service.spec.as_ref()?.ports.as_ref()?.first()?.port;
    let ingress = service
        .status
        .as_ref()?
        .load_balancer
        .as_ref()?
        .ingress
        .as_ref()?
        .first()?;
    match (&ingress.hostname, &ingress.ip) {
        (Some(host), _) => Some(format!("http://{host}:{port}")),
        (None, Some(ip)) if ip.contains(':') => Some(format!("http://[{ip}]:{port}")),
        (None, Some(ip)) => Some(format!("http://{ip}:{port}")),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests;
