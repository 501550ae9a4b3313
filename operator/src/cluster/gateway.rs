//! `AnyrayGateway`: from the custom resource to running pods and a true status.

pub mod dereference;
pub mod pods;
pub mod programmed;
pub mod status;

use std::{collections::BTreeMap, sync::Arc};

use anyray_crds::{
    conditions::{ConditionType, Reason},
    v1alpha1::{AnyrayGateway, AnyrayGatewayStatus},
};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::jiff::Timestamp;
use kube::{core::error_boundary::InvalidObject, runtime::controller::Action};
use serde_json::json;

use crate::{
    cluster::{
        api::{CallError, Cluster},
        conditions,
        context::Context,
        controller,
        reconcile::Reconcile,
    },
    fault::Fault,
    gateway::{
        build::{self, Resources},
        validate::{self, ValidatedGateway},
    },
    metadata::ObjectKey,
};
use pods::PodState;
use status::{Children, Observed, Outcome};

impl Reconcile for AnyrayGateway {
    const KIND: &'static str = "AnyrayGateway";

    /// Validates, builds, applies and reports.
    async fn reconcile(self, key: &ObjectKey, context: &Context) -> Result<Action, CallError> {
        let references = match dereference::dereference(&self, context).await {
            Ok(references) => references,
            // An API server in trouble takes no status either, and says nothing about the gateway.
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => {
                let fault = Fault::new(Reason::ApplyFailed, error.to_string());
                conclude(&self, &Outcome::Waiting(fault), None, context).await?;
                return Err(error);
            }
        };
        if let Some(fault) = references.leftover() {
            conclude(&self, &Outcome::Waiting(fault), None, context).await?;
            return Ok(Action::requeue(dereference::LOOK_FOR_LEFTOVER_AGAIN));
        }
        let validated = match validate::validate(&self, &references) {
            Ok(validated) => validated,
            Err(fault) => {
                let again = match fault.reason {
                    // A foreign object may go without the operator hearing of it.
                    Reason::NameConflict => Action::requeue(dereference::LOOK_FOR_FOREIGN_AGAIN),
                    _ => controller::resync(key),
                };
                conclude(&self, &Outcome::Refused(fault), None, context).await?;
                return Ok(again);
            }
        };
        match apply(&validated, context).await {
            Ok(children) => {
                let outcome = Outcome::Applied(&validated);
                conclude(&self, &outcome, Some(children), context).await?;
                Ok(controller::resync(key))
            }
            Err(error) if error.is_outage() => Err(error),
            Err(error) => {
                let outcome = Outcome::Failed(&validated, error.to_string());
                conclude(&self, &outcome, None, context).await?;
                Err(error)
            }
        }
    }

    /// An object that this operator cannot read keeps its pods and gets told why.
    async fn report_unreadable(
        key: &ObjectKey,
        unreadable: &InvalidObject,
        context: &Context,
    ) -> Result<(), CallError> {
        context.push.take_over(key, Vec::new());
        let status = AnyrayGatewayStatus {
            observed_generation: unreadable.metadata.generation,
            conditions: status::unreadable(unreadable),
            ..AnyrayGatewayStatus::default()
        };
        context.cluster.apply_status::<Self>(key, &status).await
    }

    fn forget(key: &ObjectKey, context: &Context) {
        context.push.forget(key);
    }
}

/// Writes the status. Where nothing was applied now, the objects are those of an earlier one.
async fn conclude(
    gateway: &AnyrayGateway,
    outcome: &Outcome<'_>,
    children: Option<Children>,
    context: &Context,
) -> Result<(), CallError> {
    let key = ObjectKey::of(gateway);
    let pods = context.stores.pods_of(&key);
    let pods = pods.iter().filter_map(|pod| PodState::from_pod(pod));
    let hash = match outcome {
        Outcome::Applied(validated) | Outcome::Failed(validated, _) => {
            Some(&validated.files.hash).filter(|hash| context.push.desires(&key, hash))
        }
        Outcome::Refused(_) | Outcome::Waiting(_) => None,
    };
    let observed = Observed {
        children: children.unwrap_or_else(|| known_children(&key, context)),
        pods: context.push.take_over(&key, pods.collect()),
        hash: hash.cloned(),
    };
    let status = status::status(gateway, outcome, &observed, Timestamp::now());
    let programmed = conditions::is_true(&status.conditions, ConditionType::Programmed);
    let is_applied = matches!(outcome, Outcome::Applied(_));
    context
        .push
        .set_programmed(&key, is_applied.then_some(programmed));
    report(gateway, status, context).await
}

/// Builds and applies every object of a gateway. The answers say what the cluster has now, which the
/// watches learn later.
async fn apply(validated: &ValidatedGateway<'_>, context: &Context) -> Result<Children, CallError> {
    let cluster = &context.cluster;
    let Resources {
        service_account,
        role,
        role_binding,
        secret,
        config_map,
        service,
        deployment,
    } = build::build(validated, &context.defaults);
    // What the pods read comes first, and is brought to those that run: what becomes of the other
    // objects must not hold up a rotation.
    cluster.apply(&secret).await?;
    cluster.apply(&config_map).await?;
    hand_over(validated, context);
    // Then the others, those that others refer to first.
    cluster.apply(&service_account).await?;
    cluster.apply(&role).await?;
    cluster.apply(&role_binding).await?;
    Ok(Children {
        service: Some(apply_service(&service, cluster).await?),
        deployment: Some(cluster.apply(&deployment).await?),
    })
}

/// Has a configuration that was applied brought to the pods that run.
fn hand_over(validated: &ValidatedGateway<'_>, context: &Context) {
    let keys = validated.usable.iter();
    let keys: BTreeMap<_, _> = keys
        .filter_map(|key| Some((key.name.clone(), key.version.clone()?)))
        .collect();
    let gateway = ObjectKey::of(validated.gateway);
    context.push.desire(&gateway, &validated.files.hash, keys);
}

/// Server-side apply knows a port by its number: one whose number somebody has changed stays
/// beside ours, and two of one name are refused. Then the list is replaced whole.
async fn apply_service(service: &Service, cluster: &Cluster) -> Result<Service, CallError> {
    let ports = |service: &Service| {
        let ports = service.spec.iter().filter_map(|spec| spec.ports.as_ref());
        let ports = ports.flatten().map(|port| port.port);
        ports.collect::<Vec<_>>()
    };
    match cluster.apply(service).await {
        Ok(applied) if ports(&applied) == ports(service) => return Ok(applied),
        Err(error) if !error.is_invalid() => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref());
    cluster
        .merge::<Service>(
            &ObjectKey::of(service),
            &json!({ "spec": { "ports": ports } }),
        )
        .await?;
    cluster.apply(service).await
}

/// The objects that were applied earlier, where none were now.
fn known_children(key: &ObjectKey, context: &Context) -> Children {
    Children {
        service: context.stores.service(key).map(Arc::unwrap_or_clone),
        deployment: context.stores.deployment(key).map(Arc::unwrap_or_clone),
    }
}

async fn report(
    gateway: &AnyrayGateway,
    status: AnyrayGatewayStatus,
    context: &Context,
) -> Result<(), CallError> {
    let previous = gateway.status.clone().unwrap_or_default();
    if status == previous {
        return Ok(());
    }
    let conditions = [&previous.conditions, &status.conditions];
    context.cluster.report(gateway, &status, conditions).await
}
