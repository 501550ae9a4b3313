//! The front door on port 8787: probes that need no credential, the admin and connect API, and
//! everything else.

use std::sync::Arc;

use anyray_wire::anyray::headers::REQUEST_ID;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    middleware,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use http::{HeaderValue, StatusCode};

use crate::pipeline::{self, state::Worker};

mod admin;
mod admin_client_keys;
pub mod admin_host;
mod admin_invites;
mod answer;
mod connect;
mod inference_profiles;

/// The routes of one worker. The table of inference paths is in `inbound`.
pub fn router(worker: Arc<Worker>) -> Router {
    Router::new()
        .route("/", get(greet))
        .route("/livez", get(async || "ok"))
        .route("/api/hello", any(async || "ok"))
        .merge(inference_profiles::router())
        .merge(connect::router().merge(admin::router(&worker)).layer(
            middleware::map_response_with_state(Arc::clone(&worker), with_request_id),
        ))
        .fallback(infer)
        .with_state(worker)
}

/// `GET /` and `HEAD /`: clients probe it at start, load balancers while they run.
async fn greet(State(worker): State<Arc<Worker>>) -> Response {
    if worker.app.is_draining() {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            "Anyray AI Gateway is shutting down\n",
        )
            .into_response();
    }
    "Anyray AI Gateway\n".into_response()
}

/// Inference answers get theirs in `pipeline`.
async fn with_request_id(State(worker): State<Arc<Worker>>, mut response: Response) -> Response {
    if let Ok(id) = HeaderValue::from_str(&worker.app.next_request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

async fn infer(State(worker): State<Arc<Worker>>, request: Request) -> Response<Body> {
    pipeline::serve(worker, request).await
}

#[cfg(test)]
mod tests;
