//! The request as the provider gets it: its own URL, clean headers, and the body in the form that
//! it takes. The credential comes last, see [`crate::outbound::credential`].

use anyray_providers::{Call, PathError};
use anyray_wire::json_edit;
use bytes::Bytes;
use http::{
    HeaderMap, Request, Uri,
    request::Parts,
    uri::{self, PathAndQuery},
};

use super::headers::clean_request;
use crate::{
    config::credential::Credential,
    error::GatewayError,
    inbound::Inbound,
    routing::Target,
    translation::{self, Payload, Source},
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
    translation::of(target.adaptation).request.is_some()
        || model.new_in_body().is_some()
        || may_have_other_name
        || credential.is_some_and(Credential::signs_bodies)
}

/// Puts a whole body into the form that the provider takes.
///
/// # Errors
/// [`GatewayError::DuplicateModel`], or those of the translation.
pub fn payload(
    target: &Target,
    model: &Model<'_>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Payload, GatewayError> {
    if let Some(translate) = translation::of(target.adaptation).request {
        return translate(&Source {
            provider: target.key.provider.slug(),
            model: model.mapped.or(model.name),
            headers,
            body,
        });
    }
    let Some(name) = model.new_in_body() else {
        return Ok(Payload::default());
    };
    let renamed = json_edit::with_model(body, name);
    Ok(Payload {
        body: Some(renamed.ok_or(GatewayError::DuplicateModel)?),
        ..Payload::default()
    })
}

/// Builds the head of the upstream request from the caller's, without a credential.
///
/// # Errors
/// [`GatewayError::ModelMissing`], [`GatewayError::ModelUnfit`], or [`GatewayError::UnsafePath`]
/// where path and query make no URL.
pub fn build(
    mut parts: Parts,
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
    clean_request(&mut parts.headers);
    let headers = &mut parts.headers;
    if target.is_custom_host {
        // Ids of an installation and its turns are the provider's own affair.
        headers.remove(CODEX_TURN_METADATA);
    }
    for (name, value) in payload.headers {
        match value {
            Some(value) => headers.insert(name, value),
            None => headers.remove(name),
        };
    }
    let mut request = Request::new(());
    *request.method_mut() = parts.method;
    *request.uri_mut() = url;
    *request.headers_mut() = parts.headers;
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
