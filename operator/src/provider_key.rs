//! `ProviderKey`: checks what it names and says who uses it. It has no objects of its own; the
//! gateways that select it carry its credential.

pub mod dereference;
pub mod status;
pub mod validate;

use std::{sync::Arc, time::Duration};

use anyray_crds::{
    conditions::Reason,
    v1alpha1::{ProviderKey, ProviderKeyStatus, provider_key::UsedBy},
};
use anyray_wire::gateway_config::egress::EgressRule;
use k8s_openapi::jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _, runtime::controller::Action};

use crate::{
    cluster::{CallError, ObjectKey},
    conditions,
    context::Context,
    controller::{self, Pass, Passes},
    gateway::{dereference::selects, status::refused},
    scope::Guarded,
};
use validate::Fault;

/// How soon to look again, while a gateway has not been looked at since the operator's start.
const GATEWAYS_PENDING: Duration = Duration::from_secs(1);

/// How the controller deals with keys.
pub const PASSES: Passes<Guarded<ProviderKey>> = Passes {
    kind: "ProviderKey",
    reconcile,
    forget: |_, _| {},
};

/// One pass over a key.
fn reconcile(object: Arc<Guarded<ProviderKey>>, context: Arc<Context>) -> Pass {
    Box::pin(async move { Box::pin(pass(&ObjectKey::of(object.as_ref()), &context)).await })
}

/// Reads, validates and reports.
async fn pass(key: &ObjectKey, context: &Context) -> Result<Action, CallError> {
    let found = context.cluster.get_guarded::<ProviderKey>(key).await?;
    let provider_key = match found {
        None => return Ok(Action::await_change()),
        Some(Err(unreadable)) => return report_unreadable(key, &unreadable, context).await,
        Some(Ok(found)) if found.meta().deletion_timestamp.is_some() => {
            return Ok(Action::await_change());
        }
        Some(Ok(found)) => found,
    };
    let material = dereference::dereference(&context.cluster, &provider_key).await?;
    // Which private addresses are allowed is each gateway's own affair.
    let any_address = EgressRule {
        allow_private: true,
        allowed: Vec::new(),
    };
    let checked = validate::validate(&provider_key, &material, &any_address);
    let version = checked
        .as_ref()
        .ok()
        .and_then(|usable| usable.version.as_deref());
    let Some(gateways) = used_by(&provider_key, version, context) else {
        return Ok(Action::requeue(GATEWAYS_PENDING));
    };
    let status = status::status(&provider_key, &checked, gateways, Timestamp::now());
    report(&provider_key, &status, context).await?;
    Ok(controller::resync(key))
}

/// The gateways that select a key and want pods; absent while one of them has not been looked at.
fn used_by(key: &ProviderKey, version: Option<&str>, context: &Context) -> Option<Vec<UsedBy>> {
    let namespace = key.namespace().unwrap_or_default();
    let gateways = context.stores.gateways_in(&namespace);
    let gateways = gateways.iter().filter(|gateway| {
        gateway.spec.replicas > 0
            && gateway.meta().deletion_timestamp.is_none()
            && selects(gateway, key)
    });
    let used_by = gateways.map(|gateway| {
        let runs = context
            .push
            .runs_key(&ObjectKey::of(gateway), &key.name_any(), version)?;
        Some(UsedBy {
            name: gateway.name_any(),
            programmed: runs,
        })
    });
    used_by.collect()
}

async fn report(
    key: &ProviderKey,
    status: &ProviderKeyStatus,
    context: &Context,
) -> Result<(), CallError> {
    let previous = key.status.clone().unwrap_or_default();
    if *status == previous {
        return Ok(());
    }
    context
        .cluster
        .apply_status::<ProviderKey>(&ObjectKey::of(key), status)
        .await?;
    let news = conditions::transitions(&previous.conditions, &status.conditions);
    context.cluster.publish(&key.object_ref(&()), &news).await;
    Ok(())
}

async fn report_unreadable(
    key: &ObjectKey,
    unreadable: &kube::core::error_boundary::InvalidObject,
    context: &Context,
) -> Result<Action, CallError> {
    let fault = Fault::new(
        Reason::Unreadable,
        format!("the stored object does not fit this operator's schema: {unreadable}"),
    );
    let generation = unreadable.metadata.generation;
    // A time of its own would make each pass a change, and each change a pass.
    let since = unreadable
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let status = ProviderKeyStatus {
        observed_generation: generation,
        conditions: conditions::merge(&[], &refused(&fault), generation, since),
        ..ProviderKeyStatus::default()
    };
    context
        .cluster
        .apply_status::<ProviderKey>(key, &status)
        .await?;
    Ok(Action::await_change())
}
