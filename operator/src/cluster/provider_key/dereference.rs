//! Reads what a ProviderKey names.

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt as _;

use anyray_crds::v1alpha1::ProviderKey;

use crate::{
    cluster::api::{CallError, Cluster},
    provider_key::material::{Material, SecretEntries},
};

/// Reads the Secret and the ConfigMap that a ProviderKey names. That one is missing is no error.
///
/// The Secret of a suspended key is not read.
///
/// # Errors
/// [`CallError`].
pub async fn dereference(cluster: &Cluster, key: &ProviderKey) -> Result<Material, CallError> {
    let namespace = key.namespace().unwrap_or_default();
    if key.spec.suspend {
        return Ok(Material::default());
    }
    let secret = match key.spec.auth.secret_name() {
        Some(name) => cluster.get::<Secret>(&namespace, name).await?,
        None => None,
    };
    let ca_bundle = key.spec.endpoint.as_ref();
    let ca_bundle = match ca_bundle.and_then(|endpoint| endpoint.ca_bundle_ref.as_ref()) {
        Some(reference) => {
            cluster
                .get::<ConfigMap>(&namespace, &reference.name)
                .await?
        }
        None => None,
    };
    Ok(Material {
        secret: secret.map(SecretEntries::from_secret),
        ca_bundle: ca_bundle.map(|found| found.data.unwrap_or_default()),
    })
}
