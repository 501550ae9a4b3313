//! `POST /connect/redeem`: an invite's code becomes a client key.

use std::sync::Arc;

use anyray_wire::anyray::{
    connect::{RedeemRequest, RedeemResponse},
    credential::{CredentialDigest, INVITE_CODE_PREFIX, check_invite_code},
    secret::Secret,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL},
};
use secrecy::ExposeSecret as _;

use super::answer::{self, Refusal};
use crate::{state::Worker, store::redeem::RedeemError};

pub(super) fn router() -> Router<Arc<Worker>> {
    Router::new().route("/connect/redeem", post(redeem))
}

async fn redeem(
    State(worker): State<Arc<Worker>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Refusal> {
    let outcome = exchange(&worker, &headers, request).await;
    let code = outcome
        .as_ref()
        .map_or_else(|refusal| refusal.code, |_| "ok");
    worker.app.metrics.redemption(code);
    let redeemed = outcome?;
    tracing::info!(client_key.id = redeemed.key_id, "redeemed an invite");
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((no_store, Json(redeemed)).into_response())
}

async fn exchange(
    worker: &Worker,
    headers: &HeaderMap,
    request: Request,
) -> Result<RedeemResponse, Refusal> {
    let callers = worker.app.callers.as_ref().ok_or_else(Refusal::no_store)?;
    let _place = worker
        .app
        .admit()
        .map_err(|error| Refusal::new(error.status(), error.code(), error.to_string()))?;
    let body = answer::body(request).await?;
    let code = find_code(headers, &body)?;
    check_invite_code(&code.0).map_err(|fault| {
        let message = format!("the invite {fault}; copy it whole");
        Refusal::new(StatusCode::BAD_REQUEST, "invite_invalid", message)
    })?;
    let redeemed = callers.redeem(CredentialDigest::of(&code.0)).await;
    if let Err(RedeemError::Refused(why)) = &redeemed {
        tracing::error!("cannot store a key: {why}");
    }
    let redeemed = redeemed?;
    let spec = redeemed.object.spec;
    Ok(RedeemResponse {
        key: Secret(redeemed.key.expose_secret().to_owned()),
        key_id: spec.key.map(|key| key.id).unwrap_or_default(),
        user: spec.user,
        team: spec.team,
        expires_at: spec.expires_at.map(|end| end.0.to_string()),
    })
}

/// The code in the body, or in the authorization header of a request without one.
fn find_code(headers: &HeaderMap, body: &[u8]) -> Result<Secret, Refusal> {
    if !body.is_empty() {
        let request: RedeemRequest = serde_json::from_slice(body).map_err(|_| {
            Refusal::invalid(r#"the body must be JSON such as {"token": "ari_..."}"#)
        })?;
        return Ok(request.token);
    }
    let value = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let code = value
        .and_then(|value| value.split_ascii_whitespace().last())
        .filter(|word| word.starts_with(INVITE_CODE_PREFIX));
    code.map(|code| Secret(code.to_owned())).ok_or_else(|| {
        Refusal::invalid(r#"the request names no invite: send {"token": "ari_..."}"#)
    })
}
