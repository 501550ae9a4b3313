//! The Deployment. Its pods restart for a change of image, environment or shape; keys, routing,
//! limits and time limits reach running pods as files.

use anyray_crds::v1alpha1::{
    AnyrayGatewaySpec,
    anyray_gateway::pods::{Image, PullPolicy},
};
use k8s_openapi::{
    api::{
        apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
        core::v1::{
            Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, Lifecycle,
            LifecycleHandler, LocalObjectReference, ObjectFieldSelector, PodDNSConfig,
            PodDNSConfigOption, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
            SeccompProfile, SecurityContext, SleepAction, TopologySpreadConstraint,
        },
    },
    apimachinery::pkg::{apis::meta::v1::ObjectMeta, util::intstr::IntOrString},
};
use kube::ResourceExt as _;

use super::{Defaults, volumes};
use crate::{
    gateway::validate::ValidatedGateway,
    metadata::{self, ObjectKey},
};

/// User and group of the container, as the image has them.
const NON_ROOT: i64 = 65_532;

pub(super) fn build(validated: &ValidatedGateway<'_>, defaults: &Defaults) -> Deployment {
    let gateway = validated.gateway;
    let name = gateway.name_any();
    Deployment {
        metadata: metadata::child(gateway, name.clone()),
        spec: Some(DeploymentSpec {
            replicas: Some(gateway.spec.replicas),
            selector: metadata::selector(&name),
            // A pod goes only after its successor serves.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_unavailable: Some(IntOrString::Int(0)),
                    max_surge: Some(IntOrString::Int(1)),
                }),
            }),
            progress_deadline_seconds: Some(300),
            revision_history_limit: Some(3),
            template: PodTemplateSpec {
                metadata: Some(pod_metadata(&gateway.spec, &name)),
                spec: Some(pod_spec(&gateway.spec, &ObjectKey::of(gateway), defaults)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn pod_metadata(spec: &AnyrayGatewaySpec, gateway: &str) -> ObjectMeta {
    let mut labels = spec.pod_template.labels.clone();
    labels.extend(metadata::labels(gateway));
    ObjectMeta {
        labels: Some(labels),
        annotations: Some(spec.pod_template.annotations.clone()).filter(|all| !all.is_empty()),
        ..ObjectMeta::default()
    }
}

fn pod_spec(spec: &AnyrayGatewaySpec, gateway: &ObjectKey, defaults: &Defaults) -> PodSpec {
    let pull_secrets = spec.image.pull_secrets.iter();
    let pull_secrets = pull_secrets.map(|secret| LocalObjectReference {
        name: secret.name.clone(),
    });
    PodSpec {
        service_account_name: Some(gateway.name.clone()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(spec.drain.termination_grace_period_seconds.into()),
        security_context: Some(pod_security_context()),
        // Provider names are absolute; searching the cluster's domains first costs four look-ups.
        dns_config: Some(PodDNSConfig {
            options: Some(vec![PodDNSConfigOption {
                name: Some("ndots".to_owned()),
                value: Some("1".to_owned()),
            }]),
            ..PodDNSConfig::default()
        }),
        image_pull_secrets: non_empty(pull_secrets.collect()),
        node_selector: Some(spec.node_selector.clone()).filter(|labels| !labels.is_empty()),
        tolerations: non_empty(spec.tolerations.clone()),
        affinity: spec.affinity.clone(),
        topology_spread_constraints: Some(spread(spec, &gateway.name)),
        priority_class_name: spec.priority_class_name.clone(),
        containers: vec![container(spec, gateway, defaults)],
        volumes: Some(volumes::volumes(&gateway.name)),
        ..PodSpec::default()
    }
}

fn pod_security_context() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(NON_ROOT),
        run_as_group: Some(NON_ROOT),
        fs_group: Some(NON_ROOT),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..PodSecurityContext::default()
    }
}

/// The constraints of the spec, else over nodes and zones where there is room.
///
/// One without a selector would count no pod; it gets the gateway's.
fn spread(spec: &AnyrayGatewaySpec, gateway: &str) -> Vec<TopologySpreadConstraint> {
    let soft = |key: &str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    };
    let mut constraints = spec.topology_spread_constraints.clone();
    if constraints.is_empty() {
        constraints = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
            .map(soft)
            .into();
    }
    for constraint in &mut constraints {
        constraint
            .label_selector
            .get_or_insert_with(|| metadata::selector(gateway));
    }
    constraints
}

fn container(spec: &AnyrayGatewaySpec, gateway: &ObjectKey, defaults: &Defaults) -> Container {
    Container {
        name: metadata::CONTAINER.to_owned(),
        image: Some(image(&spec.image, defaults)),
        image_pull_policy: Some(pull_policy(&spec.image, defaults)),
        ports: Some(vec![port("http", 8787), port("ops", 8789)]),
        env: Some(environment(spec, gateway)),
        resources: Some(spec.resources.clone()),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            ..SecurityContext::default()
        }),
        // Probes ask the ops port: the other one may be full of callers.
        startup_probe: Some(probe("/livez", 1, 60)),
        liveness_probe: Some(probe("/livez", 10, 6)),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        lifecycle: pre_stop(spec.drain.pre_stop_seconds),
        volume_mounts: Some(volumes::mounts()),
        ..Container::default()
    }
}

fn environment(spec: &AnyrayGatewaySpec, gateway: &ObjectKey) -> Vec<EnvVar> {
    let drain_ms = i64::from(spec.drain.drain_seconds) * 1000;
    let pod_name = EnvVarSource {
        field_ref: Some(ObjectFieldSelector {
            api_version: None,
            field_path: "metadata.name".to_owned(),
        }),
        ..EnvVarSource::default()
    };
    vec![
        variable("ANYRAY_LOG", spec.observability.log_level.as_str()),
        variable("ANYRAY_SHUTDOWN_DRAIN_MS", &drain_ms.to_string()),
        variable("ANYRAY_KUBERNETES_GATEWAY", &gateway.to_string()),
        variable("ANYRAY_STATE_DIR", volumes::STATE_DIRECTORY),
        EnvVar {
            name: "POD_NAME".to_owned(),
            value: None,
            value_from: Some(pod_name),
        },
    ]
}

fn image(wanted: &Image, defaults: &Defaults) -> String {
    let Some(repository) = &wanted.repository else {
        return defaults.image.clone();
    };
    match (&wanted.digest, &wanted.tag) {
        (Some(digest), _) => format!("{repository}@{digest}"),
        (None, Some(tag)) => format!("{repository}:{tag}"),
        (None, None) => repository.clone(),
    }
}

fn pull_policy(wanted: &Image, defaults: &Defaults) -> String {
    match wanted.pull_policy {
        None => defaults.image_pull_policy.clone(),
        Some(PullPolicy::Always) => "Always".to_owned(),
        Some(PullPolicy::IfNotPresent) => "IfNotPresent".to_owned(),
        Some(PullPolicy::Never) => "Never".to_owned(),
    }
}

fn port(name: &str, number: i32) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        value_from: None,
    }
}

fn probe(path: &str, period_seconds: i32, failure_threshold: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String("ops".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period_seconds),
        timeout_seconds: Some(2),
        failure_threshold: Some(failure_threshold),
        ..Probe::default()
    }
}

/// The image has no shell to sleep in; the kubelet does it (Kubernetes 1.30 and later).
fn pre_stop(seconds: i32) -> Option<Lifecycle> {
    let sleep = LifecycleHandler {
        sleep: Some(SleepAction {
            seconds: seconds.into(),
        }),
        ..LifecycleHandler::default()
    };
    (seconds > 0).then(|| Lifecycle {
        pre_stop: Some(sleep),
        ..Lifecycle::default()
    })
}

fn non_empty<T>(items: Vec<T>) -> Option<Vec<T>> {
    Some(items).filter(|items| !items.is_empty())
}
