//! AWS's Signature Version 4 from the receiver's side: what a request should have
//! been signed with.
//!
//! Pure, and written from AWS's description alone, so that it can contradict the
//! signer of the gateway. Whose keys are known and what a refusal says is in
//! `bedrock::credentials`.
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt::Write;

use http::{HeaderMap, request::Parts};
use ring::{digest, hmac};
use thiserror::Error;

use crate::route::decode;

/// The only algorithm there is.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The end of each credential's scope.
pub(crate) const TERMINATOR: &str = "aws4_request";

/// What an `authorization` header says, in the words of the one who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authorization<'a> {
    pub(crate) access_key_id: &'a str,
    /// `YYYYMMDD`.
    pub(crate) date: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    pub(crate) terminator: &'a str,
    /// Names in lower case.
    pub(crate) signed_headers: Vec<&'a str>,
    /// Lower-case hexadecimal digits.
    pub(crate) signature: &'a str,
}

/// An `authorization` header is not one of this algorithm; the texts are AWS's.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum ParseAuthorizationError {
    #[error("Authorization header requires existence of the algorithm '{ALGORITHM}'.")]
    FindAlgorithm,
    #[error("'{0}' not a valid key=value pair (missing equal-sign) in Authorization header.")]
    SplitPair(String),
    #[error("Authorization header requires '{0}' parameter.")]
    FindParameter(&'static str),
    #[error(
        "Credential must have exactly 5 slash-delimited elements, e.g. \
         keyid/date/region/service/term, got '{0}'"
    )]
    SplitCredential(String),
}

impl<'a> Authorization<'a> {
    /// Reads the value of the header.
    ///
    /// # Errors
    ///
    /// See [`ParseAuthorizationError`].
    pub(crate) fn parse(value: &'a str) -> Result<Self, ParseAuthorizationError> {
        let parameters = value.strip_prefix(ALGORITHM);
        let parameters = parameters.ok_or(ParseAuthorizationError::FindAlgorithm)?;
        let pairs: Vec<(&str, &str)> = parameters
            .split(',')
            .map(str::trim)
            .map(|pair| {
                let split = pair.split_once('=').filter(|(key, _)| !key.contains(' '));
                split.ok_or_else(|| ParseAuthorizationError::SplitPair(pair.to_owned()))
            })
            .collect::<Result<_, _>>()?;
        let find = |name: &'static str| {
            let pair = pairs.iter().find(|(key, _)| *key == name);
            pair.map(|(_, value)| *value)
                .ok_or(ParseAuthorizationError::FindParameter(name))
        };
        let credential = find("Credential")?;
        let elements: Vec<&str> = credential.split('/').collect();
        let [access_key_id, date, region, service, terminator] = *elements.as_slice() else {
            let credential = credential.to_owned();
            return Err(ParseAuthorizationError::SplitCredential(credential));
        };
        Ok(Self {
            access_key_id,
            date,
            region,
            service,
            terminator,
            signed_headers: find("SignedHeaders")?.split(';').collect(),
            signature: find("Signature")?,
        })
    }

    /// What the key of the day is bound to.
    fn scope(&self) -> String {
        let Self {
            date,
            region,
            service,
            terminator,
            ..
        } = self;
        format!("{date}/{region}/{service}/{terminator}")
    }

    /// The signature that the request should have, in hexadecimal digits.
    pub(crate) fn sign(&self, secret_access_key: &str, string_to_sign: &str) -> String {
        let first = format!("AWS4{secret_access_key}").into_bytes();
        let key = [self.date, self.region, self.service, self.terminator]
            .iter()
            .fold(first, |key, part| authenticate(&key, part));
        to_hex(&authenticate(&key, string_to_sign))
    }
}

/// The string whose authentication code is the signature; `sent_at` is the value of
/// `x-amz-date`.
pub(crate) fn string_to_sign(
    authorization: &Authorization<'_>,
    sent_at: &str,
    canonical_request: &str,
) -> String {
    let scope = authorization.scope();
    let hash = hash(canonical_request.as_bytes());
    format!("{ALGORITHM}\n{sent_at}\n{scope}\n{hash}")
}

/// The request as it came, in the one form that both sides agree on.
pub(crate) fn canonical_request(parts: &Parts, body: &[u8], signed_headers: &[&str]) -> String {
    // AWS sorts them itself: a client that does not has another signature.
    let mut names = signed_headers.to_vec();
    names.sort_unstable();
    let headers: String = names
        .iter()
        .filter_map(|name| canonical_header(&parts.headers, name))
        .collect();
    [
        parts.method.as_str(),
        &canonical_path(parts.uri.path()),
        &canonical_query(parts.uri.query().unwrap_or_default()),
        &headers,
        &names.join(";"),
        &hash(body),
    ]
    .join("\n")
}

/// Each segment encoded once more, as for every service but S3: what came as `%2F`
/// is `%252F` here, and a bare `:` is `%3A`.
fn canonical_path(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(encode(segment)),
        }
    }
    let has_end = path.ends_with('/') && !segments.is_empty();
    let end = if has_end { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

fn canonical_query(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<(String, String)> = pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encode(&decode(name)), encode(&decode(value)))
        })
        .collect();
    pairs.sort_unstable();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

/// A line with all values of a header, their white space squeezed.
fn canonical_header(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).iter().map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    let values: Vec<String> = values.collect();
    (!values.is_empty()).then(|| format!("{name}:{}\n", values.join(",")))
}

/// Percent-encoding of all but letters, digits and `-._~`.
fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            // Writing to a string has no way to fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

fn authenticate(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}

fn hash(bytes: &[u8]) -> String {
    to_hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests;
