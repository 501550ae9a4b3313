//! The request as the provider gets it: its own URL, clean headers, exactly one credential.

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Uri,
    header::AUTHORIZATION,
    request::Parts,
    uri::{self, PathAndQuery},
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    body::UpstreamBody, error::GatewayError, headers::clean_request, inbound::Inbound,
    provider::AuthScheme, routing::Target,
};

const CODEX_TURN_METADATA: &str = "x-codex-turn-metadata";

/// Builds the upstream request from the caller's.
///
/// # Errors
/// [`GatewayError::UnsafePath`] where path and query make no URL.
pub fn build(
    mut parts: Parts,
    inbound: &Inbound,
    target: &Target,
    body: UpstreamBody,
) -> Result<Request<UpstreamBody>, GatewayError> {
    let url = url(&parts.uri, inbound, target).ok_or(GatewayError::UnsafePath)?;
    clean_request(&mut parts.headers);
    if target.is_custom_host {
        // Ids of an installation and its turns are the provider's own affair.
        parts.headers.remove(CODEX_TURN_METADATA);
    }
    if let Some((name, value)) = credential(target) {
        parts.headers.insert(name, value);
    }
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = url;
    *request.headers_mut() = parts.headers;
    Ok(request)
}

fn url(received: &Uri, inbound: &Inbound, target: &Target) -> Option<Uri> {
    let key = &target.key;
    let query = received.query();
    let length = key.base_path.len() + inbound.path.len() + query.map_or(0, |q| q.len() + 1);
    let mut path = String::with_capacity(length);
    path.push_str(&key.base_path);
    path.push_str(&inbound.path);
    if let Some(query) = query {
        path.push('?');
        path.push_str(query);
    }
    let mut parts = uri::Parts::default();
    parts.scheme = Some(key.scheme.clone());
    parts.authority = Some(key.authority.clone());
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(path)).ok()?);
    Uri::from_parts(parts).ok()
}

/// The one credential header that goes upstream.
fn credential(target: &Target) -> Option<(HeaderName, HeaderValue)> {
    match (&target.key.secret, &target.caller_credential) {
        (Some(secret), _) => match target.key.provider.auth() {
            AuthScheme::Bearer => Some((AUTHORIZATION, secret_value("Bearer ", secret)?)),
            AuthScheme::ApiKeyHeader(name) => Some((name, secret_value("", secret)?)),
        },
        (None, Some(caller)) => Some((caller.header.clone(), caller.value.clone())),
        (None, None) => None,
    }
}

/// A header value that no log shows; a key that makes none was refused with the configuration.
fn secret_value(scheme: &str, secret: &SecretString) -> Option<HeaderValue> {
    let text = [scheme, secret.expose_secret()].concat();
    let mut value = HeaderValue::from_maybe_shared(Bytes::from(text)).ok()?;
    value.set_sensitive(true);
    Some(value)
}
