//! The ops port 8789: readiness, metrics and the configuration in force.
//!
//! It holds no secret and takes no command; it is not part of the public Service.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header::CONTENT_TYPE};
use serde::Serialize;

use crate::pipeline::state::App;

/// Content type of the `OpenMetrics` text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /config`: which configuration is in force, and what was refused since.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ConfigReport {
    /// SHA-256 of `gateway.json`.
    hash: String,
    /// RFC 3339.
    loaded_at: String,
    /// The last refusal, unless a later change was accepted.
    rejected: Option<RejectionReport>,
}

#[derive(Debug, Serialize)]
struct RejectionReport {
    /// RFC 3339.
    at: String,
    /// Which field or file, and why.
    reason: String,
}

/// The routes of the ops port.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/config", get(config))
        .with_state(app)
}

async fn readyz(State(app): State<Arc<App>>) -> Response {
    if app.worker_ended.is_cancelled() || app.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining").into_response();
    }
    if let Some(callers) = &app.callers
        && !callers.access.is_complete()
    {
        let message = "client keys are not read yet";
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    }
    "ok".into_response()
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    if let Some(callers) = &app.callers {
        let count = i64::try_from(callers.access.len()).unwrap_or(i64::MAX);
        app.metrics.client_keys.set(count);
    }
    match app.metrics.exposition() {
        Ok(text) => ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn config(State(app): State<Arc<App>>) -> Json<ConfigReport> {
    let status = app.config_status();
    Json(ConfigReport {
        hash: app.config.load().hash.clone(),
        loaded_at: status.loaded_at.to_string(),
        rejected: status.rejected.map(|rejection| RejectionReport {
            at: rejection.at.to_string(),
            reason: rejection.reason,
        }),
    })
}
