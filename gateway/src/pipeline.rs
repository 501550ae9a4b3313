//! A request's way through the gateway, as a list of steps.

use std::{sync::Arc, time::SystemTime};

use anyray_providers::{self as providers, Carriage, Operation, Provider};
use anyray_wire::{
    anthropic::foreign_error,
    anyray::headers::{self, PROVIDER},
    error as wire_error,
    usage::TokenUsage,
};
use axum::body::Body;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, EXPECT,
        RETRY_AFTER, TRANSFER_ENCODING, UPGRADE,
    },
    request::Parts,
};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::time::{sleep_until, timeout};

use crate::{
    access::{callers, identity::Identity},
    body::{self, Bounds, Fault, Received, UpstreamBody},
    config::{Snapshot, credential::Credential, snapshot::ProviderKey},
    error::GatewayError,
    inbound::{
        self, Inbound,
        auth::{self, CallerCredential},
        passthrough,
    },
    outbound::{
        credential,
        headers::clean_response,
        hops,
        request::{self, Model, Payload},
        upstream::SendError,
    },
    pipeline::{
        models::View,
        record::{Outcome, Record},
        state::Worker,
        stream::{Format, Relay},
    },
    routing::{self, Target, Wish},
};

pub mod meter;
pub mod models;
pub mod record;
pub mod state;
pub mod stream;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Largest error of a provider that is put into another shape.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// Largest list of models that is held against what the caller may use.
const MAX_LIST_BYTES: usize = 4 << 20;

/// A provider's answer, its head read.
enum Answer {
    /// To be passed on as it comes.
    Relayed(Response<Incoming>, Format),
    /// Made anew: a refusal in the shape of the caller's API, a list of models.
    Rewritten(Response<Bytes>),
}

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
        Ok(Answer::Relayed(answer, format)) => relay(answer, format, record, &config),
        Ok(Answer::Rewritten(answer)) => send_rewritten(answer, record),
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
) -> Result<Answer, GatewayError> {
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
) -> Result<Answer, GatewayError> {
    let inbound = identify(record, config, &parts)?;
    let app = Arc::clone(&record.worker().app);
    record.admission = Some(app.admit()?);
    let own = authenticate(record, config, &parts).await?;
    let provider = wanted_provider(&parts.headers)?;
    let own_way = passthrough::read(&parts.headers, own.as_ref(), config)?;
    let budget = app.body_budget();
    let received = body::receive(&parts.headers, body, bounds(config), &budget).await?;
    let Received { mut body, fault } = received;
    find_model(record, &inbound, &parts, &mut body)?;
    let grant = record.caller.clone();
    let view = View::of(&parts.uri, &inbound, provider, grant.as_deref(), config);
    let view = view.filter(|_| own_way.is_none());
    let wish = Wish {
        provider,
        model: view.as_ref().map(View::model).or(record.model.as_deref()),
        credential: own,
        own_way,
    };
    let planned = routing::plan(&inbound, wish, config);
    let planned = planned.and_then(|target| check_provider(record, target));
    if let Some(view) = &view
        && let Some(text) = view.answer_alone(planned.is_ok())?
    {
        return Ok(Answer::Rewritten(json_answer(text)));
    }
    let target = planned?;
    record.key = Some(Arc::clone(&target.key));
    let payload = fit(record, &inbound, &target, &parts.headers, body).await?;
    let is_stream = payload.is_stream;
    let mut request = prepare(record, parts, &inbound, &target, payload)?;
    credential::authorize(&mut request, &target, &app.tokens, SystemTime::now()).await?;
    let answer = send(record, config, &target.key, request, fault).await?;
    match view.filter(|view| answer.status().is_success() && view.rewrites(&target)) {
        Some(view) => rewrite_list(&view, config, &target, answer).await,
        None => receive(record, config, &target, is_stream, answer).await,
    }
}

/// Puts a provider's list of models into what the caller may see of it.
async fn rewrite_list(
    view: &View<'_>,
    config: &Snapshot,
    target: &Target,
    answer: Response<Incoming>,
) -> Result<Answer, GatewayError> {
    let provider = target.key.provider.slug();
    let (mut head, body) = answer.into_parts();
    let listed = collect(body, MAX_LIST_BYTES, provider, config).await?;
    let list = view.list(Some(&listed));
    let list = list.ok_or(GatewayError::InvalidAnswer { provider })?;
    describe_json(&mut head.headers);
    Ok(Answer::Rewritten(Response::from_parts(head, list.into())))
}

/// Makes headers say what a body is that was put in another's place.
fn describe_json(headers: &mut HeaderMap) {
    for name in [CONTENT_ENCODING, CONTENT_LENGTH, ETAG] {
        headers.remove(name);
    }
    headers.insert(CONTENT_TYPE, JSON);
}

/// An answer that no provider was asked for.
fn json_answer(text: String) -> Response<Bytes> {
    let mut answer = Response::new(text.into());
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// Takes in all of a small answer.
async fn collect(
    body: Incoming,
    max_bytes: usize,
    provider: &'static str,
    config: &Snapshot,
) -> Result<Bytes, GatewayError> {
    let limit = config.timeouts.idle;
    let body = timeout(limit, Limited::new(body, max_bytes).collect()).await;
    let body = body.map_err(|_| GatewayError::StreamIdle { provider, limit })?;
    let body = body.map_err(|_| GatewayError::InvalidAnswer { provider })?;
    Ok(body.to_bytes())
}

/// Finds out in which form the answer is to reach the caller. `is_stream` where a body in another
/// envelope asked for one, of which nothing else can be passed on.
async fn receive(
    record: &Record,
    config: &Snapshot,
    target: &Target,
    is_stream: bool,
    answer: Response<Incoming>,
) -> Result<Answer, GatewayError> {
    let provider = target.key.provider.slug();
    let status = answer.status();
    if status == StatusCode::UNAUTHORIZED
        && let Some(Credential::Token(grant)) = &target.key.credential
    {
        let tokens = &record.worker().app.tokens;
        tokens.forget(grant, SystemTime::now());
    }
    let is_refusal = status.is_client_error() || status.is_server_error();
    if target.carriage == Carriage::AsIs || !is_refusal {
        let format = Format::of(answer.headers(), target.carriage);
        if is_stream && status.is_success() && format == Format::Document {
            return Err(GatewayError::InvalidAnswer { provider });
        }
        return Ok(Answer::Relayed(answer, format));
    }
    let (mut head, body) = answer.into_parts();
    let body = collect(body, MAX_ERROR_BYTES, provider, config).await?;
    let body = match foreign_error::translate(status.as_u16(), &body, record.id()) {
        Some(translated) => {
            describe_json(&mut head.headers);
            translated
        }
        None => body,
    };
    Ok(Answer::Rewritten(Response::from_parts(head, body)))
}

/// Makes the request that the provider gets, without a credential.
fn prepare(
    record: &Record,
    parts: Parts,
    inbound: &Inbound,
    target: &Target,
    payload: Payload,
) -> Result<Request<UpstreamBody>, GatewayError> {
    let model = Model::of(record.model.as_deref(), inbound, target);
    let mut request = request::build(parts, inbound, target, &model, payload)?;
    if target.key.provider.may_loop() {
        hops::note(request.headers_mut(), record.worker().app.id_prefix)?;
    }
    Ok(request)
}

/// Puts the body into the form that the provider takes. One that is to be changed or signed is
/// waited for; then a model that it names late is known, too.
async fn fit(
    record: &mut Record,
    inbound: &Inbound,
    target: &Target,
    headers: &HeaderMap,
    body: UpstreamBody,
) -> Result<Payload, GatewayError> {
    let model = Model::of(record.model.as_deref(), inbound, target);
    if !request::needs_whole_body(target, inbound, &model) {
        return Ok(Payload::as_is(body));
    }
    let budget = record.worker().app.body_budget();
    let whole = body.into_whole(&budget).await?;
    if record.model.is_none() {
        record.model = named_model(inbound, &whole.clone().into());
    }
    let model = Model::of(record.model.as_deref(), inbound, target);
    let payload = request::payload(target, &model, headers, whole, &budget)?;
    if payload.dropped_betas > 0 {
        tracing::debug!(
            request.id = record.id(),
            betas = payload.dropped_betas,
            "left betas out that the provider refuses"
        );
    }
    Ok(payload)
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
        None => record.model = named_model(inbound, body),
        Some(grant) if names_model(inbound, parts, body) => {
            let model = match &inbound.path_model {
                Some(model) => model.clone(),
                None => body.require_single_model(&parts.headers)?,
            };
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

/// Whether the request must name a model. Below `/responses/` some do, and what has no body cannot.
fn names_model(inbound: &Inbound, parts: &Parts, body: &UpstreamBody) -> bool {
    let is_stored = inbound.operation == Operation::StoredResponses;
    inbound.operation.has_model()
        || (is_stored && parts.method == Method::POST && !http_body::Body::is_end_stream(body))
}

/// The model that the path names, else the body's.
fn named_model(inbound: &Inbound, body: &UpstreamBody) -> Option<String> {
    match &inbound.path_model {
        Some(model) => Some(model.clone()),
        None if inbound.operation.has_model() => body.find_model(),
        None => None,
    }
}

fn check_provider(record: &Record, target: Target) -> Result<Target, GatewayError> {
    let provider = target.key.provider.slug();
    let grant = record.caller.as_ref();
    if grant.is_none_or(|grant| grant.allows_provider(provider)) {
        return Ok(target);
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
    let find = |slug: &HeaderValue| slug.to_str().ok().and_then(providers::find);
    let found = headers
        .get(PROVIDER)
        .map(|slug| find(slug).ok_or(GatewayError::UnknownProvider));
    found.transpose()
}

fn bounds(config: &Snapshot) -> Bounds {
    Bounds {
        max_bytes: config.limits.max_body_bytes,
        idle: config.timeouts.request_body,
    }
}

/// Sends the request and waits for the head of the answer, within every limit.
async fn send(
    record: &Record,
    config: &Snapshot,
    key: &Arc<ProviderKey>,
    request: Request<UpstreamBody>,
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
fn relay(
    answer: Response<Incoming>,
    format: Format,
    mut record: Record,
    config: &Snapshot,
) -> Response<Body> {
    let (upstream, body) = answer.into_parts();
    record.status = Some(upstream.status);
    record.first_byte = Some(record.elapsed());
    let mut headers = upstream.headers;
    record.usage = TokenUsage::default().updated_by_headers(record.dialect, &headers);
    if headers.contains_key(TRANSFER_ENCODING) {
        // Chunks say where the body ends, whatever length was declared beside them.
        headers.remove(CONTENT_LENGTH);
    }
    clean_response(&mut headers);
    format.amend(&mut headers);
    finish_head(&mut headers, &record);
    let relay = Relay::new(body, format, record, config.timeouts);
    let mut response = Response::new(Body::new(relay));
    *response.status_mut() = upstream.status;
    *response.headers_mut() = headers;
    response
}

/// An answer whose body is the gateway's own.
fn send_rewritten(answer: Response<Bytes>, mut record: Record) -> Response<Body> {
    let (upstream, body) = answer.into_parts();
    record.status = Some(upstream.status);
    record.first_byte = record.key.is_some().then(|| record.elapsed());
    record.response_bytes = body.len() as u64;
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
