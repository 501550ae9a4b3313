//! The answer on its way to the caller: the provider's, one that was rewritten, or a refusal.

use anyray_wire::{anyray::headers, error as wire_error, usage::TokenUsage};
use axum::body::Body;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response,
    header::{
        ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, RETRY_AFTER,
        TRANSFER_ENCODING, UPGRADE,
    },
};
use hyper::body::Incoming;

use super::{
    record::{Outcome, Record},
    stream::{Format, Relay},
};
use crate::{error::GatewayError, outbound::headers::clean_response};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A provider's answer, its head read.
pub(super) enum Answer {
    /// To be passed on as it comes.
    Relayed(Response<Incoming>, Format),
    /// Of the gateway's making: a translated refusal, a list of models.
    Rewritten(Response<Bytes>),
}

impl Answer {
    /// An answer in JSON that no provider was asked for.
    pub(super) fn of_json(text: String) -> Self {
        let mut answer = Response::new(text.into());
        answer.headers_mut().insert(CONTENT_TYPE, JSON);
        Self::Rewritten(answer)
    }

    /// The response to the caller. `record` ends with its body.
    pub(super) fn send(self, record: Record) -> Response<Body> {
        match self {
            Self::Relayed(answer, format) => relay(answer, format, record),
            Self::Rewritten(answer) => send_rewritten(answer, record),
        }
    }
}

/// Makes headers describe JSON that replaces the body that they came with.
pub(super) fn describe_json(headers: &mut HeaderMap) {
    for name in [CONTENT_ENCODING, CONTENT_LENGTH, ETAG] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, JSON);
}

/// The provider's answer, passed on as it comes.
fn relay(answer: Response<Incoming>, format: Format, mut record: Record) -> Response<Body> {
    let (upstream, body) = answer.into_parts();
    record.begin_answer(upstream.status);
    record.note_first_byte();
    let mut headers = upstream.headers;
    let dialect = record.dialect();
    record.set_usage(TokenUsage::default().updated_by_headers(dialect, &headers));
    if headers.contains_key(TRANSFER_ENCODING) {
        // Chunks say where the body ends, whatever length was declared beside them.
        headers.remove(CONTENT_LENGTH);
    }
    clean_response(&mut headers);
    format.amend(&mut headers);
    finish_head(&mut headers, &record);
    let relay = Relay::new(body, format, upstream.status, record);
    let mut response = Response::new(Body::new(relay));
    *response.status_mut() = upstream.status;
    *response.headers_mut() = headers;
    response
}

/// An answer whose body is the gateway's own.
fn send_rewritten(answer: Response<Bytes>, mut record: Record) -> Response<Body> {
    let (upstream, body) = answer.into_parts();
    record.begin_answer(upstream.status);
    if record.has_provider() {
        record.note_first_byte();
    }
    record.add_response_bytes(body.len());
    let mut headers = upstream.headers;
    clean_response(&mut headers);
    finish_head(&mut headers, &record);
    record.set_outcome(Outcome::Answered);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = upstream.status;
    *response.headers_mut() = headers;
    response
}

/// The gateway's own answer to a request that it does not serve.
pub(super) fn refuse(error: GatewayError, mut record: Record) -> Response<Body> {
    let status = error.status();
    record.begin_answer(status);
    if status.is_server_error() {
        tracing::warn!(
            request.id = record.id(),
            reason = error.code(),
            "refused a request: {error}"
        );
    }
    let dialect = record.dialect();
    let body = error.describe(record.id(), |detail| wire_error::body(dialect, detail));
    record.add_response_bytes(body.len());
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    if let Some((name, class)) = wire_error::class_header(dialect, status.as_u16()) {
        headers.insert(name, HeaderValue::from_static(class));
    }
    if !error.is_retryable() {
        headers.insert(headers::SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    if let Some(seconds) = error.retry_after() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    match error {
        GatewayError::MethodNotAllowed { allow } => {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        GatewayError::WebSocket => {
            headers.insert(UPGRADE, HeaderValue::from_static("HTTP/1.1"));
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        _ => {}
    }
    finish_head(headers, &record);
    record.set_outcome(Outcome::Failed(error));
    response
}

/// What every answer carries: ids of the request, and during a shutdown the end of the connection.
fn finish_head(headers: &mut HeaderMap, record: &Record) {
    let id = record.id_header();
    for name in [headers::ANTHROPIC_REQUEST_ID, headers::OPENAI_REQUEST_ID] {
        headers.entry(name).or_insert_with(|| id.clone());
    }
    headers.insert(headers::REQUEST_ID, id);
    if record.worker().app.is_draining() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}
