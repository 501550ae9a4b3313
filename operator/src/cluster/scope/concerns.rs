//! What a change of each kind concerns: which objects have to be looked at.

use anyray_crds::{
    access,
    v1alpha1::{AnyrayGateway, ClientKey, Invite, ProviderKey},
};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::{Resource, ResourceExt as _, core::PartialObjectMeta, runtime::reflector::Store};

use super::{Guarded, Stores};
use crate::{
    cluster::watch::{Change, Trigger},
    gateway::{admin, custom_hosts},
    metadata::{self, GATEWAY_LABEL, ObjectKey},
};

/// A gateway concerns itself, the keys whose status says who uses them, and what belongs to it.
pub(super) fn of_gateway(
    stores: Stores,
) -> impl Fn(Change<'_, Guarded<AnyrayGateway>>) -> Vec<Trigger> {
    move |change| {
        let Change::Object { old, new } = change else {
            return every_gateway(&stores);
        };
        let Some(object) = new.or(old) else {
            return Vec::new();
        };
        let key = ObjectKey::of(object);
        let provider_keys = stores.provider_keys_in(&key.namespace);
        let provider_keys = provider_keys.iter().map(ObjectKey::of);
        let mut triggers: Vec<_> = provider_keys.map(Trigger::ProviderKey).collect();
        triggers.extend(clients_of(&stores, &key, old.is_none() || new.is_none()));
        // To reconcile for each status that reconciling writes would never rest, where its message changes.
        if new.is_none() || old.map(says) != new.map(says) {
            triggers.push(Trigger::Gateway(key));
        }
        triggers
    }
}

/// The invites that wait for a gateway's address; where it came or went, all that belongs to it.
fn clients_of(stores: &Stores, gateway: &ObjectKey, is_another: bool) -> Vec<Trigger> {
    let is_here = |namespace: Option<String>, name: &str| {
        namespace.as_deref() == Some(&gateway.namespace) && name == gateway.name
    };
    let invites = triggers(
        &stores.invites,
        |invite: &Invite| {
            is_here(invite.namespace(), &invite.spec.gateway_ref.name)
                && (is_another || access::code_hash(invite).is_none())
        },
        Trigger::Invite,
    );
    let client_keys = triggers(
        &stores.client_keys,
        |key: &ClientKey| is_another && is_here(key.namespace(), &key.spec.gateway_ref.name),
        Trigger::ClientKey,
    );
    invites.into_iter().chain(client_keys).collect()
}

/// A key concerns itself; its gateways only if it says something else than before.
pub(super) fn of_provider_key(
    stores: Stores,
) -> impl Fn(Change<'_, Guarded<ProviderKey>>) -> Vec<Trigger> {
    move |change| {
        let Change::Object { old, new } = change else {
            let mut triggers = every(&stores.provider_keys, Trigger::ProviderKey);
            triggers.extend(every_gateway(&stores));
            return triggers;
        };
        let Some(object) = new.or(old) else {
            return Vec::new();
        };
        let key = ObjectKey::of(object);
        let is_same = new.is_some() && old.map(says) == new.map(says);
        let mut triggers = match is_same {
            true => Vec::new(),
            false => gateways_in(&stores, &key.namespace),
        };
        triggers.push(Trigger::ProviderKey(key));
        triggers
    }
}

/// An invite concerns itself; the keys that came from it only if it says something else, or has
/// another code.
pub(super) fn of_invite(stores: Stores) -> impl Fn(Change<'_, Guarded<Invite>>) -> Vec<Trigger> {
    move |change| {
        let Change::Object { old, new } = change else {
            return every(&stores.invites, Trigger::Invite);
        };
        let Some(object) = new.or(old) else {
            return Vec::new();
        };
        let key = ObjectKey::of(object);
        let code = |invite: &Guarded<Invite>| {
            let invite = invite.0.as_ref().ok();
            invite.and_then(access::code_hash).map(str::to_owned)
        };
        let is_same = old.map(says) == new.map(says) && old.map(code) == new.map(code);
        let mut triggers = Vec::new();
        if !is_same {
            let client_keys = stores.client_keys_of(&key);
            let client_keys = client_keys.iter().map(ObjectKey::of);
            triggers.extend(client_keys.map(Trigger::ClientKey));
        }
        triggers.push(Trigger::Invite(key));
        triggers
    }
}

/// A client key concerns itself, and the invite that it came from, whose record it may complete.
pub(super) fn of_client_key(
    stores: Stores,
) -> impl Fn(Change<'_, Guarded<ClientKey>>) -> Vec<Trigger> {
    move |change| {
        let Change::Object { old, new } = change else {
            let mut triggers = every(&stores.client_keys, Trigger::ClientKey);
            triggers.extend(every(&stores.invites, Trigger::Invite));
            return triggers;
        };
        let Some(object) = new.or(old) else {
            return Vec::new();
        };
        let key = ObjectKey::of(object);
        let mut triggers = Vec::new();
        if old.map(says) != new.map(says) {
            let spec = object.0.as_ref().ok().map(|key| &key.spec);
            let origin = spec.and_then(|spec| spec.invite.as_ref());
            triggers.extend(origin.map(|origin| {
                Trigger::Invite(ObjectKey {
                    namespace: key.namespace.clone(),
                    name: origin.name.clone(),
                })
            }));
        }
        triggers.push(Trigger::ClientKey(key));
        triggers
    }
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
pub(super) fn of_child<K: Resource<DynamicType = ()>>(
    stores: Stores,
) -> impl Fn(Change<'_, K>) -> Vec<Trigger> {
    move |change| match change {
        Change::Listed => every_gateway(&stores),
        // An edit may have taken the owner away: what was, counts, too.
        Change::Object { old, new } => old.into_iter().chain(new).filter_map(owner).collect(),
    }
}

/// A Secret concerns the object that owns it, and the keys and gateways that name it.
pub(super) fn of_secret(
    stores: Stores,
) -> impl Fn(Change<'_, PartialObjectMeta<Secret>>) -> Vec<Trigger> {
    move |change| {
        let names_secret =
            |key: &ProviderKey, name: &str| key.spec.auth.secret_name() == Some(name);
        let has_token = |gateway: &AnyrayGateway, name: &str| {
            gateway.spec.admin.enabled && admin::reference(gateway).name == name
        };
        let mut triggers = of_named(&stores, &change, (&names_secret, &has_token));
        if matches!(change, Change::Listed) {
            triggers.extend(every(&stores.invites, Trigger::Invite));
            triggers.extend(every(&stores.client_keys, Trigger::ClientKey));
        }
        triggers
    }
}

/// A ConfigMap concerns the gateway that owns it, and the keys and gateways that name it.
pub(super) fn of_config_map(
    stores: Stores,
) -> impl Fn(Change<'_, PartialObjectMeta<ConfigMap>>) -> Vec<Trigger> {
    move |change| {
        let names_bundle = |key: &ProviderKey, name: &str| {
            let endpoint = key.spec.endpoint.as_ref();
            let bundle = endpoint.and_then(|endpoint| endpoint.ca_bundle_ref.as_ref());
            bundle.is_some_and(|reference| reference.name == name)
        };
        let has_host = |gateway: &AnyrayGateway, name: &str| {
            custom_hosts::bundle_names(&gateway.spec.egress).contains(name)
        };
        of_named(&stores, &change, (&names_bundle, &has_host))
    }
}

/// Whether a key, and whether a gateway, names an object.
type Names<'a> = (
    &'a dyn Fn(&ProviderKey, &str) -> bool,
    &'a dyn Fn(&AnyrayGateway, &str) -> bool,
);

/// An object that people make concerns the keys that name it and their gateways, and the gateways
/// that name it themselves.
fn of_named<K: Resource<DynamicType = ()>>(
    stores: &Stores,
    change: &Change<'_, K>,
    (key_names, gateway_names): Names<'_>,
) -> Vec<Trigger> {
    let &Change::Object { old, new } = change else {
        let mut triggers = every(&stores.provider_keys, Trigger::ProviderKey);
        triggers.extend(every_gateway(stores));
        return triggers;
    };
    let mut found: Vec<_> = old.into_iter().chain(new).filter_map(owner).collect();
    let Some(changed) = new.or(old).map(ObjectKey::of) else {
        return found;
    };
    let is_here = |namespace: Option<String>| namespace.as_deref() == Some(&changed.namespace);
    let naming = triggers(
        &stores.provider_keys,
        |key: &ProviderKey| is_here(key.namespace()) && key_names(key, &changed.name),
        Trigger::ProviderKey,
    );
    if !naming.is_empty() {
        found.extend(gateways_in(stores, &changed.namespace));
    }
    found.extend(naming);
    found.extend(triggers(
        &stores.gateways,
        |gateway: &AnyrayGateway| {
            is_here(gateway.namespace()) && gateway_names(gateway, &changed.name)
        },
        Trigger::Gateway,
    ));
    found
}

/// A pod concerns its gateway.
pub(super) fn of_pod(stores: Stores) -> impl Fn(Change<'_, Pod>) -> Vec<Trigger> {
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

/// The object that owns another.
fn owner<K: Resource>(object: &K) -> Option<Trigger> {
    let metadata = object.meta();
    let key = |owner: &k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference| ObjectKey {
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: owner.name.clone(),
    };
    let gateway = metadata::owner::<AnyrayGateway>(metadata);
    let invite = metadata::owner::<Invite>(metadata);
    let client_key = metadata::owner::<ClientKey>(metadata);
    let gateway = gateway.map(|owner| Trigger::Gateway(key(owner)));
    let invite = invite.map(|owner| Trigger::Invite(key(owner)));
    let client_key = client_key.map(|owner| Trigger::ClientKey(key(owner)));
    gateway.or(invite).or(client_key)
}

fn every_gateway(stores: &Stores) -> Vec<Trigger> {
    every(&stores.gateways, Trigger::Gateway)
}

fn gateways_in(stores: &Stores, namespace: &str) -> Vec<Trigger> {
    triggers(
        &stores.gateways,
        |gateway: &AnyrayGateway| gateway.namespace().as_deref() == Some(namespace),
        Trigger::Gateway,
    )
}

/// All objects of a store, those that cannot be read among them.
fn every<K>(store: &Store<Guarded<K>>, trigger: fn(ObjectKey) -> Trigger) -> Vec<Trigger>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let all = store.state();
    let keys = all.iter().map(|object| ObjectKey::of(object.as_ref()));
    keys.map(trigger).collect()
}

/// The objects of a store that can be read and are meant.
fn triggers<K>(
    store: &Store<Guarded<K>>,
    is_meant: impl Fn(&K) -> bool,
    trigger: fn(ObjectKey) -> Trigger,
) -> Vec<Trigger>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let all = store.state();
    let all = all.iter().filter_map(|object| object.0.as_ref().ok());
    let meant = all.filter(|object| is_meant(object));
    meant.map(ObjectKey::of).map(trigger).collect()
}

#[cfg(test)]
mod tests;
