//! `ProviderKey`: checks what it names and says who uses it. It has no objects of its own; the
//! gateways that select it carry its credential.

pub mod dereference;
pub mod status;

use std::time::Duration;

use anyray_crds::{
    conditions::Reason,
    v1alpha1::{AnyrayGateway, ProviderKey, ProviderKeyStatus, provider_key::UsedBy},
};
use anyray_wire::gateway_config::egress::EgressRule;
use k8s_openapi::jiff::Timestamp;
use kube::{
    Resource as _, ResourceExt as _, core::error_boundary::InvalidObject,
    runtime::controller::Action,
};

use crate::{
    cluster::{api::CallError, context::Context, controller, gateway, reconcile::Reconcile},
    fault::Fault,
    gateway::{config, validate::selects},
    metadata::ObjectKey,
    provider_key::{
        material::{ANY_ADDRESS, Material},
        validate::{self, UnusableKey},
    },
};
use status::Usage;

/// How soon to look again, while a gateway has not been looked at since the operator's start.
const GATEWAYS_PENDING: Duration = Duration::from_secs(1);

impl Reconcile for ProviderKey {
    const KIND: &'static str = "ProviderKey";

    /// Validates and reports.
    async fn reconcile(self, key: &ObjectKey, context: &Context) -> Result<Action, CallError> {
        let material = match dereference::dereference(&context.cluster, &self).await {
            Ok(material) => material,
            // An API server in trouble takes no status either, and says nothing about the key.
            Err(error) if error.is_outage() => return Err(error),
            Err(error) => {
                let unread = UnusableKey {
                    name: key.name.clone(),
                    provider: self.spec.provider.slug(),
                    fault: Fault::new(Reason::ApplyFailed, error.to_string()),
                };
                let (usage, now) = (Usage::default(), Timestamp::now());
                let status = status::status(&self, &Err(unread), usage, now);
                report(&self, &status, context).await?;
                return Err(error);
            }
        };
        let checked = validate::validate(&self, &material, &ANY_ADDRESS);
        let version = checked
            .as_ref()
            .ok()
            .and_then(|usable| usable.version.as_deref());
        let gateways = gateways_of(&self, context);
        let mut usage = Usage::default();
        for gateway in &gateways {
            if let Some(why) = refusal(gateway, &self, &material) {
                usage.refused.push(why);
                continue;
            }
            let name = gateway.name_any();
            let runs = context
                .push
                .runs_key(&ObjectKey::of(gateway), &key.name, version);
            let Some(programmed) = runs else {
                return Ok(Action::requeue(GATEWAYS_PENDING));
            };
            usage.gateways.push(UsedBy { name, programmed });
        }
        let status = status::status(&self, &checked, usage, Timestamp::now());
        report(&self, &status, context).await?;
        Ok(controller::resync(key))
    }

    async fn report_unreadable(
        key: &ObjectKey,
        unreadable: &InvalidObject,
        context: &Context,
    ) -> Result<(), CallError> {
        let status = ProviderKeyStatus {
            observed_generation: unreadable.metadata.generation,
            conditions: gateway::status::unreadable(unreadable),
            ..ProviderKeyStatus::default()
        };
        context.cluster.apply_status::<Self>(key, &status).await
    }
}

/// The gateways that select a key and want pods.
fn gateways_of(key: &ProviderKey, context: &Context) -> Vec<AnyrayGateway> {
    let namespace = key.namespace().unwrap_or_default();
    let mut gateways = context.stores.gateways_in(&namespace);
    gateways.retain(|gateway| {
        gateway.spec.replicas > 0
            && gateway.meta().deletion_timestamp.is_none()
            && selects(gateway, key)
    });
    gateways
}

/// Why a gateway cannot use a key that can be used as such: it allows other addresses.
fn refusal(gateway: &AnyrayGateway, key: &ProviderKey, material: &Material) -> Option<String> {
    let egress = config::from_spec(&gateway.spec).egress;
    let refused =
        validate::validate(key, material, &EgressRule::from_config(&egress).ok()?).err()?;
    let is_address = refused.fault.reason == Reason::EndpointNotAllowed;
    is_address.then(|| format!("gateway {}: {}", gateway.name_any(), refused.fault.message))
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
    let conditions = [&previous.conditions, &status.conditions];
    context.cluster.report(key, status, conditions).await
}
