//! `POST /connect/redeem`: an invite's code becomes a client key. `GET /connect/verify`: is it good?

use std::sync::Arc;

use anyray_wire::anyray::{
    connect::{RedeemRequest, RedeemResponse, VerifiedKey, VerifyResponse},
    credential::{CredentialDigest, INVITE_CODE_PREFIX, check_invite_code},
    secret::Secret,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL},
};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use super::answer::{self, Refusal};
use crate::{
    access::{callers, grant::Grant, store::redeem::RedeemError},
    inbound::auth,
    pipeline::state::Worker,
};

pub(super) fn router() -> Router<Arc<Worker>> {
    Router::new()
        .route("/connect/redeem", post(redeem))
        .route("/connect/verify", get(verify))
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
    let _permit = worker.app.admit(&worker.app.config.load().limits)?;
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

/// Lets a caller in as inference does, and says as whom.
async fn verify(
    State(worker): State<Arc<Worker>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let config = worker.app.config.load_full();
    let _permit = worker.app.admit(&config.limits)?;
    let grant = match &worker.app.callers {
        Some(callers) => callers.authenticate(&mut auth::read(&headers)?).await?,
        None => None,
    };
    if grant.is_none() {
        callers::admit_stranger(config.client_keys)?;
    }
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let answer = VerifyResponse {
        client_keys: config.client_keys,
        subscription_passthrough: config.subscription_passthrough,
        key: grant.as_deref().map(describe),
    };
    Ok((no_store, Json(answer)).into_response())
}

/// What a key says to its holder.
fn describe(grant: &Grant) -> VerifiedKey {
    let facts = &grant.facts;
    let end = facts
        .expires_at
        .and_then(|end| Timestamp::from_second(end).ok());
    let texts = |list: &[Box<str>]| list.iter().map(|text| text.to_string()).collect();
    let permissions = facts.permissions.as_deref();
    VerifiedKey {
        id: facts.id.map(|id| id.as_str().to_owned()),
        user: facts.user.to_string(),
        team: facts.team.as_deref().map(str::to_owned),
        expires_at: end.map(|end| end.to_string()),
        models: permissions.map(|it| texts(&it.models)).unwrap_or_default(),
        providers: permissions
            .map(|it| texts(&it.providers))
            .unwrap_or_default(),
    }
}
