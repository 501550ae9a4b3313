//! Reads what an `AnyrayGateway` names: its ProviderKeys with their Secrets, and the objects that
//! have the names it needs.

use std::time::Duration;

use anyray_crds::v1alpha1::AnyrayGateway;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Resource as _, ResourceExt as _};

use crate::{
    cluster::{
        api::{CallError, Cluster},
        context::Context,
        minted, provider_key,
    },
    gateway::{
        admin,
        build::{self, ChildName},
        custom_hosts::{self, Bundles},
        validate::{References, selects},
    },
    metadata,
    provider_key::material::SecretEntries,
};

/// How soon to look again whether a foreign object is gone.
pub const LOOK_FOR_FOREIGN_AGAIN: Duration = Duration::from_secs(15);

/// How soon to look again whether the cluster has cleared up after an earlier gateway.
pub const LOOK_FOR_LEFTOVER_AGAIN: Duration = Duration::from_secs(1);

/// Reads everything that a gateway names, unless something is in its way. That something is
/// missing is no error.
///
/// # Errors
/// [`CallError`].
pub async fn dereference(
    gateway: &AnyrayGateway,
    context: &Context,
) -> Result<References, CallError> {
    let mut references = References::default();
    look_in_the_way(gateway, &context.cluster, &mut references).await?;
    if !(references.foreign.is_empty() && references.leftover.is_empty()) {
        return Ok(references);
    }
    let namespace = gateway.namespace().unwrap_or_default();
    for key in context.stores.provider_keys_in(&namespace) {
        if selects(gateway, &key) && key.meta().deletion_timestamp.is_none() {
            let material = provider_key::dereference::dereference(&context.cluster, &key).await?;
            references.keys.push((key, material));
        }
    }
    references.bundles = bundles(&context.cluster, gateway).await?;
    // Last, since it makes a Secret: what was read says that its name is free.
    references.admin = admin_secret(&context.cluster, gateway).await?;
    Ok(references)
}

/// Finds the objects that have a needed name and do not belong to this gateway.
async fn look_in_the_way(
    gateway: &AnyrayGateway,
    cluster: &Cluster,
    references: &mut References,
) -> Result<(), CallError> {
    let name = gateway.name_any();
    let namespace = gateway.namespace().unwrap_or_default();
    let mut needed = build::names(&name);
    if admin::is_minted(gateway) {
        let admin_secret = metadata::admin_secret_name(&name);
        needed.push(ChildName::of::<Secret>(admin_secret));
    }
    for ChildName {
        resource,
        name: child,
    } in needed
    {
        let found = cluster.get_metadata(&resource, &namespace, &child).await?;
        let Some(found) = found else {
            continue;
        };
        let object = format!("{} {child}", resource.kind);
        match metadata::owner::<AnyrayGateway>(&found) {
            Some(owner) if Some(&owner.uid) == gateway.meta().uid.as_ref() => {}
            Some(owner) if owner.name == name => references.leftover.push(object),
            _ => references.foreign.push(object),
        }
    }
    Ok(())
}

/// Reads the ConfigMaps that the hosts name. That one is missing is no error.
async fn bundles(cluster: &Cluster, gateway: &AnyrayGateway) -> Result<Bundles, CallError> {
    let namespace = gateway.namespace().unwrap_or_default();
    let mut bundles = Bundles::new();
    for name in custom_hosts::bundle_names(&gateway.spec.egress) {
        if let Some(found) = cluster.get::<ConfigMap>(&namespace, name).await? {
            bundles.insert(name.to_owned(), found.data.unwrap_or_default());
        }
    }
    Ok(bundles)
}

/// Reads the Secret with the token; makes it where there is none and the spec names none. One that
/// is there is never written: to edit it is how the token is changed.
async fn admin_secret(
    cluster: &Cluster,
    gateway: &AnyrayGateway,
) -> Result<Option<SecretEntries>, CallError> {
    if !gateway.spec.admin.enabled {
        return Ok(None);
    }
    let namespace = gateway.namespace().unwrap_or_default();
    let name = admin::reference(gateway).name;
    let mut found = cluster.get::<Secret>(&namespace, &name).await?;
    if found.is_none() && admin::is_minted(gateway) {
        cluster
            .create(&admin::secret(gateway, &minted::draw()?))
            .await?;
        found = cluster.get::<Secret>(&namespace, &name).await?;
    }
    Ok(found.map(SecretEntries::from_secret))
}
