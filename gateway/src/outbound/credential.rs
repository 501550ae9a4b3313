//! Puts the credential on a request: the gateway's own for the provider, or the caller's.

use std::time::SystemTime;

use anyray_providers::AuthScheme;
use anyray_wire::gateway_config::{CredentialKind, credential::AwsKeys};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header::AUTHORIZATION};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    body::UpstreamBody,
    config::{credential::Credential, snapshot::ProviderKey},
    error::GatewayError,
    routing::Target,
};

mod sigv4;
pub mod token;

use token::TokenSources;

/// Puts the one credential on a request that has none.
///
/// # Errors
/// [`GatewayError::Unsignable`], or those of [`TokenSources::get`].
pub async fn authorize(
    request: &mut Request<UpstreamBody>,
    target: &Target,
    tokens: &TokenSources,
    now: SystemTime,
) -> Result<(), GatewayError> {
    let key = &target.key;
    let header = match (&key.credential, &target.caller_credential) {
        (Some(Credential::ApiKey(secret)), _) => Some(api_key(key, secret)),
        (Some(Credential::Token(grant)), _) => {
            let token = tokens.get(grant, key, now).await?;
            Some((AUTHORIZATION, token))
        }
        (Some(credential @ Credential::AwsKeys(keys)), _) => {
            return sign(request, key, credential, keys, now);
        }
        (None, Some(caller)) => Some((caller.header.clone(), caller.value.clone())),
        (None, None) => None,
    };
    if let Some((name, value)) = header {
        request.headers_mut().insert(name, value);
    }
    Ok(())
}

fn api_key(key: &ProviderKey, secret: &SecretString) -> (HeaderName, HeaderValue) {
    let host = key.authority.host();
    match key.provider.auth(CredentialKind::ApiKey, host) {
        AuthScheme::ApiKeyHeader(name) => (name, secret_value("", secret)),
        AuthScheme::Bearer | AuthScheme::SigV4(_) => {
            (AUTHORIZATION, secret_value("Bearer ", secret))
        }
    }
}

fn sign(
    request: &mut Request<UpstreamBody>,
    key: &ProviderKey,
    credential: &Credential,
    keys: &AwsKeys,
    now: SystemTime,
) -> Result<(), GatewayError> {
    let provider = key.provider.slug();
    let scheme = key.provider.auth(credential.kind(), key.authority.host());
    let AuthScheme::SigV4(service) = scheme else {
        return Err(GatewayError::Unsignable { provider });
    };
    let region = key.endpoint.region.as_deref().unwrap_or_default();
    sigv4::sign(request, keys, &sigv4::Scope { region, service }, now)
        .ok_or(GatewayError::Unsignable { provider })
}

/// A header value that no log shows; a key that makes none was refused with the configuration.
fn secret_value(scheme: &str, secret: &SecretString) -> HeaderValue {
    let text = [scheme, secret.expose_secret()].concat();
    let value = HeaderValue::from_maybe_shared(Bytes::from(text));
    let mut value = value.unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
