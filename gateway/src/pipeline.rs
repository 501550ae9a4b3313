//! A request's way through the gateway, as a list of steps.

use std::sync::Arc;

use anyray_wire::{
    anyray::headers::{self, PROVIDER},
    error as wire_error,
};
use axum::body::Body;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{
        ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, RETRY_AFTER, TRANSFER_ENCODING,
        UPGRADE,
    },
    request::Parts,
};
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::time::{sleep_until, timeout};

use crate::{
    auth::{self, CallerCredential},
    body::{self, Bounds, Fault, Received, UpstreamBody},
    callers,
    config::{Snapshot, snapshot::ProviderKey},
    error::GatewayError,
    headers::clean_response,
    identity::Identity,
    inbound::{self, Inbound, Operation},
    outbound, passthrough,
    provider::{self, Provider},
    record::{Outcome, Record},
    routing::{self, Target, Wish},
    state::{Held, Worker},
    stream::{Relay, is_event_stream},
    upstream::SendError,
};

/// Serves one request, whatever becomes of it.
///
/// # Cancel safety
/// Dropping the future cancels the upstream request; the record notes that the caller has left.
pub async fn serve(worker: Arc<Worker>, request: Request<Body>) -> Response<Body> {
    let mut record = Record::open(&worker);
    let config = worker.app.config.load_full();
    let (parts, mut body) = request.into_parts();
    let awaits_continue = parts.headers.contains_key(EXPECT);
    match exchange_in_time(&mut record, &config, parts, &mut body).await {
        Ok(answer) => relay(answer, record, &config),
        Err(error) => {
            if !awaits_continue {
                body::discard(body);
            }
            refuse(error, record)
        }
    }
}

/// The exchange, unless the time for it or for the process is up.
async fn exchange_in_time(
    record: &mut Record,
    config: &Snapshot,
    parts: Parts,
    body: &mut Body,
) -> Result<Response<Incoming>, GatewayError> {
    let app = Arc::clone(&record.worker().app);
    let total = config.timeouts.total;
    let deadline = total.map(|limit| (record.deadline(limit), limit));
    let overtime = async {
        match deadline {
            Some((deadline, limit)) => {
                sleep_until(deadline).await;
                GatewayError::TotalTimeout { limit }
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        exchanged = exchange(record, config, parts, body) => exchanged,
        error = overtime => Err(error),
        () = app.drain.cutoff.cancelled() => Err(GatewayError::Draining),
    }
}

/// From the caller's request to the head of the provider's answer.
async fn exchange(
    record: &mut Record,
    config: &Snapshot,
    parts: Parts,
    body: &mut Body,
) -> Result<Response<Incoming>, GatewayError> {
    let inbound = identify(record, config, &parts)?;
    let app = Arc::clone(&record.worker().app);
    record.admission = Some(app.admit()?);
    let own = authenticate(record, config, &parts).await?;
    let provider = wanted_provider(&parts.headers)?;
    let own_way = passthrough::read(&parts.headers, own.as_ref(), config)?;
    let held = Held::new(&app.buffered_bytes);
    let received = body::receive(&parts.headers, body, bounds(config), held).await?;
    let Received { mut body, fault } = received;
    find_model(record, &inbound, &parts, &mut body)?;
    let wish = Wish {
        provider,
        model: record.model.as_deref(),
        credential: own,
        own_way,
    };
    let target = routing::plan(&inbound, wish, config)?;
    check_provider(record, &target)?;
    record.key = Some(Arc::clone(&target.key));
    let request = outbound::build(parts, &inbound, &target, body)?;
    send(record, config, &target.key, request, fault).await
}

/// Finds out who calls and takes a place for it; returns the caller's own credential, if any.
async fn authenticate(
    record: &mut Record,
    config: &Snapshot,
    parts: &Parts,
) -> Result<Option<CallerCredential>, GatewayError> {
    if auth::is_in_url(&parts.uri) {
        return Err(GatewayError::KeyInUrl);
    }
    let app = Arc::clone(&record.worker().app);
    let (grant, own) = match &app.callers {
        Some(callers) => {
            let mut presented = auth::read(&parts.headers)?;
            (callers.authenticate(&mut presented).await?, presented.own)
        }
        None => (None, auth::read_without_ours(&parts.headers)?.own),
    };
    // Noted first, so that a request beyond its key's limits is logged as that key's.
    record.identity = Identity::resolve(grant.as_deref(), &parts.headers);
    record.caller.clone_from(&grant);
    match &grant {
        Some(grant) => record.slot = grant.admit(Timestamp::now().as_second())?,
        None => callers::admit_stranger(config.client_keys)?,
    }
    Ok(own)
}

/// Reads the model that is asked for; a key that is limited to some may ask for those only.
fn find_model(
    record: &mut Record,
    inbound: &Inbound,
    parts: &Parts,
    body: &mut UpstreamBody,
) -> Result<(), GatewayError> {
    let limited = record.caller.as_ref().filter(|grant| grant.limits_models());
    match limited {
        None if inbound.operation.has_model() => record.model = body.find_model(),
        None => {}
        Some(grant) if inbound.operation.has_model() => {
            let model = body.require_single_model(&parts.headers)?;
            let is_allowed = grant.allows_model(&model);
            record.model = Some(model);
            if !is_allowed {
                return Err(GatewayError::ModelNotAllowed);
            }
        }
        // What such a path does with which model cannot be told.
        Some(_) if inbound.operation == Operation::Passthrough => {
            return Err(GatewayError::ModelNotAllowed);
        }
        Some(_) => {}
    }
    Ok(())
}

fn check_provider(record: &Record, target: &Target) -> Result<(), GatewayError> {
    let provider = target.key.provider.slug();
    let grant = record.caller.as_ref();
    if grant.is_none_or(|grant| grant.allows_provider(provider)) {
        return Ok(());
    }
    Err(GatewayError::ProviderNotAllowed { provider })
}

/// Reads what the request is, and notes it.
fn identify(
    record: &mut Record,
    config: &Snapshot,
    parts: &Parts,
) -> Result<Inbound, GatewayError> {
    match inbound::read(parts, &config.passthrough_paths) {
        Ok(inbound) => {
            record.operation = Some(inbound.operation);
            record.dialect = inbound.dialect;
            Ok(inbound)
        }
        Err(error) => {
            record.dialect = inbound::error_dialect(parts);
            Err(error)
        }
    }
}

/// The provider that `x-anyray-provider` names.
fn wanted_provider(headers: &HeaderMap) -> Result<Option<&'static dyn Provider>, GatewayError> {
    let find = |slug: &HeaderValue| slug.to_str().ok().and_then(provider::find);
    let found = headers
        .get(PROVIDER)
        .map(|slug| find(slug).ok_or(GatewayError::UnknownProvider));
    found.transpose()
}

fn bounds(config: &Snapshot) -> Bounds {
    Bounds {
        max_bytes: config.limits.max_body_bytes,
        max_buffered_bytes: config.limits.max_buffered_bytes,
        idle: config.timeouts.request_body,
    }
}

/// Sends the request and waits for the head of the answer, within every limit.
async fn send(
    record: &Record,
    config: &Snapshot,
    key: &Arc<ProviderKey>,
    request: Request<body::UpstreamBody>,
    fault: Option<Fault>,
) -> Result<Response<Incoming>, GatewayError> {
    let worker = Arc::clone(record.worker());
    let provider = key.provider.slug();
    let limit = config.timeouts.first_byte;
    let sending = worker.upstreams.send(&key.transport, request);
    let sent = timeout(limit, sending).await;
    let sent = sent.map_err(|_| GatewayError::FirstByteTimeout { provider, limit })?;
    let answer = sent.map_err(|error| match fault.as_ref().and_then(|fault| fault.get()) {
        Some(fault) => fault.clone(),
        None => send_error(&error, key),
    })?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(GatewayError::InvalidAnswer { provider });
    }
    Ok(answer)
}

fn send_error(error: &SendError, key: &ProviderKey) -> GatewayError {
    let provider = key.provider.slug();
    match error {
        SendError::ConnectTimeout => GatewayError::ConnectTimeout {
            provider,
            limit: key.transport.connect_timeout,
        },
        SendError::EgressDenied => GatewayError::EgressRefused { provider },
        SendError::Connect => GatewayError::Unreachable { provider },
        SendError::Exchange => GatewayError::InvalidAnswer { provider },
    }
}

/// The provider's answer, passed on as it comes.
fn relay(answer: Response<Incoming>, mut record: Record, config: &Snapshot) -> Response<Body> {
    let (upstream, body) = answer.into_parts();
    record.status = Some(upstream.status);
    record.first_byte = Some(record.elapsed());
    let mut headers = upstream.headers;
    if headers.contains_key(TRANSFER_ENCODING) {
        // Chunks say where the body ends, whatever length was declared beside them.
        headers.remove(CONTENT_LENGTH);
    }
    clean_response(&mut headers);
    let is_stream = is_event_stream(&headers);
    if is_stream {
        headers.remove(CONTENT_LENGTH);
    }
    finish_head(&mut headers, &record);
    let relay = Relay::new(body, is_stream, record, config.timeouts);
    let mut response = Response::new(Body::new(relay));
    *response.status_mut() = upstream.status;
    *response.headers_mut() = headers;
    response
}

/// The gateway's own answer to a request that it does not serve.
fn refuse(error: GatewayError, mut record: Record) -> Response<Body> {
    let status = error.status();
    record.status = Some(status);
    if status.is_server_error() {
        tracing::warn!(
            request.id = record.id(),
            reason = error.code(),
            "refused a request: {error}"
        );
    }
    let dialect = record.dialect;
    let body = error.describe(record.id(), |detail| wire_error::body(dialect, detail));
    record.response_bytes = body.len() as u64;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
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

/// What every answer carries: ids of the request, and on the way out the end of the connection.
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
