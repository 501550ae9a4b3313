//! The request as the provider gets it: its own URL, clean headers, and the body in the form that
//! it takes. The credential comes last, see [`crate::outbound::credential`].

use anyray_providers::{Call, Carriage, PathError};
use anyray_wire::{
    anthropic::envelope::{self, Envelope, Wrapped},
    anyray::headers::{ANTHROPIC_BETA, ANTHROPIC_VERSION},
    json_edit,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Uri,
    header::ACCEPT,
    request::Parts,
    uri::{self, PathAndQuery},
};

use super::headers;
use crate::{
    config::credential::Credential, error::GatewayError, inbound::Inbound, routing::Target,
};

const CODEX_TURN_METADATA: &str = "x-codex-turn-metadata";

/// What the request names as its model, and what the provider calls it.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// By the caller.
    pub name: Option<&'a str>,
    /// By the provider, where that is something else.
    pub mapped: Option<&'a str>,
    /// Whether the name stands in the path and not in the body.
    pub is_in_path: bool,
}

impl<'a> Model<'a> {
    /// The model of a request with this name of it.
    pub fn of(name: Option<&'a str>, inbound: &Inbound, target: &'a Target) -> Self {
        Self {
            name,
            mapped: target.key.mapped(name),
            is_in_path: inbound.path_model.is_some(),
        }
    }

    /// What the body must say instead of the caller's name.
    fn new_in_body(&self) -> Option<&str> {
        self.mapped.filter(|_| !self.is_in_path)
    }
}

/// Whether the body must have arrived whole before the request can be made.
pub fn needs_whole_body(target: &Target, inbound: &Inbound, model: &Model<'_>) -> bool {
    let credential = target.key.credential.as_ref();
    let may_have_other_name = model.name.is_none()
        && inbound.operation.has_model()
        && !target.key.endpoint.models.is_empty();
    target.carriage != Carriage::AsIs
        || model.new_in_body().is_some()
        || may_have_other_name
        || credential.is_some_and(Credential::signs_bodies)
}

/// What becomes of a body, so that the provider takes it.
#[derive(Debug, Default)]
pub struct Payload {
    /// The body to send instead; absent where it goes on as it is.
    pub body: Option<Bytes>,
    /// Whether it asks for a stream, where that is not in it.
    pub is_stream: bool,
    /// The betas that stay in a header, where they were looked through.
    betas: Option<Option<String>>,
    /// How many betas were left out that the provider would have refused.
    pub dropped_betas: usize,
}

/// Puts a whole body into the form that the provider takes.
///
/// # Errors
/// [`GatewayError::DuplicateModel`], [`GatewayError::ModelMissing`] or
/// [`GatewayError::EnvelopeUnfit`].
pub fn payload(
    target: &Target,
    model: &Model<'_>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Payload, GatewayError> {
    match (target.carriage, model.new_in_body()) {
        (Carriage::Wrapped(envelope), _) => {
            let wrapped = wrap(envelope, target, model, headers, body)?;
            Ok(Payload {
                body: Some(wrapped.body),
                is_stream: wrapped.is_stream,
                betas: Some(wrapped.betas_header),
                dropped_betas: wrapped.dropped_betas.len(),
            })
        }
        (Carriage::AsIs, Some(name)) => {
            let renamed = json_edit::with_model(body, name);
            let renamed = renamed.ok_or(GatewayError::DuplicateModel)?;
            Ok(Payload {
                body: Some(renamed),
                ..Payload::default()
            })
        }
        (Carriage::AsIs, None) => Ok(Payload::default()),
    }
}

fn wrap(
    envelope: Envelope,
    target: &Target,
    model: &Model<'_>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Wrapped, GatewayError> {
    let provider = target.key.provider.slug();
    let name = model.mapped.or(model.name);
    let name = name.ok_or(GatewayError::ModelMissing { provider })?;
    let version = headers.get(ANTHROPIC_VERSION);
    let version = version.and_then(|value| value.to_str().ok());
    let betas = headers.get_all(ANTHROPIC_BETA).iter();
    let betas = betas.filter_map(|value| value.to_str().ok());
    envelope::wrap(envelope, body, version, betas, name)
        .map_err(|fault| GatewayError::EnvelopeUnfit { provider, fault })
}

/// Builds the head of the upstream request from the caller's, without a credential.
///
/// # Errors
/// [`GatewayError::ModelMissing`], [`GatewayError::ModelUnfit`], or [`GatewayError::UnsafePath`]
/// where path and query make no URL.
pub fn build(
    parts: &Parts,
    inbound: &Inbound,
    target: &Target,
    model: &Model<'_>,
    payload: Payload,
) -> Result<Request<()>, GatewayError> {
    let call = Call {
        operation: inbound.operation,
        is_native: inbound.native.is_some(),
        path: &inbound.path,
        query: parts.uri.query(),
        model: model.name,
        mapped: model.mapped,
        is_stream: payload.is_stream,
        endpoint: &target.key.endpoint,
    };
    let url = url(&call, target)?;
    let mut headers = headers::to_provider(&parts.headers);
    if target.is_custom_host {
        // Ids of an installation and its turns are the provider's own affair.
        headers.remove(CODEX_TURN_METADATA);
    }
    if let Some(betas) = payload.betas {
        set_envelope_headers(&mut headers, betas);
    }
    let mut request = Request::new(());
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = url;
    *request.headers_mut() = headers;
    Ok(request)
}

fn url(call: &Call<'_>, target: &Target) -> Result<Uri, GatewayError> {
    let key = &target.key;
    let query = call.query.map_or(0, |query| query.len() + 1);
    let mut path = String::with_capacity(key.base_path.len() + call.path.len() + query + 8);
    path.push_str(&key.base_path);
    let written = key.provider.write_path(call, &mut path);
    let provider = key.provider.slug();
    written.map_err(|error| match error {
        PathError::ModelMissing => GatewayError::ModelMissing { provider },
        PathError::ModelUnfit => GatewayError::ModelUnfit { provider },
    })?;
    let mut parts = uri::Parts::default();
    parts.scheme = Some(key.scheme.clone());
    parts.authority = Some(key.authority.clone());
    parts.path_and_query = PathAndQuery::from_maybe_shared(Bytes::from(path)).ok();
    // Without a path there is no URL, because there is a scheme.
    Uri::from_parts(parts).map_err(|_| GatewayError::UnsafePath)
}

/// The version and the betas of Claude's envelope stand in its body, but for these; what the
/// answer is to be is the path's to say.
fn set_envelope_headers(headers: &mut HeaderMap, betas: Option<String>) {
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.remove(ANTHROPIC_VERSION);
    headers.remove(ANTHROPIC_BETA);
    let value = betas.and_then(|betas| HeaderValue::try_from(betas).ok());
    if let Some(value) = value {
        headers.insert(ANTHROPIC_BETA, value);
    }
}
