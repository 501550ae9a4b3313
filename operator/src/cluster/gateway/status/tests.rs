//! Statuses of gateways: single cases, and what holds of every combination.

use anyray_crds::v1alpha1::ProviderKey;
use k8s_openapi::{
    api::{
        apps::v1::DeploymentCondition,
        core::v1::{
            LoadBalancerIngress, LoadBalancerStatus, ServicePort, ServiceSpec, ServiceStatus,
        },
    },
    jiff::SignedDuration,
};
use serde_json::json;

use super::*;
use crate::{
    cluster::gateway::pods::Report,
    gateway::validate::{self, References},
    provider_key::material::{Material, SecretEntries},
};

const GENERATION: i64 = 3;

fn now() -> Timestamp {
    Timestamp::from_second(1_000_000).expect("a time")
}

fn gateway(replicas: i32) -> AnyrayGateway {
    let gateway = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "AnyrayGateway",
        "metadata": { "name": "main", "namespace": "llm", "generation": GENERATION },
        "spec": { "auth": { "clientKeys": "Optional" }, "replicas": replicas },
    });
    serde_json::from_value(gateway).expect("a gateway")
}

/// A key that can be used, or cannot for one of these reasons.
fn provider_key(name: &str, unusable: Option<Reason>) -> (ProviderKey, Material) {
    let key = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "ProviderKey",
        "metadata": { "name": name, "namespace": "llm" },
        "spec": {
            "provider": "openai",
            "auth": { "apiKeySecretRef": { "name": "keys" } },
            "suspend": unusable == Some(Reason::Suspended),
        },
    });
    let secret = SecretEntries {
        version: Some("1".to_owned()),
        entries: [("apiKey".to_owned(), b"key".to_vec().into())].into(),
    };
    let material = Material {
        secret: Some(secret).filter(|_| unusable != Some(Reason::SecretNotFound)),
        ca_bundle: None,
    };
    (serde_json::from_value(key).expect("a key"), material)
}

/// The ProviderKeys that a gateway may have.
#[derive(Clone, Copy, Debug)]
enum Keys {
    None,
    Usable,
    OneUnusable,
    AllUnusable,
    Suspended,
}

impl Keys {
    fn references(self) -> References {
        let keys = match self {
            Self::None => Vec::new(),
            Self::Usable => vec![provider_key("a", None)],
            Self::OneUnusable => vec![
                provider_key("a", None),
                provider_key("b", Some(Reason::SecretNotFound)),
            ],
            Self::AllUnusable => vec![provider_key("b", Some(Reason::SecretNotFound))],
            Self::Suspended => vec![provider_key("a", Some(Reason::Suspended))],
        };
        References {
            keys,
            ..References::default()
        }
    }
}

/// The Deployments that a cluster may have.
#[derive(Clone, Copy, Debug)]
enum Rollout {
    None,
    /// Just made: nothing is known of it.
    New,
    Complete,
    /// A pod is not there yet.
    Partial,
    /// The new pods serve, and an old one still does.
    Surge,
    /// The cluster gave up on this version.
    DeadlineExceeded,
    /// The cluster gave up on the version before this one.
    OlderDeadlineExceeded,
    /// A quota or an admission refuses pods.
    ReplicaFailure,
}

impl Rollout {
    fn deployment(self, wanted: i32) -> Option<Deployment> {
        let condition = |type_: &str, status: &str, message: &str| {
            Some(vec![DeploymentCondition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                message: Some(message.to_owned()),
                ..DeploymentCondition::default()
            }])
        };
        let counts = |updated: i32, total: i32| DeploymentStatus {
            observed_generation: Some(7),
            replicas: Some(total),
            updated_replicas: Some(updated),
            available_replicas: Some(total),
            ready_replicas: Some(total),
            ..DeploymentStatus::default()
        };
        let some = wanted.saturating_sub(1);
        let given_up = condition("Progressing", "False", "has timed out progressing.");
        let status = match self {
            Self::None => return None,
            Self::New => None,
            Self::Complete => Some(counts(wanted, wanted)),
            Self::Partial => Some(counts(some, some)),
            Self::Surge => Some(counts(wanted, wanted + 1)),
            Self::DeadlineExceeded => Some(DeploymentStatus {
                conditions: given_up,
                ..counts(0, some)
            }),
            Self::OlderDeadlineExceeded => Some(DeploymentStatus {
                conditions: given_up,
                observed_generation: Some(6),
                ..counts(0, some)
            }),
            Self::ReplicaFailure => Some(DeploymentStatus {
                conditions: condition("ReplicaFailure", "True", "exceeded quota"),
                ..counts(0, some)
            }),
        };
        let mut deployment = Deployment {
            status,
            ..Deployment::default()
        };
        deployment.metadata.generation = Some(7);
        Some(deployment)
    }
}

/// What a pod may be up to.
#[derive(Clone, Copy, Debug)]
enum Pod {
    Programmed,
    Earlier,
    Refusing,
    Unreachable,
    Young,
    Unasked,
    Unready,
}

impl Pod {
    const ALL: [Self; 7] = [
        Self::Programmed,
        Self::Earlier,
        Self::Refusing,
        Self::Unreachable,
        Self::Young,
        Self::Unasked,
        Self::Unready,
    ];

    fn state(self, name: &str, hash: &str) -> PodState {
        let runs = |hash: &str, rejected: Option<&str>| {
            Some(Report::Runs {
                hash: hash.to_owned(),
                rejected: rejected.map(str::to_owned),
            })
        };
        let report = match self {
            Self::Programmed => runs(hash, None),
            Self::Earlier => runs("earlier", None),
            Self::Refusing => runs("earlier", Some("limits: must be at least 1")),
            Self::Unreachable => Some(Report::Unreachable),
            Self::Young | Self::Unasked | Self::Unready => None,
        };
        let age = match self {
            Self::Unready => None,
            Self::Young => Some(5),
            _ => Some(600),
        };
        PodState {
            name: name.to_owned(),
            life: format!("{name}/0"),
            ip: Some("10.0.0.1".to_owned()),
            ready_since: age.map(|age| now() - SignedDuration::from_secs(age)),
            trouble: age
                .is_none()
                .then(|| "ImagePullBackOff: not found".to_owned()),
            report,
        }
    }
}

fn observed(deployment: Option<Deployment>, pods: &[Pod], hash: &str) -> Observed {
    let names = ["main-1", "main-2", "main-3"];
    Observed {
        children: Children {
            service: None,
            deployment,
        },
        pods: pods
            .iter()
            .zip(names)
            .map(|(pod, name)| pod.state(name, hash))
            .collect(),
        hash: Some(hash.to_owned()),
    }
}

/// Conditions as `Type=Status/Reason`.
fn summary(status: &AnyrayGatewayStatus) -> Vec<String> {
    let mut all: Vec<_> = status
        .conditions
        .iter()
        .map(|it| format!("{}={}/{}", it.type_, it.status, it.reason))
        .collect();
    all.sort();
    all
}

/// The status of an applied gateway.
fn applied_status(keys: Keys, wanted: i32, rollout: Rollout, pods: &[Pod]) -> AnyrayGatewayStatus {
    let gateway = gateway(wanted);
    let validated = validate::validate(&gateway, &keys.references()).expect("valid");
    let observed = observed(rollout.deployment(wanted), pods, &validated.files.hash);
    status(&gateway, &Outcome::Applied(&validated), &observed, now())
}

fn message(status: &AnyrayGatewayStatus, type_: ConditionType) -> &str {
    let condition = conditions::find(&status.conditions, type_);
    &condition.expect("a condition").message
}

/// The conditions of an applied gateway beside `Accepted`, which is always true.
fn check(keys: Keys, wanted: i32, cluster: (Rollout, &[Pod]), expected: &[&str]) {
    let (rollout, pods) = cluster;
    let mut found = summary(&applied_status(keys, wanted, rollout, pods));
    found.retain(|condition| condition != "Accepted=True/Accepted");
    assert_eq!(found, expected, "{keys:?} {rollout:?} {pods:?}");
}

#[test]
fn a_gateway_is_ready_when_all_pods_serve_and_run_its_configuration() {
    check(
        Keys::Usable,
        2,
        (Rollout::Complete, &[Pod::Programmed, Pod::Programmed]),
        &[
            "Available=True/Available",
            "Programmed=True/Programmed",
            "Ready=True/Ready",
            "ResolvedRefs=True/ResolvedRefs",
        ],
    );
}

/// One team's key must not make the gateway of all teams unready.
#[test]
fn one_bad_key_of_several_leaves_the_gateway_ready_and_all_bad_ones_do_not() {
    let programmed = (Rollout::Complete, &[Pod::Programmed][..]);
    check(
        Keys::OneUnusable,
        1,
        programmed,
        &[
            "Available=True/Available",
            "Programmed=True/Programmed",
            "Ready=True/PartiallyResolved",
            "ResolvedRefs=False/SecretNotFound",
        ],
    );
    check(
        Keys::AllUnusable,
        1,
        programmed,
        &[
            "Available=True/Available",
            "Programmed=True/Programmed",
            "Ready=False/NoUsableProviderKey",
            "ResolvedRefs=False/SecretNotFound",
        ],
    );
}

#[test]
fn a_gateway_on_its_way_is_reconciling() {
    check(
        Keys::Usable,
        2,
        (Rollout::None, &[]),
        &[
            "Available=False/Progressing",
            "Programmed=False/NoReadyPod",
            "Ready=False/Progressing",
            "Reconciling=True/Progressing",
            "ResolvedRefs=True/ResolvedRefs",
        ],
    );
    check(
        Keys::Usable,
        2,
        (Rollout::Complete, &[Pod::Programmed, Pod::Earlier]),
        &[
            "Available=True/Available",
            "Programmed=False/ConfigPending",
            "Ready=False/ConfigPending",
            "Reconciling=True/ConfigPending",
            "ResolvedRefs=True/ResolvedRefs",
        ],
    );
}

#[test]
fn a_rollout_that_the_cluster_gave_up_on_is_stalled() {
    check(
        Keys::Usable,
        2,
        (Rollout::DeadlineExceeded, &[Pod::Programmed, Pod::Unready]),
        &[
            "Available=False/ProgressDeadlineExceeded",
            "Programmed=True/Programmed",
            "Ready=False/ProgressDeadlineExceeded",
            "ResolvedRefs=True/ResolvedRefs",
            "Stalled=True/ProgressDeadlineExceeded",
        ],
    );
}

#[test]
fn a_gateway_of_no_pods_is_neither_ready_nor_at_work() {
    check(
        Keys::Usable,
        0,
        (Rollout::Complete, &[]),
        &[
            "Available=False/ScaledToZero",
            "Programmed=False/NoReadyPod",
            "Ready=False/ScaledToZero",
            "ResolvedRefs=True/ResolvedRefs",
        ],
    );
}

#[test]
fn a_suspended_key_is_no_unresolved_reference() {
    let status = applied_status(Keys::Suspended, 1, Rollout::Complete, &[Pod::Programmed]);
    assert!(conditions::is_true(
        &status.conditions,
        ConditionType::ResolvedRefs
    ));
}

/// kstatus would call the object failed, and Flux would stop, although the fixed version is only
/// on its way.
#[test]
fn a_mended_spec_is_not_stalled_by_the_rollout_of_before() {
    let status = applied_status(Keys::Usable, 2, Rollout::OlderDeadlineExceeded, &[]);
    let stalled = conditions::find(&status.conditions, ConditionType::Stalled);
    assert_eq!(stalled, None);
    assert!(conditions::is_true(
        &status.conditions,
        ConditionType::Reconciling
    ));
}

#[test]
fn a_message_says_how_many_pods_serve_and_what_keeps_the_others() {
    let status = applied_status(Keys::Usable, 2, Rollout::ReplicaFailure, &[Pod::Unready]);
    assert_eq!(
        message(&status, ConditionType::Available),
        "1 of 2 pods serve; 0 of 1 are of the newest version; exceeded quota; pod main-1: ImagePullBackOff: not found"
    );
    let status = applied_status(Keys::Usable, 2, Rollout::DeadlineExceeded, &[Pod::Unready]);
    assert_eq!(
        message(&status, ConditionType::Ready),
        "1 of 2 pods serve; 0 of 1 are of the newest version; has timed out progressing.; pod main-1: ImagePullBackOff: not found"
    );
    let counts = (status.ready_replicas, status.replica_summary.as_deref());
    assert_eq!(counts, (Some(1), Some("1/2")));
}

#[test]
fn a_refused_spec_keeps_what_is_known_of_the_pods_of_before() {
    let mut gateway = gateway(1);
    gateway.status = Some(AnyrayGatewayStatus {
        config_hash: Some("before".to_owned()),
        provider_keys: vec!["a".to_owned()],
        models: vec!["*".to_owned()],
        ..AnyrayGatewayStatus::default()
    });
    let fault = Fault::new(Reason::NameConflict, "Service main exists already");
    let deployment = Rollout::Complete.deployment(1);
    let observed = observed(deployment, &[Pod::Programmed], "before");
    let status = status(&gateway, &Outcome::Refused(fault), &observed, now());
    assert_eq!(
        summary(&status),
        [
            "Accepted=False/NameConflict",
            "Ready=False/NameConflict",
            "Stalled=True/NameConflict",
        ]
    );
    assert_eq!(status.config_hash.as_deref(), Some("before"));
    assert_eq!(status.programmed_replicas, Some(1));
    assert_eq!((status.provider_keys.len(), status.models.len()), (1, 1));
}

#[test]
fn what_the_api_refused_is_told_and_tried_again() {
    let gateway = gateway(1);
    let validated = validate::validate(&gateway, &Keys::Usable.references()).expect("valid");
    let outcome = Outcome::Failed(&validated, "Service main: port is taken".to_owned());
    let status = status(&gateway, &outcome, &Observed::default(), now());
    assert_eq!(
        summary(&status),
        [
            "Accepted=True/Accepted",
            "Programmed=False/ApplyFailed",
            "Ready=False/ApplyFailed",
            "Reconciling=True/ApplyFailed",
            "ResolvedRefs=True/ResolvedRefs",
        ]
    );
    assert!(message(&status, ConditionType::Ready).contains("port is taken"));
}

fn service(ingress: Option<LoadBalancerIngress>) -> Service {
    let port = ServicePort {
        port: 80,
        ..ServicePort::default()
    };
    let mut service = Service {
        spec: Some(ServiceSpec {
            ports: Some(vec![port]),
            ..ServiceSpec::default()
        }),
        status: Some(ServiceStatus {
            load_balancer: Some(LoadBalancerStatus {
                ingress: ingress.map(|ingress| vec![ingress]),
            }),
            ..ServiceStatus::default()
        }),
        ..Service::default()
    };
    service.metadata.name = Some("main".to_owned());
    service.metadata.namespace = Some("llm".to_owned());
    service
}

#[test]
fn addresses_are_base_urls() {
    let address = |ingress| {
        let service = service(ingress);
        (internal_address(&service), external_address(&service))
    };
    let ingress = |host: Option<&str>, ip: Option<&str>| {
        Some(LoadBalancerIngress {
            hostname: host.map(str::to_owned),
            ip: ip.map(str::to_owned),
            ..LoadBalancerIngress::default()
        })
    };
    for (ingress, expected) in [
        (None, None),
        (
            ingress(None, Some("203.0.113.1")),
            Some("http://203.0.113.1:80"),
        ),
        (
            ingress(None, Some("2001:db8::1")),
            Some("http://[2001:db8::1]:80"),
        ),
        (
            ingress(Some("lb.example.com"), Some("203.0.113.1")),
            Some("http://lb.example.com:80"),
        ),
    ] {
        let (internal, external) = address(ingress);
        assert_eq!(internal.as_deref(), Some("http://main.llm.svc:80"));
        assert_eq!(external.as_deref(), expected);
    }
}

/// The statuses of before that matter to the next one.
fn previous_statuses(hash: &str) -> Vec<Option<AnyrayGatewayStatus>> {
    let before = |findings: &[Finding], hash: &str| {
        let since = now() - SignedDuration::from_hours(1);
        Some(AnyrayGatewayStatus {
            observed_generation: Some(GENERATION - 1),
            conditions: conditions::merge(&[], findings, Some(GENERATION - 1), since),
            config_hash: Some(hash.to_owned()),
            ..AnyrayGatewayStatus::default()
        })
    };
    let programmed = Finding::yes(ConditionType::Programmed, Reason::Programmed, "so");
    let ready = Finding::yes(ConditionType::Ready, Reason::Ready, "so");
    let stalled = Finding::yes(ConditionType::Stalled, Reason::Invalid, "so");
    vec![
        None,
        before(&[programmed.clone(), ready.clone()], hash),
        before(&[programmed, ready], "earlier"),
        before(&[stalled], hash),
    ]
}

/// Every combination of up to two pods.
fn pod_combinations() -> Vec<Vec<Pod>> {
    let mut all = vec![Vec::new()];
    for one in Pod::ALL {
        all.push(vec![one]);
        all.extend(Pod::ALL.map(|other| vec![one, other]));
    }
    all
}

/// Calls with every combination of what the cluster may have and what was said before.
fn for_every_observation(
    gateway: &AnyrayGateway,
    hash: &str,
    mut check: impl FnMut(&AnyrayGateway, &Observed),
) {
    let rollouts = [
        Rollout::None,
        Rollout::New,
        Rollout::Complete,
        Rollout::Partial,
        Rollout::Surge,
        Rollout::DeadlineExceeded,
        Rollout::OlderDeadlineExceeded,
        Rollout::ReplicaFailure,
    ];
    for previous in previous_statuses(hash) {
        let mut gateway = gateway.clone();
        gateway.status = previous;
        for rollout in rollouts {
            for pods in pod_combinations() {
                let deployment = rollout.deployment(gateway.spec.replicas);
                check(&gateway, &observed(deployment, &pods, hash));
            }
        }
    }
}

#[test]
fn every_status_is_one_that_tools_can_rely_on() {
    let mut ready = 0;
    for wanted in [0, 1, 2] {
        let gateway = gateway(wanted);
        for keys in [
            Keys::None,
            Keys::Usable,
            Keys::OneUnusable,
            Keys::AllUnusable,
            Keys::Suspended,
        ] {
            let validated = validate::validate(&gateway, &keys.references()).expect("valid");
            let hash = validated.files.hash.clone();
            let fault = Fault::new(Reason::Invalid, "spec.limits: must be at least 1");
            let outcomes = [
                Outcome::Applied(&validated),
                Outcome::Failed(&validated, "conflict".to_owned()),
                Outcome::Refused(fault),
                Outcome::Waiting(Fault::new(Reason::Progressing, "Service main of before")),
            ];
            for outcome in &outcomes {
                for_every_observation(&gateway, &hash, |gateway, observed| {
                    let status = status(gateway, outcome, observed, now());
                    check_conditions(&status);
                    check_outcome(outcome, &status);
                    check_it_settles(gateway, outcome, observed, &status);
                    ready += i32::from(conditions::is_true(
                        &status.conditions,
                        ConditionType::Ready,
                    ));
                });
            }
        }
    }
    assert!(ready > 0, "no combination is ready: nothing was checked");
}

fn check_conditions(status: &AnyrayGatewayStatus) {
    let is = |type_| conditions::is_true(&status.conditions, type_);
    let text = summary(status);
    assert_eq!(status.observed_generation, Some(GENERATION));
    let mut types = std::collections::BTreeSet::new();
    for condition in &status.conditions {
        assert!(types.insert(&condition.type_), "twice: {text:?}");
        assert_eq!(condition.observed_generation, Some(GENERATION));
        assert!(!condition.message.is_empty(), "no message: {text:?}");
    }
    if is(ConditionType::Ready) {
        for part in [
            ConditionType::Accepted,
            ConditionType::Available,
            ConditionType::Programmed,
        ] {
            assert!(is(part), "{text:?}");
        }
    }
    // Each as kstatus reads it: Current is Ready, and nothing else is Current.
    let find = |type_| conditions::find(&status.conditions, type_);
    assert!(find(ConditionType::Ready).is_some(), "{text:?}");
    let at_work = find(ConditionType::Reconciling).is_some();
    let stalled = find(ConditionType::Stalled).is_some();
    assert_eq!(at_work, is(ConditionType::Reconciling), "{text:?}");
    assert_eq!(stalled, is(ConditionType::Stalled), "{text:?}");
    let states = [is(ConditionType::Ready), at_work, stalled];
    let count = states.iter().filter(|&&state| state).count();
    assert!(count <= 1, "{text:?}");
}

fn check_outcome(outcome: &Outcome<'_>, status: &AnyrayGatewayStatus) {
    let is = |type_| conditions::is_true(&status.conditions, type_);
    let text = summary(status);
    match outcome {
        Outcome::Refused(_) => {
            assert!(is(ConditionType::Stalled), "{text:?}");
            assert!(!is(ConditionType::Accepted), "{text:?}");
        }
        Outcome::Failed(..) | Outcome::Waiting(_) => {
            assert!(is(ConditionType::Reconciling), "{text:?}");
            assert!(!is(ConditionType::Ready), "{text:?}");
        }
        Outcome::Applied(validated) => {
            assert!(is(ConditionType::Accepted), "{text:?}");
            assert_eq!(status.config_hash.as_ref(), Some(&validated.files.hash));
        }
    }
}

/// A status that changes although nothing else did would call for the next reconcile for ever.
fn check_it_settles(
    gateway: &AnyrayGateway,
    outcome: &Outcome<'_>,
    observed: &Observed,
    first: &AnyrayGatewayStatus,
) {
    let mut gateway = gateway.clone();
    gateway.status = Some(first.clone());
    let later = now() + SignedDuration::from_secs(1);
    assert_eq!(&status(&gateway, outcome, observed, later), first);
}
