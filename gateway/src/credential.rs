//! The gateway's own credentials for providers, and how one gets onto a request.
//!
//! What the file of a credential must hold is `anyray_wire::gateway_config::credential`'s matter.

use std::{sync::Arc, time::SystemTime};

use anyray_providers::{AuthScheme, settings};
use anyray_wire::gateway_config::{
    CredentialKind,
    credential::{AwsKeys, Content},
};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header::AUTHORIZATION};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    body::UpstreamBody,
    config::snapshot::{ProviderKey, Transport},
    error::GatewayError,
    routing::Target,
};

mod sigv4;
pub mod token;

use token::{TokenSource, exchange::Grant};

/// One credential, ready for use.
#[derive(Debug)]
pub enum Credential {
    /// A key that goes along as it is.
    ApiKey(SecretString),
    /// Keys that sign each request.
    AwsKeys(AwsKeys),
    /// What is exchanged for a token, which goes along.
    Token(Arc<TokenSource>),
}

impl Credential {
    /// Takes in a checked content; `file` is the same as it was read.
    ///
    /// # Errors
    /// What is wrong with the URL of the token service, without a word of it.
    pub fn new(
        content: Content<'_>,
        file: &[u8],
        allow_insecure: bool,
        transport: &Transport,
    ) -> Result<Self, &'static str> {
        let url = settings::check_token_url(&content, allow_insecure, &transport.egress)?;
        let grant = match content {
            Content::ApiKey(key) => return Ok(Self::ApiKey(key.into())),
            Content::AwsKeys(keys) => return Ok(Self::AwsKeys(keys)),
            Content::GoogleServiceAccount(account) => Grant::Google(account),
            Content::EntraClient(client) => Grant::Entra(client),
        };
        let url = url.ok_or("is missing")?;
        let source = TokenSource::new(grant, file, &url, transport)?;
        Ok(Self::Token(Arc::new(source)))
    }

    fn kind(&self) -> CredentialKind {
        match self {
            Self::ApiKey(_) => CredentialKind::ApiKey,
            Self::AwsKeys(_) => CredentialKind::AwsKeys,
            Self::Token(source) => source.kind(),
        }
    }

    /// Whether a request must be whole before it can carry the credential.
    pub fn signs_bodies(&self) -> bool {
        matches!(self, Self::AwsKeys(_))
    }
}

/// Puts the one credential on a request that has none.
///
/// # Errors
/// [`GatewayError::Unsignable`], or those of [`TokenSource::get`].
pub async fn authorize(
    request: &mut Request<UpstreamBody>,
    target: &Target,
    now: SystemTime,
) -> Result<(), GatewayError> {
    let key = &target.key;
    let header = match (&key.credential, &target.caller_credential) {
        (Some(Credential::ApiKey(secret)), _) => Some(api_key(key, secret)),
        (Some(Credential::Token(source)), _) => {
            let token = source.get(key, now).await?;
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
