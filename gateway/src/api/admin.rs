//! `/admin`: for holders of the admin token, from inside the cluster or by the admin host.

use std::sync::Arc;

use anyray_wire::anyray::{
    admin::{Health, StoreHealth},
    credential::CredentialDigest,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, HOST},
};
use jiff::Timestamp;

use super::{admin_client_keys, admin_invites, answer::Refusal};
use crate::{api::admin_host::is_admin_host, pipeline::state::Worker};

/// Longest admin token that is looked at.
const MAX_TOKEN_BYTES: usize = 256;

/// Longest name of an object.
const MAX_NAME_BYTES: usize = 253;

pub(super) fn router(worker: &Arc<Worker>) -> Router<Arc<Worker>> {
    Router::new()
        .route("/admin/auth", get(async || Json(Authorized { ok: true })))
        .route("/admin/health", get(health))
        .merge(admin_invites::router())
        .merge(admin_client_keys::router())
        .route("/admin", get(unknown))
        .route("/admin/{*path}", axum::routing::any(unknown))
        .layer(middleware::from_fn_with_state(Arc::clone(worker), guard))
}

/// `GET /admin/auth`.
#[derive(serde::Serialize)]
struct Authorized {
    ok: bool,
}

async fn unknown() -> Refusal {
    Refusal::not_found("path")
}

/// Lets through who may use the admin API, writes down what they did, and keeps answers out of
/// caches.
async fn guard(State(worker): State<Arc<Worker>>, request: Request, next: Next) -> Response {
    if let Err(refusal) = authorize(&worker, request.headers()) {
        if refusal.status == StatusCode::UNAUTHORIZED {
            worker.app.metrics.failure(refusal.code);
        }
        return refusal.into_response();
    }
    let (method, path) = (request.method().clone(), told_path(request.uri().path()));
    let mut response = next.run(request).await;
    tracing::info!(
        audit = true,
        http.method = %method,
        http.path = path,
        http.status = response.status().as_u16(),
        "admin: {method} {path}"
    );
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The path as logs may have it: of a segment that is no name of an object only the place, because
/// a key, a code or an address may stand there by mistake.
fn told_path(path: &str) -> String {
    let is_name = |segment: &str| {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        segment.len() <= MAX_NAME_BYTES && segment.bytes().all(is_plain)
    };
    let told = path.split('/');
    let told = told.map(|segment| if is_name(segment) { segment } else { "..." });
    told.collect::<Vec<_>>().join("/")
}

pub(super) fn authorize(worker: &Worker, headers: &HeaderMap) -> Result<(), Refusal> {
    let app = &worker.app;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let config = app.config.load();
    let is_here = config
        .admin
        .as_ref()
        .is_some_and(|admin| is_admin_host(host, admin.host.as_deref()));
    if !is_here {
        return Err(Refusal::not_found("path"));
    }
    let value = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let token = token.map(|(_, token)| token.trim());
    let token = token.filter(|token| token.len() <= MAX_TOKEN_BYTES);
    let is_admin =
        token.is_some_and(|token| app.is_admin(&CredentialDigest::of(token), Timestamp::now()));
    if is_admin {
        return Ok(());
    }
    let wait = app.admin_failures.check();
    if wait.is_err() {
        let message = "too many requests without a valid admin token: try again shortly";
        return Err(Refusal::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_failures",
            message,
        ));
    }
    let message = "this path needs the admin token: authorization: Bearer TOKEN";
    Err(Refusal::new(
        StatusCode::UNAUTHORIZED,
        "admin_token_invalid",
        message,
    ))
}

/// `GET /admin/health`.
async fn health(State(worker): State<Arc<Worker>>) -> Response {
    let app = &worker.app;
    let store = match &app.callers {
        None => StoreHealth {
            kind: "none".to_owned(),
            ok: true,
            client_keys: 0,
        },
        Some(callers) => StoreHealth {
            kind: callers.store.kind().to_owned(),
            ok: callers.access.is_complete() && callers.check().await.is_ok(),
            client_keys: callers.access.len(),
        },
    };
    let health = Health {
        ok: store.ok && !app.is_draining(),
        store,
        config_hash: app.config.load().hash.clone(),
    };
    let status = if health.ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_tell_names_of_objects_and_nothing_else_of_a_path() {
        for (path, expected) in [
            ("/admin/client-keys", "/admin/client-keys"),
            (
                "/admin/client-keys/ck-0123456789ab",
                "/admin/client-keys/ck-0123456789ab",
            ),
            (
                "/admin/client-keys/ark_0123456789ab_x",
                "/admin/client-keys/...",
            ),
            ("/admin/invites/ari_x", "/admin/invites/..."),
            ("/admin/invites/ada@example.test", "/admin/invites/..."),
            ("/admin/invites/ari%5Fx", "/admin/invites/..."),
            ("/admin/Ada/", "/admin/.../"),
        ] {
            assert_eq!(told_path(path), expected);
        }
    }
}
