//! What only a cluster needs, behind the feature `cluster`: the store of custom resources, and the
//! keys by which the cluster signs tokens of its `ServiceAccount`s.

pub mod service_account_keys;
pub mod store;

use std::{str::FromStr, sync::Arc};

use crate::access::{issuer::Accounts, store::Store};

/// The gateway that a process is a replica of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl FromStr for GatewayName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/');
        let parts = parts.filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty());
        let (namespace, name) = parts.ok_or("must be NAMESPACE/NAME")?;
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// Connects to the cluster's API, and begins to follow the keys of its tokens.
///
/// # Errors
/// Where there is no way to the API.
pub async fn connect(gateway: &GatewayName) -> Result<(Arc<dyn Store>, Accounts), kube::Error> {
    let store = store::KubernetesStore::connect(gateway.clone()).await?;
    let accounts = service_account_keys::follow(store.client().clone(), gateway);
    Ok((Arc::new(store), accounts))
}
