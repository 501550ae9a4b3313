//! The public keys that a cluster signs ServiceAccount tokens with, from its JWKS document.
//!
//! Pure; what is signed is not looked at here.
//! Source of the format: RFC 7517 and RFC 7518, section 6.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;

/// Largest document and most keys in it: a cluster publishes a few, more while it rotates them.
const MAX_DOCUMENT_BYTES: usize = 256 << 10;
const MAX_KEYS: usize = 64;

/// Length of a coordinate on P-256.
const COORDINATE_BYTES: usize = 32;

/// Lengths of an RSA modulus that `ring` verifies with: 2,048 to 8,192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// A cluster's keys by their ids; at least one.
#[derive(Clone, Debug)]
pub struct Keys {
    keys: Vec<(String, Key)>,
}

/// Why a document gives no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysFault {
    /// Larger than any cluster's.
    #[error("the key set is larger than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    /// No JSON, or no key set.
    #[error("could not parse the key set")]
    ParseDocument(#[source] serde_json::Error),
    /// More keys than any cluster's.
    #[error("the key set holds more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// Two keys that a token could mean.
    #[error("the key set holds two keys of the same id")]
    DuplicateId,
    /// No key that could verify a token.
    #[error("the key set holds no key for RS256 or ES256")]
    NoUsableKey,
}

/// How a token may be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// RSA, PKCS#1 v1.5, SHA-256.
    Rs256,
    /// ECDSA on P-256, SHA-256.
    Es256,
}

/// One public key, of the one algorithm that it verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    P256 { point: Vec<u8> },
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Reads a JWKS document; keys of other kinds, for other purposes or without an id are left
    /// out.
    ///
    /// # Errors
    /// [`KeysFault`].
    pub fn from_json(document: &[u8]) -> Result<Self, KeysFault> {
        if document.len() > MAX_DOCUMENT_BYTES {
            return Err(KeysFault::TooLarge);
        }
        let document: Document =
            serde_json::from_slice(document).map_err(KeysFault::ParseDocument)?;
        if document.keys.len() > MAX_KEYS {
            return Err(KeysFault::TooManyKeys);
        }
        let mut keys: Vec<(String, Key)> = Vec::new();
        for entry in document.keys {
            let Some(key) = entry.to_key() else { continue };
            let Some(id) = entry.kid else { continue };
            match keys.iter().find(|(known, _)| *known == id) {
                Some((_, known)) if *known != key => return Err(KeysFault::DuplicateId),
                Some(_) => {}
                None => keys.push((id, key)),
            }
        }
        if keys.is_empty() {
            return Err(KeysFault::NoUsableKey);
        }
        Ok(Self { keys })
    }

    /// Whether a token could be signed with a key of this id.
    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        let found = self.keys.iter().find(|(known, _)| known == id);
        found.map(|(_, key)| key)
    }
}

impl Algorithm {
    /// By its name in a token's header (RFC 7518, section 3.1).
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

impl Key {
    pub(super) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256 { .. } => Algorithm::Es256,
        }
    }

    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = match self {
            Self::Rsa { modulus, exponent } => {
                let components = RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                };
                components.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Self::P256 { point } => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

impl Entry {
    /// `None` for what no token may be verified with.
    fn to_key(&self) -> Option<Key> {
        if self
            .purpose
            .as_deref()
            .is_some_and(|purpose| purpose != "sig")
        {
            return None;
        }
        let key = match self.kty.as_str() {
            "RSA" => self.to_rsa(),
            "EC" => self.to_p256(),
            _ => None,
        }?;
        let declared = self.alg.as_deref();
        let fits = declared.is_none_or(|name| Algorithm::from_name(name) == Some(key.algorithm()));
        fits.then_some(key)
    }

    fn to_rsa(&self) -> Option<Key> {
        let modulus = decode_number(self.n.as_deref()?)?;
        let exponent = decode_number(self.e.as_deref()?)?;
        MODULUS_BYTES
            .contains(&modulus.len())
            .then_some(Key::Rsa { modulus, exponent })
    }

    /// The point in its uncompressed form (SEC 1, section 2.3.3).
    fn to_p256(&self) -> Option<Key> {
        if self.crv.as_deref() != Some("P-256") {
            return None;
        }
        let x = URL_SAFE_NO_PAD.decode(self.x.as_deref()?).ok()?;
        let y = URL_SAFE_NO_PAD.decode(self.y.as_deref()?).ok()?;
        let is_point = x.len() == COORDINATE_BYTES && y.len() == COORDINATE_BYTES;
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        is_point.then_some(Key::P256 { point })
    }
}

/// A number without the zeros before it, which `ring` does not take.
fn decode_number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let first = bytes.iter().position(|&byte| byte != 0)?;
    bytes.get(first..).map(<[u8]>::to_vec)
}
