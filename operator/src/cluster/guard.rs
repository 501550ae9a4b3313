//! Notices a watch that has gone deaf: it compares what the watches know with what the cluster
//! has, so that the kubelet can restart an operator that would never learn of anything again.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    sync::Arc,
    time::Duration,
};

use kube::{
    Api, Client, Resource, api::ListParams, core::PartialObjectMeta, runtime::reflector::Store,
};
use serde::de::DeserializeOwned;
use tokio::time::{interval, timeout};

use crate::{
    cluster::{
        ops::Health,
        scope::{Guarded, Stores},
    },
    metadata::ObjectKey,
};

/// Time between two looks. What differs at both has been missed, not delayed.
const PERIOD: Duration = Duration::from_secs(150);

/// Longest wait for a list.
const LIST_LIMIT: Duration = Duration::from_secs(60);

type Versions = HashMap<ObjectKey, Option<String>>;

/// Compares for ever.
pub async fn run(client: Client, namespace: Option<String>, stores: Stores, health: Arc<Health>) {
    let mut ticks = interval(PERIOD);
    let mut gateways = HashSet::new();
    let mut provider_keys = HashSet::new();
    let mut invites = HashSet::new();
    let mut client_keys = HashSet::new();
    loop {
        ticks.tick().await;
        let namespace = namespace.as_deref();
        let looks = [
            look(&client, namespace, &stores.gateways, &mut gateways, &health).await,
            look(
                &client,
                namespace,
                &stores.provider_keys,
                &mut provider_keys,
                &health,
            )
            .await,
            look(&client, namespace, &stores.invites, &mut invites, &health).await,
            look(
                &client,
                namespace,
                &stores.client_keys,
                &mut client_keys,
                &health,
            )
            .await,
        ];
        if looks.contains(&true) {
            health.set_wedged();
        }
    }
}

/// Whether an object differs now as it did at the last look. A list that fails says nothing.
async fn look<K>(
    client: &Client,
    namespace: Option<&str>,
    store: &Store<Guarded<K>>,
    suspects: &mut HashSet<(ObjectKey, Option<String>)>,
    health: &Health,
) -> bool
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + 'static,
{
    let api: Api<K> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let params = ListParams::default();
    let Ok(Ok(listed)) = timeout(LIST_LIMIT, api.list_metadata(&params)).await else {
        return false;
    };
    let listed: Versions = listed
        .items
        .iter()
        .map(version::<PartialObjectMeta<K>>)
        .collect();
    let known: Versions = store
        .state()
        .iter()
        .map(|object| version(object.as_ref()))
        .collect();
    let differing: HashSet<_> = listed
        .into_iter()
        .filter(|(key, version)| known.get(key) != Some(version))
        .collect();
    let kind = K::kind(&());
    let is_stale = differing.intersection(suspects).next().is_some();
    if is_stale {
        health.metrics.watch_is_stale(&kind);
        tracing::error!(%kind, "the watch of {kind} has missed changes for over {PERIOD:?}");
    }
    *suspects = differing;
    is_stale
}

fn version<K: Resource>(object: &K) -> (ObjectKey, Option<String>) {
    (
        ObjectKey::of(object),
        object.meta().resource_version.clone(),
    )
}

#[cfg(test)]
mod tests;
