//! Credentials that arrive with a request: which one is gateway-issued, which one is the caller's
//! own.
//!
//! Whether ours is good is asked of `access`; [`crate::access::callers`] does so.

use anyray_wire::anyray::{
    OWN_KEY_PREFIXES, PLACEHOLDER_KEY,
    credential::{CredentialDigest, INVITE_CODE_PREFIX, KeyId, read_client_key},
    headers, is_own_credential,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header::AUTHORIZATION};
use percent_encoding::percent_decode_str;

use crate::{error::GatewayError, inbound::service_account};

/// Headers in which callers may send a credential, the ones to prefer upstream first.
pub const CREDENTIAL_HEADERS: [HeaderName; 5] = [
    AUTHORIZATION,
    headers::X_API_KEY,
    headers::AZURE_API_KEY,
    headers::GOOGLE_API_KEY,
    headers::API_KEY,
];

/// A credential for a provider that the caller brought along.
#[derive(Clone, Debug)]
pub struct CallerCredential {
    /// The header that it came in, and goes on in.
    pub header: HeaderName,
    /// The header's value, unchanged.
    pub value: HeaderValue,
}

impl CallerCredential {
    /// The credential without its scheme.
    pub fn token(&self) -> &str {
        without_scheme(self.value.to_str().unwrap_or_default())
    }
}

/// What a request says about who sends it.
#[derive(Debug, Default)]
pub struct Presented {
    /// A well-formed client key.
    pub key: Option<PresentedKey>,
    /// What may be a token of a `ServiceAccount`: the header and the token.
    pub token: Option<(HeaderName, Box<str>)>,
    /// A credential for a provider.
    pub own: Option<CallerCredential>,
}

/// A well-formed client key: all that is kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PresentedKey {
    /// Its public part.
    pub id: KeyId,
    /// SHA-256 of all of it.
    pub digest: CredentialDigest,
}

/// Reads every credential of a request.
///
/// Where several headers carry a caller's own, the first of [`CREDENTIAL_HEADERS`] wins, so that
/// exactly one goes upstream; the placeholder and empty values are none.
///
/// # Errors
/// [`GatewayError::DuplicateCredential`] where one header came twice,
/// [`GatewayError::ConflictingCredentials`] where two headers hold different client keys,
/// [`GatewayError::InvalidKey`] or [`GatewayError::InviteCodeAsKey`].
pub fn read(headers: &HeaderMap) -> Result<Presented, GatewayError> {
    read_with(headers, Presented::take_ours)
}

/// Reads the caller's own credential alone, where there is no store that could know a client key:
/// such a key then counts for nothing, whole or not, and still goes nowhere.
///
/// # Errors
/// [`GatewayError::DuplicateCredential`] where one header came twice.
pub fn read_without_ours(headers: &HeaderMap) -> Result<Presented, GatewayError> {
    read_with(headers, |_, _| Ok(()))
}

fn read_with(
    headers: &HeaderMap,
    take_ours: impl Fn(&mut Presented, &HeaderValue) -> Result<(), GatewayError>,
) -> Result<Presented, GatewayError> {
    let mut presented = Presented::default();
    for name in &CREDENTIAL_HEADERS {
        let mut values = headers.get_all(name).iter();
        let Some(value) = values.next() else { continue };
        if values.next().is_some() {
            return Err(GatewayError::DuplicateCredential {
                header: static_name(name),
            });
        }
        if is_for_gateway(value) {
            take_ours(&mut presented, value)?;
        } else {
            presented.take_theirs(name, value);
        }
    }
    Ok(presented)
}

impl Presented {
    fn take_ours(&mut self, value: &HeaderValue) -> Result<(), GatewayError> {
        let Some(text) = find_ours(value) else {
            return Ok(());
        };
        if text.starts_with(INVITE_CODE_PREFIX) {
            return Err(GatewayError::InviteCodeAsKey);
        }
        let id = read_client_key(text).map_err(|fault| GatewayError::InvalidKey { fault })?;
        let digest = CredentialDigest::of(text);
        let key = PresentedKey { id, digest };
        match self.key {
            Some(other) if other != key => Err(GatewayError::ConflictingCredentials),
            _ => {
                self.key = Some(key);
                Ok(())
            }
        }
    }

    fn take_theirs(&mut self, name: &HeaderName, value: &HeaderValue) {
        let text = value.to_str().map(without_scheme).unwrap_or_default();
        if self.token.is_none() && service_account::looks_like_token(text) {
            self.token = Some((name.clone(), text.into()));
        }
        if self.own.is_none() && *name != headers::API_KEY {
            let mut value = value.clone();
            value.set_sensitive(true);
            self.own = Some(CallerCredential {
                header: name.clone(),
                value,
            });
        }
    }
}

/// Whether a header's value carries a gateway-issued credential, whatever the header.
pub fn holds_ours(value: &HeaderValue) -> bool {
    let text = value.to_str().unwrap_or_default();
    contains_own_prefix(text) && find_ours(value).is_some()
}

/// Whether a URL carries a gateway-issued credential, where proxies and logs keep it.
pub fn is_in_url(uri: &Uri) -> bool {
    let text = uri.path_and_query().map_or("", |both| both.as_str());
    if !text.contains(['%', '_']) {
        return false;
    }
    let plain: Vec<u8> = percent_decode_str(text).collect();
    let mut words = plain.split(|byte| !is_word(char::from(*byte)));
    words.any(has_own_prefix)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Whether a credential header's value is meant for the gateway alone, or names such a value in
/// whatever spelling.
fn is_for_gateway(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else {
        return true;
    };
    let mut words = words(text).peekable();
    let scheme = words.next_if(|word| word.eq_ignore_ascii_case("bearer"));
    let is_empty = words.peek().is_none();
    (is_empty && (scheme.is_some() || text.trim().is_empty()))
        || (may_hold_own(text) && words.any(is_own_credential))
}

/// Whether any word of a text can be a gateway-issued credential: cheaper than a look at each word.
fn may_hold_own(text: &str) -> bool {
    contains_own_prefix(text) || text.contains(PLACEHOLDER_KEY)
}

fn contains_own_prefix(text: &str) -> bool {
    OWN_KEY_PREFIXES.iter().any(|prefix| text.contains(prefix))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty())
}

/// The key or code in a value, be it that of a SigV4 signature's access key id.
fn find_ours(value: &HeaderValue) -> Option<&str> {
    words(value.to_str().ok()?).find(|word| has_own_prefix(word.as_bytes()))
}

fn has_own_prefix(word: &[u8]) -> bool {
    let mut prefixes = OWN_KEY_PREFIXES.iter();
    prefixes.any(|prefix| word.starts_with(prefix.as_bytes()))
}

fn without_scheme(text: &str) -> &str {
    match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
        _ => text.trim(),
    }
}

/// The name as a text that outlives the request.
fn static_name(name: &HeaderName) -> &'static str {
    match name.as_str() {
        "authorization" => "authorization",
        "x-api-key" => "x-api-key",
        "api-key" => "api-key",
        "x-goog-api-key" => "x-goog-api-key",
        _ => "x-anyray-api-key",
    }
}

#[cfg(test)]
mod tests;
