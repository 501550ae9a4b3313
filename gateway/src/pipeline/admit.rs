//! Admission: who calls, what is asked for, and whether it may be.

use std::sync::Arc;

use anyray_providers::{self as providers, Operation, Provider};
use anyray_wire::anyray::headers::PROVIDER;
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Request, request::Parts};
use jiff::Timestamp;

use super::record::Record;
use crate::{
    access::{callers, grant::Grant, identity::Identity},
    body::{self, Bounds, Fault, Received, UpstreamBody},
    config::Snapshot,
    error::GatewayError,
    inbound::{
        self, Inbound,
        auth::{self, CallerCredential},
        passthrough::{self, Passthrough},
    },
    routing::{Plan, RouteRequest},
};

/// A request that was let in.
#[derive(Debug)]
pub(super) struct Admitted {
    /// Its head as received.
    pub(super) parts: Parts,
    /// What it asks for.
    pub(super) inbound: Inbound,
    /// The client key that it came with.
    pub(super) grant: Option<Arc<Grant>>,
    /// The caller's own credential for a provider.
    credential: Option<CallerCredential>,
    /// The provider that `x-anyray-provider` names.
    pub(super) provider: Option<&'static dyn Provider>,
    /// That the caller's own credential is to be used.
    pub(super) passthrough: Option<Passthrough>,
    /// The model that it names, where that is known.
    pub(super) model: Option<String>,
    /// Its body.
    pub(super) body: UpstreamBody,
    /// Set when a streamed body fails.
    pub(super) fault: Option<Fault>,
}

/// Lets a request in, or says why not.
pub(super) async fn admit(
    record: &mut Record,
    request: Request<&mut Body>,
) -> Result<Admitted, GatewayError> {
    let (parts, body) = request.into_parts();
    let config = Arc::clone(record.config());
    let app = Arc::clone(&record.worker().app);
    let inbound = identify(record, &config, &parts)?;
    record.hold(app.admit(&config.limits)?);
    let (grant, credential) = authenticate(record, &config, &parts).await?;
    let provider = named_provider(&parts.headers)?;
    let passthrough = passthrough::read(&parts.headers, credential.as_ref(), &config)?;
    let budget = app.body_budget(&config.limits);
    let received = body::receive(&parts.headers, body, bounds(&config), &budget).await?;
    let Received { mut body, fault } = received;
    let model = find_model(record, grant.as_deref(), &inbound, &parts, &mut body)?;
    Ok(Admitted {
        parts,
        inbound,
        grant,
        credential,
        provider,
        passthrough,
        model,
        body,
        fault,
    })
}

impl Admitted {
    /// What decides on the route besides the path.
    pub(super) fn route_request(&self) -> RouteRequest<'_> {
        RouteRequest {
            provider: self.provider,
            model: self.model.as_deref(),
            credential: self.credential.as_ref(),
            passthrough: self.passthrough.as_ref(),
        }
    }

    /// Whether the client key may use the providers of a plan.
    pub(super) fn check_providers(&self, plan: Plan) -> Result<Plan, GatewayError> {
        let Some(grant) = &self.grant else {
            return Ok(plan);
        };
        for target in plan.targets() {
            let provider = target.key.provider.slug();
            if !grant.allows_provider(provider) {
                return Err(GatewayError::ProviderNotAllowed { provider });
            }
        }
        Ok(plan)
    }
}

/// Reads what the request is, and notes it.
fn identify(
    record: &mut Record,
    config: &Snapshot,
    parts: &Parts,
) -> Result<Inbound, GatewayError> {
    match inbound::read(parts, &config.passthrough_paths) {
        Ok(inbound) => {
            record.set_operation(inbound.operation, inbound.dialect);
            Ok(inbound)
        }
        Err(error) => {
            record.set_dialect(inbound::error_dialect(parts));
            Err(error)
        }
    }
}

type Caller = (Option<Arc<Grant>>, Option<CallerCredential>);

/// Finds out who calls and takes a place for it; returns its client key and its own credential.
async fn authenticate(
    record: &mut Record,
    config: &Snapshot,
    parts: &Parts,
) -> Result<Caller, GatewayError> {
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
    let identity = Identity::resolve(grant.as_deref(), &parts.headers);
    record.set_caller(grant.clone(), identity);
    match &grant {
        Some(grant) => {
            if let Some(permit) = grant.admit(Timestamp::now().as_second())? {
                record.hold(permit);
            }
        }
        None => callers::admit_stranger(config.client_keys)?,
    }
    Ok((grant, own))
}

/// The provider that `x-anyray-provider` names.
fn named_provider(headers: &HeaderMap) -> Result<Option<&'static dyn Provider>, GatewayError> {
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

/// Reads the model that is asked for; a key that is limited to some may ask for those only.
fn find_model(
    record: &mut Record,
    grant: Option<&Grant>,
    inbound: &Inbound,
    parts: &Parts,
    body: &mut UpstreamBody,
) -> Result<Option<String>, GatewayError> {
    let Some(grant) = grant.filter(|grant| grant.limits_models()) else {
        let model = named_model(inbound, body);
        record.set_model(model.as_deref());
        return Ok(model);
    };
    if names_model(inbound, parts, body) {
        let model = match &inbound.path_model {
            Some(model) => model.clone(),
            None => body.require_single_model(&parts.headers)?,
        };
        record.set_model(Some(&model));
        return match grant.allows_model(&model) {
            true => Ok(Some(model)),
            false => Err(GatewayError::ModelNotAllowed),
        };
    }
    // What such a path does with which model cannot be told.
    if inbound.operation == Operation::Passthrough {
        return Err(GatewayError::ModelNotAllowed);
    }
    Ok(None)
}

/// Whether the request must name a model. Below `/responses/` some do, and what has no body cannot.
fn names_model(inbound: &Inbound, parts: &Parts, body: &UpstreamBody) -> bool {
    let is_stored = inbound.operation == Operation::StoredResponses;
    inbound.operation.has_model()
        || (is_stored && parts.method == Method::POST && !http_body::Body::is_end_stream(body))
}

/// The model that the path names, else the body's.
pub(super) fn named_model(inbound: &Inbound, body: &UpstreamBody) -> Option<String> {
    match &inbound.path_model {
        Some(model) => Some(model.clone()),
        None if inbound.operation.has_model() => body.find_model(),
        None => None,
    }
}
