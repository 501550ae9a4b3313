//! Credentials that are exchanged for a token: a service account of Google, a client of Microsoft
//! Entra.
//!
//! A token is kept until shortly before its end; one request at a time asks for the next one, while
//! the others go on with the old.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyray_wire::{
    anyray::secret::Secret,
    gateway_config::{
        CredentialKind,
        credential::{EntraClient, GoogleServiceAccount},
        endpoint::CheckedEndpoint,
    },
};
use arc_swap::ArcSwapOption;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Uri,
    header::{ACCEPT, CONTENT_TYPE},
    uri::{self, PathAndQuery},
};
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{rand::SystemRandom, signature::RSA_PKCS1_SHA256};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    body::UpstreamBody,
    config::snapshot::{ProviderKey, Transport},
    error::GatewayError,
    upstream::Upstreams,
};

/// How long before its end a token is replaced.
const REFRESH_BEFORE: Duration = Duration::from_secs(300);

/// How long before its end a token is not used any more: it must outlive its way.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

/// How long the failure of an exchange stands for the next ones: who waited for it need not ask
/// again, nor does each request ask a service that is down.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// How long one exchange may take.
const EXCHANGE_TIME: Duration = Duration::from_secs(10);

/// Largest answer of a token service that is read.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// How long a token is taken to live where its service does not say.
const DEFAULT_LIFE: u64 = 300;

/// How long an assertion of a service account is good, the most that Google takes.
const ASSERTION_LIFE: u64 = 3600;

/// How long after an exchange a provider's refusal does not lead to the next one: a new token would
/// be refused, too.
const MIN_REFRESH_PAUSE: Duration = Duration::from_secs(30);

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

const GOOGLE_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const AZURE_SCOPE: &str = "https://cognitiveservices.azure.com/.default";

/// A credential with the token that it was exchanged for last.
pub struct TokenSource {
    grant: Grant,
    url: Uri,
    transport: Arc<Transport>,
    /// SHA-256 over the credential's file.
    digest: [u8; 32],
    current: ArcSwapOption<Token>,
    /// Held by whoever asks for the next token; what became of the last try, if it failed.
    exchange: Mutex<Option<Failure>>,
}

/// What is exchanged.
#[derive(Debug)]
pub enum Grant {
    /// A signature of a service account of Google.
    Google(Box<GoogleServiceAccount>),
    /// The secret of a client of Microsoft Entra.
    Entra(EntraClient),
}

/// One token.
struct Token {
    header: HeaderValue,
    from: SystemTime,
    until: SystemTime,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenSource")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// An exchange that failed, and when.
#[derive(Clone, Copy, Debug)]
struct Failure {
    at: Instant,
    fault: Fault,
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Fault {
    #[error("the service refuses the credential")]
    Refused,
    #[error("the service gave no sensible answer")]
    Unavailable,
}

impl Fault {
    fn describe(self, key: &ProviderKey) -> GatewayError {
        let provider = key.provider.slug();
        match self {
            Self::Refused => GatewayError::CredentialRefused {
                provider,
                name: key.name.as_str().into(),
            },
            Self::Unavailable => GatewayError::TokenUnavailable { provider },
        }
    }
}

impl TokenSource {
    /// A source without a token yet: `grant`, which was read from `file`, is exchanged at `url`.
    pub fn new(grant: Grant, file: &[u8], url: &CheckedEndpoint, transport: &Transport) -> Self {
        let path = match &grant {
            Grant::Google(_) => url.path.clone(),
            Grant::Entra(client) => {
                format!("{}/{}/oauth2/v2.0/token", url.path, client.tenant_id)
            }
        };
        let mut parts = uri::Parts::default();
        parts.scheme = Some(url.scheme.clone());
        parts.authority = Some(url.authority.clone());
        parts.path_and_query = PathAndQuery::from_maybe_shared(Bytes::from(path)).ok();
        Self {
            grant,
            url: Uri::from_parts(parts).unwrap_or_default(),
            transport: Arc::new(transport.clone()),
            digest: Sha256::digest(file).into(),
            current: ArcSwapOption::empty(),
            exchange: Mutex::new(None),
        }
    }

    /// Which kind of credential is exchanged.
    pub fn kind(&self) -> CredentialKind {
        match self.grant {
            Grant::Google(_) => CredentialKind::GoogleServiceAccount,
            Grant::Entra(_) => CredentialKind::EntraClient,
        }
    }

    /// Takes over the token of a source before a reload, if it is of the same credential.
    pub fn adopt(&self, before: &Self) {
        if self.digest == before.digest && self.url == before.url {
            self.current.store(before.current.load_full());
        }
    }

    /// Forgets the token, which the provider has refused; one that is new would be refused, too.
    pub fn forget(&self, now: SystemTime) {
        let current = self.current.load();
        let is_old = |token: &Token| {
            now.duration_since(token.from)
                .is_ok_and(|age| age >= MIN_REFRESH_PAUSE)
        };
        if current.as_ref().is_some_and(|token| is_old(token)) {
            self.current.store(None);
        }
    }

    /// Value of the header `authorization`: the token that is kept, or a new one.
    ///
    /// # Errors
    /// [`GatewayError::CredentialRefused`] or [`GatewayError::TokenUnavailable`].
    ///
    /// # Cancel safety
    /// Dropping the future lets the next request ask.
    pub async fn get(
        &self,
        key: &ProviderKey,
        upstreams: &Upstreams,
        now: SystemTime,
    ) -> Result<HeaderValue, GatewayError> {
        if let Some(header) = self.usable(now, REFRESH_BEFORE) {
            return Ok(header);
        }
        let old = self.usable(now, EXPIRY_MARGIN);
        let mut last_failure = match (self.exchange.try_lock(), &old) {
            (Ok(turn), _) => turn,
            (Err(_), Some(old)) => return Ok(old.clone()),
            (Err(_), None) => self.exchange.lock().await,
        };
        if let Some(header) = self.usable(now, REFRESH_BEFORE) {
            return Ok(header);
        }
        let recent = last_failure.filter(|failure| failure.at.elapsed() < FAILURE_PAUSE);
        let renewed = match recent {
            Some(failure) => Err(failure.fault),
            None => self.renew(upstreams, now).await.inspect_err(|fault| {
                tracing::warn!(provider.key = key.name, "could not get a token: {fault}");
                let at = Instant::now();
                *last_failure = Some(Failure { at, fault: *fault });
            }),
        };
        renewed.or_else(|fault| old.ok_or_else(|| fault.describe(key)))
    }

    /// The token that is kept, if it is good for so long.
    fn usable(&self, now: SystemTime, for_long: Duration) -> Option<HeaderValue> {
        let current = self.current.load();
        let token = current.as_ref()?;
        // A token that lives for less than that is renewed in the second half of its life.
        let life = token.until.duration_since(token.from).unwrap_or_default();
        (now + for_long.min(life / 2) < token.until).then(|| token.header.clone())
    }

    async fn renew(&self, upstreams: &Upstreams, now: SystemTime) -> Result<HeaderValue, Fault> {
        let exchange = timeout(EXCHANGE_TIME, self.exchange(upstreams, now));
        let answer = exchange.await.map_err(|_| Fault::Unavailable)??;
        let header = [b"Bearer ", answer.access_token.0.as_bytes()].concat();
        let header = HeaderValue::from_maybe_shared(Bytes::from(header));
        let mut header = header.map_err(|_| Fault::Unavailable)?;
        header.set_sensitive(true);
        self.current.store(Some(Arc::new(Token {
            header: header.clone(),
            from: now,
            until: now + Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE)),
        })));
        Ok(header)
    }

    /// Source: RFC 6749, 5.1 and 5.2.
    async fn exchange(&self, upstreams: &Upstreams, now: SystemTime) -> Result<Answer, Fault> {
        let form = match &self.grant {
            Grant::Google(account) => google_form(account, now)?,
            Grant::Entra(client) => entra_form(client),
        };
        let mut request = Request::new(UpstreamBody::from(form));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, FORM);
        headers.insert(ACCEPT, JSON);
        let sent = upstreams.send(&self.transport, request).await;
        let answer = sent.map_err(|_| Fault::Unavailable)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect();
        let body = body.await.map_err(|_| Fault::Unavailable)?.to_bytes();
        match status.as_u16() {
            200 => serde_json::from_slice(&body).map_err(|_| Fault::Unavailable),
            400..=403 => Err(Fault::Refused),
            _ => Err(Fault::Unavailable),
        }
    }
}

/// The form that exchanges a signature of a service account.
///
/// Source: <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>.
fn google_form(account: &GoogleServiceAccount, now: SystemTime) -> Result<String, Fault> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = Header {
        alg: "RS256",
        typ: "JWT",
        kid: &account.private_key_id,
    };
    let claims = Claims {
        iss: &account.client_email,
        scope: GOOGLE_SCOPE,
        aud: &account.token_uri,
        iat: now,
        exp: now + ASSERTION_LIFE,
    };
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; account.private_key.public().modulus_len()];
    account
        .private_key
        .sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            signed.as_bytes(),
            &mut signature,
        )
        .map_err(|_| Fault::Refused)?;
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
    Ok(form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &format!("{signed}.{signature}")),
    ]))
}

/// The form that exchanges a client's secret.
///
/// Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.
fn entra_form(client: &EntraClient) -> String {
    form(&[
        ("grant_type", "client_credentials"),
        ("client_id", &client.client_id),
        ("client_secret", &client.client_secret.0),
        ("scope", AZURE_SCOPE),
    ])
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    text
}

/// One part of a JWT.
fn part(content: &impl Serialize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(content).unwrap_or_default())
}

/// Header of a JWT.
#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

/// Claims of a service account's assertion.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: u64,
    exp: u64,
}

/// A token service's answer.
#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    expires_in: Option<u64>,
}

#[cfg(test)]
mod tests;
