//! Verifies the projected token of a pod's ServiceAccount, by which a pod may call.
//!
//! Pure: the caller brings the cluster's keys and the time; fetching the keys is not done here.
//! Verified with `ring`, which TLS brings along, in the two algorithms that API servers sign with.
//! Format: <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};

mod keys;

use keys::Algorithm;
pub use keys::{Keys, KeysFault};

use crate::error::fault::TokenFault;

/// Longest token that is looked at; a projected one has some 1,200 bytes.
const MAX_TOKEN_BYTES: usize = 8 << 10;

/// How far the clocks of API server and gateway may be apart, in seconds.
const LEEWAY_SECONDS: i64 = 10;

/// Longest name of a namespace and of a ServiceAccount (RFC 1123 label and subdomain).
const MAX_NAMESPACE_BYTES: usize = 63;
const MAX_NAME_BYTES: usize = 253;

/// What stands before the namespace in `sub`.
const SUBJECT_PREFIX: &str = "system:serviceaccount:";

/// What a token must be made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `iss`, exactly: the cluster's issuer, such as `https://kubernetes.default.svc`.
    pub issuer: String,
    /// One of `aud`, exactly.
    pub audience: String,
}

/// Who calls, as the cluster says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// When the token ends, in seconds since 1970.
    pub expires_at: i64,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood (RFC 7515, section 4.1.11): none is.
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    sub: String,
}

/// One audience or several (RFC 7519, section 4.1.3).
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Whether a credential has the shape of a token, so that it is verified as one; says nothing of
/// its worth.
pub fn looks_like_token(text: &str) -> bool {
    let is_part = |part: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !part.is_empty() && part.bytes().all(is_known)
    };
    // A JSON object begins with `{"`, which is `eyJ` in base64.
    text.starts_with("eyJ") && text.split('.').count() == 3 && text.split('.').all(is_part)
}

/// Whether a token says that it is of a ServiceAccount, true or not: then it is for nobody but a
/// cluster.
pub fn claims_to_be_one(token: &str) -> bool {
    #[derive(Deserialize)]
    struct Claim {
        sub: Option<String>,
    }
    let claims = token
        .split('.')
        .nth(1)
        .filter(|_| token.len() <= MAX_TOKEN_BYTES);
    let claim = claims.and_then(|claims| decode_json::<Claim>(claims).ok());
    let subject = claim.and_then(|claim| claim.sub);
    subject.is_some_and(|subject| subject.starts_with(SUBJECT_PREFIX))
}

/// Verifies a token and tells whose it is.
///
/// # Errors
/// [`TokenFault`]; nothing of the claims is looked at before the signature was found right.
pub fn verify(
    token: &str,
    keys: &Keys,
    expected: &Expected,
    now_seconds: i64,
) -> Result<ServiceAccount, TokenFault> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TokenFault::TooLong);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenFault::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(TokenFault::Malformed)?;
    if claims.contains('.') {
        return Err(TokenFault::Malformed);
    }
    check_signature(header, signed, signature, keys)?;
    let claims: Claims = decode_json(claims)?;
    check_claims(&claims, expected, now_seconds)?;
    let (namespace, name) = parse_subject(&claims.sub).ok_or(TokenFault::Subject)?;
    Ok(ServiceAccount {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        expires_at: claims.exp,
    })
}

/// `signed` is header and claims as they stand in the token.
fn check_signature(
    header: &str,
    signed: &str,
    signature: &str,
    keys: &Keys,
) -> Result<(), TokenFault> {
    let header: Header = decode_json(header)?;
    if header.crit.is_some() {
        return Err(TokenFault::Malformed);
    }
    let algorithm = Algorithm::from_name(&header.alg).ok_or(TokenFault::Algorithm)?;
    let key = header.kid.as_deref().and_then(|id| keys.find(id));
    let key = key.ok_or(TokenFault::UnknownKey)?;
    if key.algorithm() != algorithm {
        return Err(TokenFault::Algorithm);
    }
    let signature = decode(signature)?;
    if key.has_signed(signed.as_bytes(), &signature) {
        Ok(())
    } else {
        Err(TokenFault::Signature)
    }
}

fn check_claims(claims: &Claims, expected: &Expected, now_seconds: i64) -> Result<(), TokenFault> {
    if claims.iss != expected.issuer {
        return Err(TokenFault::Issuer);
    }
    let is_for_us = match &claims.aud {
        Audience::One(audience) => *audience == expected.audience,
        Audience::Several(audiences) => audiences.contains(&expected.audience),
    };
    if !is_for_us {
        return Err(TokenFault::Audience);
    }
    if now_seconds >= claims.exp.saturating_add(LEEWAY_SECONDS) {
        return Err(TokenFault::Expired);
    }
    match claims.nbf {
        Some(start) if now_seconds.saturating_add(LEEWAY_SECONDS) < start => {
            Err(TokenFault::NotYetValid)
        }
        _ => Ok(()),
    }
}

/// Namespace and name of `system:serviceaccount:NAMESPACE:NAME`.
fn parse_subject(subject: &str) -> Option<(&str, &str)> {
    let account = subject.strip_prefix(SUBJECT_PREFIX)?;
    let (namespace, name) = account.split_once(':')?;
    let is_label = |label: &str| {
        let is_known =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_known)
    };
    let is_valid = is_label(namespace)
        && namespace.len() <= MAX_NAMESPACE_BYTES
        && name.split('.').all(is_label)
        && name.len() <= MAX_NAME_BYTES;
    is_valid.then_some((namespace, name))
}

fn decode_json<T: DeserializeOwned>(part: &str) -> Result<T, TokenFault> {
    serde_json::from_slice(&decode(part)?).map_err(|_| TokenFault::Malformed)
}

/// Base64url without padding, in its one canonical form.
fn decode(part: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| TokenFault::Malformed)
}

#[cfg(test)]
mod tests;
