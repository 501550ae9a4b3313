//! What Bedrock's control plane is asked before the first request: Claude Code looks for inference
//! profiles, without any credential. It falls back to the model that it was given.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListInferenceProfiles.html>.

use std::sync::Arc;

use axum::{
    Json, Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderName, StatusCode};
use serde_json::json;

use crate::pipeline::state::Worker;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

pub(super) fn router() -> Router<Arc<Worker>> {
    Router::new()
        .route("/inference-profiles", get(list))
        .route("/inference-profiles/{*id}", get(find))
}

async fn list() -> Response {
    Json(json!({ "inferenceProfileSummaries": [] })).into_response()
}

async fn find() -> Response {
    let message = "this gateway lists no inference profiles; ask for the model by its name";
    (
        StatusCode::NOT_FOUND,
        [(ERROR_TYPE, "ResourceNotFoundException")],
        Json(json!({ "message": message })),
    )
        .into_response()
}
