//! What the operator watches in one namespace, or in all. What each change concerns is in
//! `concerns`.

mod concerns;

use std::{fmt::Debug, sync::Arc};

use anyray_crds::v1alpha1::{AnyrayGateway, ClientKey, Invite, ProviderKey};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Pod, Secret, Service, ServiceAccount},
        rbac::v1::{Role, RoleBinding},
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
    cluster::{
        metrics::Metrics,
        watch::{self, Change, Queues, Trigger},
    },
    metadata::{self, GATEWAY_LABEL, MANAGED_BY_LABEL, MANAGER, ObjectKey},
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
    /// All invites.
    pub invites: Store<Guarded<Invite>>,
    /// All client keys.
    pub client_keys: Store<Guarded<ClientKey>>,
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

    /// A gateway, if it is there and can be read.
    pub fn gateway(&self, key: &ObjectKey) -> Option<AnyrayGateway> {
        let found = self.gateways.get(&reference(key))?;
        found.0.as_ref().ok().cloned()
    }

    /// An invite, if it is there and can be read.
    pub fn invite(&self, key: &ObjectKey) -> Option<Invite> {
        let found = self.invites.get(&reference(key))?;
        found.0.as_ref().ok().cloned()
    }

    /// The client keys that came from an invite of this name.
    pub fn client_keys_of(&self, invite: &ObjectKey) -> Vec<ClientKey> {
        let all = self.client_keys.state();
        let all = all.iter().filter_map(|key| key.0.as_ref().ok());
        let came_from = |key: &&ClientKey| {
            key.namespace().as_deref() == Some(&invite.namespace)
                && key
                    .spec
                    .invite
                    .as_ref()
                    .is_some_and(|origin| origin.name == invite.name)
        };
        all.filter(came_from).cloned().collect()
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
    let (invites, invites_writer) = reflector::store();
    let (client_keys, client_keys_writer) = reflector::store();
    let (deployments, deployments_writer) = reflector::store();
    let (services, services_writer) = reflector::store();
    let (pods, pods_writer) = reflector::store();
    let stores = Stores {
        gateways,
        provider_keys,
        invites,
        client_keys,
        deployments,
        services,
        pods,
    };
    let seen = || stores.clone();
    scope.watch(all(), gateways_writer, concerns::of_gateway(seen()));
    let concern = concerns::of_provider_key(seen());
    scope.watch(all(), provider_keys_writer, concern);
    scope.watch(all(), invites_writer, concerns::of_invite(seen()));
    scope.watch(all(), client_keys_writer, concerns::of_client_key(seen()));
    scope.watch(ours(), deployments_writer, concerns::of_child(seen()));
    scope.watch(ours(), services_writer, concerns::of_child(seen()));
    let pods_config = all().labels(GATEWAY_LABEL);
    scope.watch(pods_config, pods_writer, concerns::of_pod(seen()));
    let unread = scope.watch_metadata(&stores);
    // A writer that is dropped ends the wait, too; then the operator is on its way out.
    let _ = tokio::join!(
        stores.gateways.wait_until_ready(),
        stores.provider_keys.wait_until_ready(),
        stores.invites.wait_until_ready(),
        stores.client_keys.wait_until_ready(),
        stores.deployments.wait_until_ready(),
        stores.services.wait_until_ready(),
        stores.pods.wait_until_ready(),
        unread,
    );
    stores
}

fn all() -> watcher::Config {
    watcher::Config::default().page_size(PAGE_SIZE)
}

fn ours() -> watcher::Config {
    all().labels(&format!("{MANAGED_BY_LABEL}={MANAGER}"))
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
    /// Watches the kinds of which only is kept that they changed; the answer ends once all have
    /// listed what there is.
    fn watch_metadata(&mut self, stores: &Stores) -> impl Future<Output = ()> + use<> {
        let seen = || stores.clone();
        let accounts = Writer::<PartialObjectMeta<ServiceAccount>>::default();
        let accounts = self.watch(ours(), accounts, concerns::of_child(seen()));
        let roles = Writer::<PartialObjectMeta<Role>>::default();
        let roles = self.watch(ours(), roles, concerns::of_child(seen()));
        let bindings = Writer::<PartialObjectMeta<RoleBinding>>::default();
        let bindings = self.watch(ours(), bindings, concerns::of_child(seen()));
        let secrets = Writer::<PartialObjectMeta<Secret>>::default();
        let secrets = self.watch(all(), secrets, concerns::of_secret(seen()));
        let config_maps = Writer::<PartialObjectMeta<ConfigMap>>::default();
        let config_maps = self.watch(all(), config_maps, concerns::of_config_map(seen()));
        async move {
            let _ = tokio::join!(
                accounts.wait_until_ready(),
                roles.wait_until_ready(),
                bindings.wait_until_ready(),
                secrets.wait_until_ready(),
                config_maps.wait_until_ready(),
            );
        }
    }

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
