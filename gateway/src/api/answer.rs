//! What the admin and connect API answer where they do not do as asked.

use std::time::Duration;

use anyray_wire::openai::error::{Detail, Envelope};
use axum::{
    Json,
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, RETRY_AFTER},
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{
    access::store::{StoreError, redeem::RedeemError},
    config::strict_json::{self, Fault},
    error::GatewayError,
};

/// Largest body of these routes, in bytes.
const MAX_BODY_BYTES: usize = 64 << 10;

/// Time for such a body to arrive: nobody may hold a connection open by sending none of it.
const BODY_LIMIT: Duration = Duration::from_secs(30);

/// A refusal, in the shape of `OpenAI`'s errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(super) fn not_found(what: &str) -> Self {
        let message = format!("there is no such {what} of this gateway");
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// What a gateway answers that keeps no client keys.
    pub(super) fn no_store() -> Self {
        let message = "this gateway keeps no client keys: start it with --client-keys-dir or --kubernetes-gateway";
        Self::new(StatusCode::NOT_FOUND, "no_store", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let envelope = Envelope {
            error: Detail {
                message: &self.message,
                kind: self.code,
                param: None,
                code: self.code,
            },
        };
        let mut response = (self.status, Json(envelope)).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(
            self.status,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS
        ) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        }
        response
    }
}

impl From<GatewayError> for Refusal {
    fn from(error: GatewayError) -> Self {
        Self::new(error.status(), error.code(), error.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let (status, code) = match &error {
            StoreError::Conflict => (StatusCode::CONFLICT, "conflict"),
            StoreError::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            StoreError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "refused_by_store"),
            StoreError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<RedeemError> for Refusal {
    fn from(error: RedeemError) -> Self {
        let (status, code) = match &error {
            RedeemError::Unknown => (StatusCode::NOT_FOUND, "invite_not_found"),
            RedeemError::Redeemed => (StatusCode::GONE, "invite_already_redeemed"),
            RedeemError::Expired => (StatusCode::GONE, "invite_expired"),
            RedeemError::Revoked => (StatusCode::GONE, "invite_revoked"),
            RedeemError::Busy => (StatusCode::TOO_MANY_REQUESTS, "too_many_unknown_invites"),
            RedeemError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            RedeemError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "refused_by_store"),
        };
        Self::new(status, code, error.to_string())
    }
}

/// The whole body of a request, within bounds.
pub(super) async fn body(request: Request) -> Result<Bytes, Refusal> {
    let received = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES);
    let received = timeout(BODY_LIMIT, received).await.map_err(|_| {
        let message = "the body did not arrive in time; send it again";
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", message)
    })?;
    received.map_err(|_| {
        let message = format!("the body must have at most {MAX_BODY_BYTES} bytes");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    })
}

/// A JSON body, read strictly; the fault names the field and quotes nothing.
pub(super) struct Strict<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Strict<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let body = body(request).await?;
        let parsed = strict_json::parse(&body).map_err(|Fault { field, message }| {
            if field == "." {
                Refusal::invalid(format!("the body is not acceptable: {message}"))
            } else {
                Refusal::invalid(format!("field {field}: {message}"))
            }
        })?;
        Ok(Self(parsed))
    }
}
