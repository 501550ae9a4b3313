//! One task per watch: it keeps a store in step with the cluster and says what a change concerns.
//!
//! Each watch backs off alone. kube's `Controller` merges them, so that one dead connection holds
//! up all the others (trino-operator#936).

use std::{fmt::Debug, hash::Hash, time::Duration};

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt as _,
        reflector::{ObjectRef, store::Writer},
        utils::Backoff,
        watcher::{self, Event},
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::{cluster::metrics::Metrics, metadata::ObjectKey};

/// Shortest and longest pause after a failed watch. Longer ones would let the operator miss the
/// API server's return.
const PAUSE: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Requests that wait to be taken over; beyond that a watch waits.
pub const QUEUE_LENGTH: usize = 1024;

/// An object that has to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// An `AnyrayGateway`.
    Gateway(ObjectKey),
    /// A `ProviderKey`.
    ProviderKey(ObjectKey),
    /// An `Invite`.
    Invite(ObjectKey),
    /// A `ClientKey`.
    ClientKey(ObjectKey),
}

/// Where triggers go, one queue per kind.
#[derive(Clone, Debug)]
pub struct Queues {
    /// `AnyrayGateway`s to look at.
    pub gateways: mpsc::Sender<ObjectKey>,
    /// `ProviderKey`s to look at.
    pub provider_keys: mpsc::Sender<ObjectKey>,
    /// `Invite`s to look at.
    pub invites: mpsc::Sender<ObjectKey>,
    /// `ClientKey`s to look at.
    pub client_keys: mpsc::Sender<ObjectKey>,
}

impl Queues {
    /// Waits for room, then leaves the trigger there. After the end of the operator it is dropped.
    pub async fn send(&self, trigger: Trigger) {
        let _ = match trigger {
            Trigger::Gateway(key) => self.gateways.send(key).await,
            Trigger::ProviderKey(key) => self.provider_keys.send(key).await,
            Trigger::Invite(key) => self.invites.send(key).await,
            Trigger::ClientKey(key) => self.client_keys.send(key).await,
        };
    }
}

/// What has happened to the objects of one kind.
#[derive(Debug)]
pub enum Change<'a, K> {
    /// One object was made, changed or deleted; it has at least one of the two.
    Object {
        /// As the store had it.
        old: Option<&'a K>,
        /// As it is now.
        new: Option<&'a K>,
    },
    /// All were listed again; what happened in between is unknown.
    Listed,
}

/// Follows one kind for ever.
pub async fn watch<K>(
    api: Api<K>,
    config: watcher::Config,
    mut writer: Writer<K>,
    concerns: impl Fn(Change<'_, K>) -> Vec<Trigger>,
    (queues, metrics): (Queues, Metrics),
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default + Eq + Hash + Clone,
{
    let kind = K::kind(&K::DynamicType::default()).into_owned();
    let store = writer.as_reader();
    let events = watcher::watcher(api, config)
        .backoff(Pauses::default())
        .modify(|object| trim(object.meta_mut()));
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                metrics.watch_failed(&kind);
                tracing::warn!(kind, %error, "the watch of {kind} failed and is tried again: {error}");
                continue;
            }
        };
        let triggers = match &event {
            Event::Apply(new) => {
                let old = store.get(&ObjectRef::from_obj(new));
                concerns(Change::Object {
                    old: old.as_deref(),
                    new: Some(new),
                })
            }
            Event::Delete(old) => concerns(Change::Object {
                old: Some(old),
                new: None,
            }),
            Event::Init | Event::InitApply(_) | Event::InitDone => Vec::new(),
        };
        let is_listed = matches!(event, Event::InitDone);
        writer.apply_watcher_event(&event);
        let listed = is_listed.then(|| concerns(Change::Listed));
        for trigger in triggers.into_iter().chain(listed.into_iter().flatten()) {
            queues.send(trigger).await;
        }
    }
}

/// Drops what nobody here reads: of the objects that people make, most may be anything, and an
/// annotation may have 256 KiB.
fn trim(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    metadata.annotations = None;
}

/// Pauses that double up to the longest, and begin again after an event.
#[derive(Debug, Default)]
struct Pauses(u32);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = PAUSE.saturating_mul(1 << self.0.min(10)).min(PAUSE_MAX);
        self.0 += 1;
        Some(pause)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0 = 0;
    }
}
