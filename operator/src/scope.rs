//! What the operator watches in one namespace, or in all, and what each change concerns.

use std::{fmt::Debug, sync::Arc};

use anyray_crds::v1alpha1::{AnyrayGateway, ProviderKey};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount},
    },
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    core::{DeserializeGuard, PartialObjectMeta},
    runtime::{
        reflector::{self, ObjectRef, Store, store::Writer},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::{
    cluster::ObjectKey,
    metadata::{self, GATEWAY_LABEL, MANAGED_BY_LABEL, MANAGER},
    metrics::Metrics,
    watch::{self, Change, Queues, Trigger},
};

/// Objects of one page of a list: each may have 256 KiB of annotations before they are dropped.
const PAGE_SIZE: u32 = 100;

/// An object of a kind that this operator reconciles; one that cannot be read is kept as such.
pub type Guarded<K> = DeserializeGuard<K>;

/// What is known of a scope, kept in step by the watches.
#[derive(Clone, Debug)]
pub struct Stores {
    /// All gateways.
    pub gateways: Store<Guarded<AnyrayGateway>>,
    /// All keys.
    pub provider_keys: Store<Guarded<ProviderKey>>,
    /// The Deployments of gateways.
    pub deployments: Store<Deployment>,
    /// The Services of gateways.
    pub services: Store<Service>,
    /// The pods of gateways.
    pub pods: Store<Pod>,
}

impl Stores {
    /// The gateways of a namespace that can be read.
    pub fn gateways_in(&self, namespace: &str) -> Vec<AnyrayGateway> {
        readable(&self.gateways, namespace)
    }

    /// The keys of a namespace that can be read.
    pub fn provider_keys_in(&self, namespace: &str) -> Vec<ProviderKey> {
        readable(&self.provider_keys, namespace)
    }

    /// The pods of a gateway's Deployment; a copy that someone made for a look has no owner.
    pub fn pods_of(&self, gateway: &ObjectKey) -> Vec<Arc<Pod>> {
        let selector = metadata::selector_labels(&gateway.name);
        self.pods.state_filter(|pod| {
            pod.namespace().as_deref() == Some(&gateway.namespace)
                && selector
                    .iter()
                    .all(|(key, value)| pod.labels().get(key) == Some(value))
                && pod
                    .owner_references()
                    .iter()
                    .any(|owner| owner.kind == "ReplicaSet")
        })
    }

    /// The Deployment of a gateway.
    pub fn deployment(&self, gateway: &ObjectKey) -> Option<Arc<Deployment>> {
        self.deployments.get(&reference(gateway))
    }

    /// The Service of a gateway.
    pub fn service(&self, gateway: &ObjectKey) -> Option<Arc<Service>> {
        self.services.get(&reference(gateway))
    }
}

/// The key as kube's stores take it.
pub fn reference<K: Resource<DynamicType = ()>>(key: &ObjectKey) -> ObjectRef<K> {
    ObjectRef::new(&key.name).within(&key.namespace)
}

fn readable<K: Resource<DynamicType = ()> + Clone + 'static>(
    store: &Store<Guarded<K>>,
    namespace: &str,
) -> Vec<K> {
    let all = store.state();
    let here = all
        .iter()
        .filter_map(|object| object.0.as_ref().ok())
        .filter(|object| object.namespace().as_deref() == Some(namespace));
    here.cloned().collect()
}

/// Starts every watch of a scope, each as a task of its own, and returns once all have listed
/// what there is: an empty store would look like a namespace without keys.
pub async fn follow(mut scope: Scope<'_>) -> Stores {
    let (gateways, gateways_writer) = reflector::store();
    let (provider_keys, provider_keys_writer) = reflector::store();
    let (deployments, deployments_writer) = reflector::store();
    let (services, services_writer) = reflector::store();
    let (pods, pods_writer) = reflector::store();
    let stores = Stores {
        gateways,
        provider_keys,
        deployments,
        services,
        pods,
    };
    let all = || watcher::Config::default().page_size(PAGE_SIZE);
    let ours = || all().labels(&format!("{MANAGED_BY_LABEL}={MANAGER}"));
    let seen = || stores.clone();
    let (known, known_too) = (seen(), seen());
    scope.watch(all(), gateways_writer, move |change| {
        gateway_concerns(&known, &change)
    });
    scope.watch(all(), provider_keys_writer, move |change| {
        provider_key_concerns(&known_too, &change)
    });
    scope.watch(ours(), deployments_writer, child_concerns(seen()));
    scope.watch(ours(), services_writer, child_concerns(seen()));
    scope.watch(
        all().labels(GATEWAY_LABEL),
        pods_writer,
        pod_concerns(seen()),
    );
    let accounts = Writer::<PartialObjectMeta<ServiceAccount>>::default();
    let accounts = scope.watch(ours(), accounts, child_concerns(seen()));
    let secrets = Writer::<PartialObjectMeta<Secret>>::default();
    let secrets = scope.watch(all(), secrets, named_concerns(seen(), names_secret));
    let config_maps = Writer::<PartialObjectMeta<ConfigMap>>::default();
    let config_maps = scope.watch(all(), config_maps, named_concerns(seen(), names_config_map));
    // A writer that is dropped ends the wait, too; then the operator is on its way out.
    let _ = tokio::join!(
        stores.gateways.wait_until_ready(),
        stores.provider_keys.wait_until_ready(),
        stores.deployments.wait_until_ready(),
        stores.services.wait_until_ready(),
        stores.pods.wait_until_ready(),
        accounts.wait_until_ready(),
        secrets.wait_until_ready(),
        config_maps.wait_until_ready(),
    );
    stores
}

/// Where to watch, and where to say what changed.
#[expect(missing_debug_implementations, reason = "a client has none")]
pub struct Scope<'a> {
    /// A client with the rights to list and watch.
    pub client: &'a Client,
    /// `None` for the whole cluster.
    pub namespace: Option<&'a str>,
    /// Who hears of changes.
    pub queues: &'a Queues,
    /// Where failures are counted.
    pub metrics: &'a Metrics,
    /// Where the tasks run.
    pub tasks: &'a mut JoinSet<()>,
}

impl Scope<'_> {
    fn watch<K>(
        &mut self,
        config: watcher::Config,
        writer: Writer<K>,
        concerns: impl Fn(Change<'_, K>) -> Vec<Trigger> + Send + Sync + 'static,
    ) -> Store<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let api = match self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let store = writer.as_reader();
        let sink = (self.queues.clone(), self.metrics.clone());
        let watch = watch::watch(api, config, writer, concerns, sink);
        self.tasks.spawn(watch);
        store
    }
}

/// A gateway concerns itself, and the keys whose status says who uses them.
fn gateway_concerns(stores: &Stores, change: &Change<'_, Guarded<AnyrayGateway>>) -> Vec<Trigger> {
    let &Change::Object { old, new } = change else {
        return every_gateway(stores);
    };
    let Some(object) = new.or(old) else {
        return Vec::new();
    };
    let key = ObjectKey::of(object);
    let mut triggers = keys_in(stores, &key.namespace);
    // A pass for each status that a pass writes would never rest, where its message changes.
    if new.is_none() || old.map(says) != new.map(says) {
        triggers.push(Trigger::Gateway(key));
    }
    triggers
}

/// A key concerns itself; its gateways only if it says something else than before.
fn provider_key_concerns(
    stores: &Stores,
    change: &Change<'_, Guarded<ProviderKey>>,
) -> Vec<Trigger> {
    let &Change::Object { old, new } = change else {
        let keys = stores.provider_keys.state();
        let keys = keys
            .iter()
            .map(|key| Trigger::ProviderKey(ObjectKey::of(key.as_ref())));
        return keys.chain(every_gateway(stores)).collect();
    };
    let Some(object) = new.or(old) else {
        return Vec::new();
    };
    let key = ObjectKey::of(object);
    let is_same = new.is_some() && old.map(says) == new.map(says);
    let gateways = if is_same {
        Vec::new()
    } else {
        gateways_in(stores, &key.namespace)
    };
    gateways
        .into_iter()
        .chain([Trigger::ProviderKey(key)])
        .collect()
}

/// What people say in an object; its status is what it is told.
fn says<K: Resource>(object: &K) -> impl PartialEq + use<K> {
    let metadata = object.meta();
    (
        metadata.uid.clone(),
        metadata.generation,
        metadata.deletion_timestamp.clone(),
        metadata.labels.clone(),
    )
}

/// A child concerns the gateway that owns it.
fn child_concerns<K: Resource<DynamicType = ()>>(
    stores: Stores,
) -> impl Fn(Change<'_, K>) -> Vec<Trigger> {
    move |change| match change {
        Change::Listed => every_gateway(&stores),
        // An edit may have taken the owner away: what was, counts, too.
        Change::Object { old, new } => old.into_iter().chain(new).filter_map(owner).collect(),
    }
}

/// An object that people make concerns the keys that name it, and their gateways.
fn named_concerns<K: Resource<DynamicType = ()>>(
    stores: Stores,
    names: fn(&ProviderKey, &str) -> bool,
) -> impl Fn(Change<'_, K>) -> Vec<Trigger> {
    move |change| {
        let Change::Object { old, new } = change else {
            let keys = stores.provider_keys.state();
            let keys = keys
                .iter()
                .map(|key| Trigger::ProviderKey(ObjectKey::of(key.as_ref())));
            return keys.chain(every_gateway(&stores)).collect();
        };
        let mut triggers: Vec<_> = old.into_iter().chain(new).filter_map(owner).collect();
        let Some(key) = new.or(old).map(ObjectKey::of) else {
            return triggers;
        };
        let keys = stores.provider_keys_in(&key.namespace);
        let naming: Vec<_> = keys
            .iter()
            .filter(|provider_key| names(provider_key, &key.name))
            .collect();
        if !naming.is_empty() {
            triggers.extend(gateways_in(&stores, &key.namespace));
        }
        triggers.extend(
            naming
                .into_iter()
                .map(|key| Trigger::ProviderKey(ObjectKey::of(key))),
        );
        triggers
    }
}

fn names_secret(key: &ProviderKey, secret: &str) -> bool {
    key.spec.auth.api_key_secret_ref.name == secret
}

fn names_config_map(key: &ProviderKey, config_map: &str) -> bool {
    let endpoint = key.spec.endpoint.as_ref();
    let bundle = endpoint.and_then(|endpoint| endpoint.ca_bundle_ref.as_ref());
    bundle.is_some_and(|reference| reference.name == config_map)
}

fn pod_concerns(stores: Stores) -> impl Fn(Change<'_, Pod>) -> Vec<Trigger> {
    move |change| match change {
        Change::Listed => every_gateway(&stores),
        Change::Object { old, new } => old.into_iter().chain(new).filter_map(gateway_of).collect(),
    }
}

fn gateway_of(pod: &Pod) -> Option<Trigger> {
    Some(Trigger::Gateway(ObjectKey {
        namespace: pod.namespace()?,
        name: pod.labels().get(GATEWAY_LABEL)?.clone(),
    }))
}

fn owner<K: Resource>(object: &K) -> Option<Trigger> {
    let owner = metadata::owner(object.meta())?;
    Some(Trigger::Gateway(ObjectKey {
        namespace: object.namespace()?,
        name: owner.name.clone(),
    }))
}

fn every_gateway(stores: &Stores) -> Vec<Trigger> {
    let gateways = stores.gateways.state();
    let keys = gateways
        .iter()
        .map(|gateway| ObjectKey::of(gateway.as_ref()));
    keys.map(Trigger::Gateway).collect()
}

fn gateways_in(stores: &Stores, namespace: &str) -> Vec<Trigger> {
    let gateways = stores.gateways_in(namespace);
    gateways
        .iter()
        .map(|gateway| Trigger::Gateway(ObjectKey::of(gateway)))
        .collect()
}

fn keys_in(stores: &Stores, namespace: &str) -> Vec<Trigger> {
    let keys = stores.provider_keys_in(namespace);
    keys.iter()
        .map(|key| Trigger::ProviderKey(ObjectKey::of(key)))
        .collect()
}
