//! The ops port: liveness, readiness and metrics. It holds no secret and takes no command.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use anyray_crds::conditions::ConditionType;
use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header::CONTENT_TYPE};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tokio::sync::Notify;

use crate::cluster::{conditions, metrics::Metrics, scope::Stores};

/// Content type of the `OpenMetrics` text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the ops port tells.
#[derive(Debug, Default)]
pub struct Health {
    /// What the watches of each scope know, once they know all of it.
    scopes: Mutex<Vec<Stores>>,
    added: Notify,
    /// All scopes have listed what there is.
    is_ready: AtomicBool,
    /// A watch no longer follows the cluster, and only a new process will.
    is_wedged: AtomicBool,
    /// What is counted.
    pub metrics: Metrics,
}

impl Health {
    /// A scope is known whole.
    pub fn add_scope(&self, stores: Stores) {
        self.scopes().push(stores);
        self.added.notify_one();
    }

    /// Waits until so many scopes are known whole; then the operator is ready.
    pub async fn wait_for_scopes(&self, count: usize) {
        loop {
            let added = self.added.notified();
            if self.scopes().len() >= count {
                self.is_ready.store(true, Ordering::Relaxed);
                return;
            }
            added.await;
        }
    }

    fn scopes(&self) -> MutexGuard<'_, Vec<Stores>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A watch no longer follows the cluster.
    pub fn set_wedged(&self) {
        self.is_wedged.store(true, Ordering::Relaxed);
    }

    fn count_objects(&self) {
        let scopes = self.scopes();
        let gateways = scopes.iter().flat_map(|stores| stores.gateways.state());
        let gateways = gateways.map(|gateway| {
            let status = gateway.0.as_ref().ok().and_then(|it| it.status.clone());
            status.unwrap_or_default().conditions
        });
        self.metrics.count_objects("AnyrayGateway", count(gateways));
        let keys = scopes.iter();
        let keys = keys.flat_map(|stores| stores.provider_keys.state());
        let keys = keys.map(|key| {
            let status = key.0.as_ref().ok().and_then(|it| it.status.clone());
            status.unwrap_or_default().conditions
        });
        self.metrics.count_objects("ProviderKey", count(keys));
        let invites = scopes.iter().flat_map(|stores| stores.invites.state());
        let invites = invites.map(|invite| {
            let status = invite.0.as_ref().ok().and_then(|it| it.status.clone());
            status.unwrap_or_default().conditions
        });
        self.metrics.count_objects("Invite", count(invites));
        let clients = scopes.iter().flat_map(|stores| stores.client_keys.state());
        let clients = clients.map(|key| {
            let status = key.0.as_ref().ok().and_then(|it| it.status.clone());
            status.unwrap_or_default().conditions
        });
        self.metrics.count_objects("ClientKey", count(clients));
    }
}

fn count(statuses: impl Iterator<Item = Vec<Condition>>) -> [(&'static str, i64); 3] {
    let mut counts = [("True", 0), ("False", 0), ("Unknown", 0)];
    for conditions in statuses {
        let ready = conditions::find(&conditions, ConditionType::Ready);
        let ready = ready.map_or("Unknown", |ready| ready.status.as_str());
        if let Some((_, count)) = counts.iter_mut().find(|(status, _)| *status == ready) {
            *count += 1;
        }
    }
    counts
}

/// The routes of the ops port.
pub fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn livez(State(health): State<Arc<Health>>) -> Response {
    if health.is_wedged.load(Ordering::Relaxed) {
        let message = "a watch no longer follows the cluster; the log says which";
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    }
    "ok".into_response()
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    if !health.is_ready.load(Ordering::Relaxed) {
        let message = "the watches have not listed everything yet; the log says why";
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    }
    "ok".into_response()
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    health.count_objects();
    match health.metrics.exposition() {
        Some(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
