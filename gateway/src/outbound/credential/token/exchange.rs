//! One exchange of a credential for a token: what a token service is told, and what it answers.
//!
//! How long a token is used, and when the next one is asked for, is in `token`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyray_wire::{
    anyray::secret::Secret,
    gateway_config::credential::{EntraClient, GoogleServiceAccount},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request,
    header::{ACCEPT, CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{rand::SystemRandom, signature::RSA_PKCS1_SHA256};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    body::UpstreamBody,
    config::{
        credential::{TokenClient, TokenGrant},
        snapshot::ProviderKey,
        transport::Transport,
    },
    error::GatewayError,
    outbound::upstream::{SendError, Upstreams},
};

/// How long one exchange may take.
pub(super) const EXCHANGE_TIME: Duration = Duration::from_secs(10);

/// Largest answer of a token service that is read.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// How long a token is taken to live where its service does not say.
pub(super) const DEFAULT_LIFE: Duration = Duration::from_secs(300);

/// How long a token is taken to live at most, whatever its service says.
const MAX_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How long an assertion of a service account is good, the most that Google takes.
const ASSERTION_LIFE: u64 = 3600;

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

const GOOGLE_SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const AZURE_SCOPE: &str = "https://cognitiveservices.azure.com/.default";

/// Why there is no token; the texts go on after the name of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("the credential's key signs nothing")]
    Sign,
    #[error("the service refuses the credential with status {0}")]
    Refused(u16),
    #[error("egress does not allow its address")]
    EgressDenied,
    #[error("no connection in time")]
    ConnectTimeout,
    #[error("no connection: refused, an unknown host, or TLS that is not trusted")]
    Unreachable,
    #[error("the connection closed without an answer")]
    NoAnswer,
    #[error("no answer within {} s", EXCHANGE_TIME.as_secs())]
    Timeout,
    #[error("the service answers with status {0}")]
    Status(u16),
    #[error("the answer is unreadable, or holds no token")]
    Unreadable,
    #[error("the exchange broke off")]
    BrokenOff,
}

impl Fault {
    /// What the caller is told.
    pub(super) fn describe(self, key: &ProviderKey) -> GatewayError {
        let provider = key.provider.slug();
        match self {
            Self::Sign | Self::Refused(_) => GatewayError::CredentialRefused {
                provider,
                name: key.name.as_str().into(),
            },
            Self::EgressDenied => GatewayError::EgressRefused { provider },
            Self::ConnectTimeout
            | Self::Unreachable
            | Self::NoAnswer
            | Self::Timeout
            | Self::Status(_)
            | Self::Unreadable
            | Self::BrokenOff => GatewayError::TokenUnavailable { provider },
        }
    }
}

impl From<SendError> for Fault {
    fn from(error: SendError) -> Self {
        match error {
            SendError::ConnectTimeout => Self::ConnectTimeout,
            SendError::EgressDenied => Self::EgressDenied,
            SendError::Connect => Self::Unreachable,
            SendError::Exchange => Self::NoAnswer,
        }
    }
}

/// A token as its service gave it.
pub(super) struct Issued {
    /// Value of the header `authorization`.
    pub(super) header: HeaderValue,
    /// How long it is good, [`MAX_LIFE`] at most.
    pub(super) life: Duration,
}

/// Asks the token service, without a limit of time.
///
/// The connection is one of its own: whichever worker asks, nothing of it is left afterwards.
///
/// Source: RFC 6749, 5.1 and 5.2.
pub(super) async fn exchange(
    grant: &TokenGrant,
    transport: &Arc<Transport>,
    now: SystemTime,
) -> Result<Issued, Fault> {
    let form = match &grant.client {
        TokenClient::Google(account) => google_form(account, now)?,
        TokenClient::Entra(client) => entra_form(client),
    };
    let mut request = Request::new(UpstreamBody::from(form));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = grant.url.clone();
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, FORM);
    headers.insert(ACCEPT, JSON);
    let upstreams = Upstreams::default();
    let answer = upstreams.send(transport, request).await?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect();
    let body = body.await.map_err(|_| Fault::Unreadable)?.to_bytes();
    match status {
        200 => read(&body),
        400..=403 => Err(Fault::Refused(status)),
        _ => Err(Fault::Status(status)),
    }
}

fn read(body: &[u8]) -> Result<Issued, Fault> {
    let answer: Answer = serde_json::from_slice(body).map_err(|_| Fault::Unreadable)?;
    let token = answer.access_token.0;
    if token.is_empty() {
        return Err(Fault::Unreadable);
    }
    let header = Bytes::from(["Bearer ", &token].concat());
    let header = HeaderValue::from_maybe_shared(header);
    let mut header = header.map_err(|_| Fault::Unreadable)?;
    header.set_sensitive(true);
    Ok(Issued {
        header,
        life: answer.expires_in.unwrap_or(DEFAULT_LIFE).min(MAX_LIFE),
    })
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
        .map_err(|_| Fault::Sign)?;
    let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
    Ok(form(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &format!("{signed}.{signature}")),
    ]))
}

/// The form that exchanges a client's secret.
///
/// Source: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>.
pub(super) fn entra_form(client: &EntraClient) -> String {
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
    #[serde(default, deserialize_with = "read_seconds")]
    expires_in: Option<Duration>,
}

/// A number of seconds, which some services write as a fraction or as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

/// Reads a life; one beyond [`MAX_LIFE`] is cut there, one below nothing is none.
fn read_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let seconds = match Option::deserialize(from)? {
        None => return Ok(None),
        Some(Seconds::Number(number)) => Some(number),
        Some(Seconds::Text(text)) => text.parse().ok().filter(|number: &f64| number.is_finite()),
    };
    let seconds = seconds.ok_or(de::Error::custom("is no number of seconds"))?;
    let seconds = seconds.clamp(0.0, MAX_LIFE.as_secs_f64()).trunc();
    Ok(Duration::try_from_secs_f64(seconds).ok())
}
