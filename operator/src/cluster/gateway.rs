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
use kube::{Resource as _, core::error_boundary::InvalidObject, runtime::controller::Action};
use serde_json::json;

use crate::{
    cluster::{
        api::{CallError, Cluster},
        conditions,
        context::Context,
        controller::{self, Pass, Passes},
        scope::Guarded,
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

/// How the controller deals with gateways.
pub const PASSES: Passes<Guarded<AnyrayGateway>> = Passes {
    kind: "AnyrayGateway",
    reconcile,
    forget: |key, context| context.push.forget(key),
};

/// One pass over a gateway.
fn reconcile(object: Arc<Guarded<AnyrayGateway>>, context: Arc<Context>) -> Pass {
    Box::pin(async move { Box::pin(pass(&ObjectKey::of(object.as_ref()), &context)).await })
}

/// Reads, validates, builds, applies and reports.
///
/// The object is read again, so that a status is never derived from one that was overtaken.
async fn pass(key: &ObjectKey, context: &Context) -> Result<Action, CallError> {
    let found = context.cluster.get_guarded::<AnyrayGateway>(key).await?;
    let gateway = match found {
        None => return Ok(Action::await_change()),
        Some(Err(unreadable)) => return report_unreadable(key, &unreadable, context).await,
        Some(Ok(gateway)) if gateway.meta().deletion_timestamp.is_some() => {
            return Ok(Action::await_change());
        }
        Some(Ok(gateway)) => gateway,
    };
    let references = match dereference::dereference(&gateway, context).await {
        Ok(references) => references,
        // An API server in trouble takes no status either, and says nothing about the gateway.
        Err(error) if error.is_outage() => return Err(error),
        Err(error) => {
            let fault = Fault::new(Reason::ApplyFailed, error.to_string());
            conclude(&gateway, &Outcome::Waiting(fault), None, context).await?;
            return Err(error);
        }
    };
    if let Some(fault) = references.leftover() {
        conclude(&gateway, &Outcome::Waiting(fault), None, context).await?;
        return Ok(Action::requeue(dereference::LOOK_FOR_LEFTOVER_AGAIN));
    }
    let validated = match validate::validate(&gateway, &references) {
        Ok(validated) => validated,
        Err(fault) => {
            let again = match fault.reason {
                // A foreign object may go without the operator hearing of it.
                Reason::NameConflict => Action::requeue(dereference::LOOK_FOR_FOREIGN_AGAIN),
                _ => controller::resync(key),
            };
            conclude(&gateway, &Outcome::Refused(fault), None, context).await?;
            return Ok(again);
        }
    };
    let resources = build::build(&validated, &context.defaults);
    let applied = match hand_over(&resources, &validated, context).await {
        Ok(()) => apply(&resources, context).await,
        Err(error) => Err(error),
    };
    match applied {
        Ok(children) => {
            conclude(
                &gateway,
                &Outcome::Applied(&validated),
                Some(children),
                context,
            )
            .await?;
            Ok(controller::resync(key))
        }
        Err(error) if error.is_outage() => Err(error),
        Err(error) => {
            let outcome = Outcome::Failed(&validated, error.to_string());
            conclude(&gateway, &outcome, None, context).await?;
            Err(error)
        }
    }
}

/// Writes the status. Where this pass has applied nothing, the objects are those of an earlier one.
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

/// Applies what the pods read, and has it brought to those that run: what becomes of the other
/// objects must not hold up a rotation.
async fn hand_over(
    resources: &Resources,
    validated: &ValidatedGateway<'_>,
    context: &Context,
) -> Result<(), CallError> {
    let cluster = &context.cluster;
    cluster.apply(&resources.secret).await?;
    cluster.apply(&resources.config_map).await?;
    let keys = validated.usable.iter();
    let keys: BTreeMap<_, _> = keys
        .filter_map(|key| Some((key.name.clone(), key.version.clone()?)))
        .collect();
    let gateway = ObjectKey::of(validated.gateway);
    context.push.desire(&gateway, &validated.files.hash, keys);
    Ok(())
}

/// Applies the other objects, what others lean on first. The answers say what the cluster has
/// now, which the watches learn later.
async fn apply(resources: &Resources, context: &Context) -> Result<Children, CallError> {
    let cluster = &context.cluster;
    cluster.apply(&resources.service_account).await?;
    cluster.apply(&resources.role).await?;
    cluster.apply(&resources.role_binding).await?;
    Ok(Children {
        service: Some(apply_service(&resources.service, cluster).await?),
        deployment: Some(cluster.apply(&resources.deployment).await?),
    })
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

/// The objects of an earlier pass, where this one applied none.
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

/// An object that this operator cannot read keeps its pods and gets told why.
async fn report_unreadable(
    key: &ObjectKey,
    unreadable: &InvalidObject,
    context: &Context,
) -> Result<Action, CallError> {
    context.push.take_over(key, Vec::new());
    let status = AnyrayGatewayStatus {
        observed_generation: unreadable.metadata.generation,
        conditions: status::unreadable(unreadable),
        ..AnyrayGatewayStatus::default()
    };
    context
        .cluster
        .apply_status::<AnyrayGateway>(key, &status)
        .await?;
    Ok(Action::await_change())
}
