//! Reads what an `AnyrayGateway` names: its ProviderKeys with their Secrets, and the objects that
//! have the names it needs.

use std::{fmt::Debug, time::Duration};

use anyray_crds::v1alpha1::{AnyrayGateway, ProviderKey};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Secret, Service, ServiceAccount},
    },
};
use kube::{
    Resource, ResourceExt as _,
    core::{Selector, SelectorExt as _},
};
use serde::de::DeserializeOwned;

use super::validate::References;
use crate::{
    cluster::{CallError, Cluster},
    context::Context,
    metadata, provider_key,
};

/// How soon to look again whether a foreign object is gone.
pub const ASK_AGAIN: Duration = Duration::from_secs(15);

/// Reads everything that a gateway names. That something is missing is no error.
///
/// # Errors
/// [`CallError`].
pub async fn dereference(
    gateway: &AnyrayGateway,
    context: &Context,
) -> Result<References, CallError> {
    let namespace = gateway.namespace().unwrap_or_default();
    let mut keys = Vec::new();
    for key in context.stores.provider_keys_in(&namespace) {
        if selects(gateway, &key) && key.meta().deletion_timestamp.is_none() {
            let material = provider_key::dereference::dereference(&context.cluster, &key).await?;
            keys.push((key, material));
        }
    }
    Ok(References {
        keys,
        foreign: foreign(gateway, &context.cluster).await?,
    })
}

/// Whether a gateway uses a key, by the key's labels.
pub fn selects(gateway: &AnyrayGateway, key: &ProviderKey) -> bool {
    let Some(selector) = gateway.spec.providers.selector.clone() else {
        return true;
    };
    // One that cannot be read selects nothing here, and is refused by `validate`.
    Selector::try_from(selector).is_ok_and(|selector| selector.matches(key.labels()))
}

/// The objects that have a needed name and do not belong to this gateway.
async fn foreign(gateway: &AnyrayGateway, cluster: &Cluster) -> Result<Vec<String>, CallError> {
    let name = gateway.name_any();
    let found = [
        is_foreign::<ServiceAccount>(gateway, &name, cluster).await?,
        is_foreign::<Secret>(gateway, &metadata::secret_name(&name), cluster).await?,
        is_foreign::<ConfigMap>(gateway, &metadata::config_map_name(&name), cluster).await?,
        is_foreign::<Service>(gateway, &name, cluster).await?,
        is_foreign::<Deployment>(gateway, &name, cluster).await?,
    ];
    Ok(found.into_iter().flatten().collect())
}

async fn is_foreign<K>(
    gateway: &AnyrayGateway,
    name: &str,
    cluster: &Cluster,
) -> Result<Option<String>, CallError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let namespace = gateway.namespace().unwrap_or_default();
    let found = cluster.get_metadata::<K>(&namespace, name).await?;
    let foreign = found.filter(|found| {
        let owner = metadata::owner(found);
        owner.map(|owner| Some(&owner.uid)) != Some(gateway.meta().uid.as_ref())
    });
    Ok(foreign.map(|_| format!("{} {name}", K::kind(&()))))
}
