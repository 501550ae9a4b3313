//! Reconciles the objects of one kind: a bounded number at once, again after an error, and none
//! brought down by another.

use std::{
    collections::HashMap,
    convert::Infallible,
    fmt::Debug,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream};
use k8s_openapi::jiff::Timestamp;
use kube::{
    Resource,
    runtime::{
        controller::{self, Action, Config, ReconcileReason, ReconcileRequest, applier},
        reflector::{Lookup, Store},
    },
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{api::CallError, context::Context, scope::reference},
    metadata::ObjectKey,
};

/// Objects that are reconciled at once.
const CONCURRENCY: u16 = 16;

/// Longest pause after an error of the API server's: it may be back any time.
const OUTAGE_PAUSE_MAX: Duration = Duration::from_secs(3);

/// Longest pause after an error that the object itself may be the reason of.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Every object is looked at again after this time, give or take a fifth.
const RESYNC: Duration = Duration::from_secs(600);

/// Why reconciling an object did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The Kubernetes API.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A fault of the operator's own; the log has its place.
    #[error("reconciling panicked")]
    Panic,
}

/// The reconciling of one object.
pub type Reconciling = BoxFuture<'static, Result<Action, CallError>>;

/// What there is to do for the objects of one kind.
#[derive(Clone, Copy, Debug)]
pub struct Reconciler<K> {
    /// The kind's name.
    pub kind: &'static str,
    /// Reconciles one object.
    pub reconcile: fn(Arc<K>, Arc<Context>) -> Reconciling,
    /// Drops what is known of an object that is gone.
    pub forget: fn(&ObjectKey, &Context),
}

/// Reconciles each object that the queue names, until it is told to stop; what has begun comes to its
/// end.
pub async fn run<K>(
    reconciler: Reconciler<K>,
    store: Store<K>,
    (mut queue, stop): (mpsc::Receiver<ObjectKey>, CancellationToken),
    context: Arc<Context>,
) where
    K: Resource<DynamicType = ()>
        + Lookup<DynamicType = ()>
        + Clone
        + Debug
        + Send
        + Sync
        + 'static,
{
    let Reconciler {
        kind,
        reconcile,
        forget,
    } = reconciler;
    let requests =
        stream::poll_fn(move |cx| queue.poll_recv(cx)).take_until(stop.cancelled_owned());
    let requests = requests.map(|key| {
        Ok::<_, Infallible>(ReconcileRequest {
            obj_ref: reference::<K>(&key),
            reason: ReconcileReason::Unknown,
        })
    });
    let failures = Arc::new(Failures::default());
    let (succeeded, failed) = (Arc::clone(&failures), Arc::clone(&failures));
    let reconcile = move |object: Arc<K>, context: Arc<Context>| {
        let failures = Arc::clone(&succeeded);
        Box::pin(async move {
            let key = ObjectKey::of(object.as_ref());
            let reconciling = reconcile(object, Arc::clone(&context));
            let result = counted(kind, reconciling, &context).await;
            if result.is_ok() {
                failures.forget(&key);
            }
            result
        })
    };
    let after_error = move |object: Arc<K>, error: &ReconcileError, _: Arc<Context>| {
        failed.pause_after(kind, &ObjectKey::of(object.as_ref()), error)
    };
    let config = Config::default().concurrency(CONCURRENCY);
    let shared = Arc::clone(&context);
    applier(reconcile, after_error, shared, store, requests, config)
        .for_each(|ended| {
            if let Err(controller::Error::ObjectNotFound(object)) = ended {
                let key = ObjectKey {
                    namespace: object.namespace.clone().unwrap_or_default(),
                    name: object.name.clone(),
                };
                failures.forget(&key);
                forget(&key, &context);
            }
            std::future::ready(())
        })
        .await;
}

/// Reconciles one object and counts it; one that panics brings nothing else down.
async fn counted(
    kind: &'static str,
    reconciling: Reconciling,
    context: &Context,
) -> Result<Action, ReconcileError> {
    let started = Instant::now();
    let (outcome, result) = match AssertUnwindSafe(reconciling).catch_unwind().await {
        Ok(Ok(action)) => ("done", Ok(action)),
        Ok(Err(error)) => ("failed", Err(ReconcileError::Call(error))),
        Err(_) => ("panicked", Err(ReconcileError::Panic)),
    };
    context.metrics.passed(kind, outcome, started.elapsed());
    result
}

/// When to look again at an object with which all is well.
pub fn resync(key: &ObjectKey) -> Action {
    Action::requeue(resync_pause(key))
}

/// When to look again at an object with which all is well until a time of its own.
pub fn resync_until(key: &ObjectKey, end: Option<Timestamp>, now: Timestamp) -> Action {
    let left = end.and_then(|end| Duration::try_from(end.duration_since(now)).ok());
    let pause = resync_pause(key);
    // A timer counts milliseconds: it may not come before the time.
    Action::requeue(left.map_or(pause, |left| pause.min(left + Duration::from_millis(1))))
}

fn resync_pause(key: &ObjectKey) -> Duration {
    let spread = f64::from(u8::try_from(key.name.len() * 37 % 100).unwrap_or(0)) / 100.0;
    RESYNC.mul_f64(0.8 + 0.4 * spread)
}

/// How often in a row the reconciling of each object has failed.
#[derive(Debug, Default)]
struct Failures(Mutex<HashMap<ObjectKey, u32>>);

impl Failures {
    fn forget(&self, key: &ObjectKey) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }

    /// Says that an object could not be reconciled, and when it is tried again.
    fn pause_after(&self, kind: &'static str, key: &ObjectKey, error: &ReconcileError) -> Action {
        let pause = self.pause(key, error);
        let (namespace, name) = (&key.namespace, &key.name);
        tracing::warn!(
            kind,
            namespace,
            name,
            "{kind} {key}: {error}; again in {pause:?}"
        );
        Action::requeue(pause)
    }

    fn pause(&self, key: &ObjectKey, error: &ReconcileError) -> Duration {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.clone()).or_default();
        let pause = Duration::from_secs(1).saturating_mul(1 << (*count).min(10));
        *count += 1;
        let is_outage = matches!(error, ReconcileError::Call(error) if error.is_outage());
        pause.min(if is_outage {
            OUTAGE_PAUSE_MAX
        } else {
            PAUSE_MAX
        })
    }
}

#[cfg(test)]
mod tests;
