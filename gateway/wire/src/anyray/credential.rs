//! Client keys and invite codes: how they are written, read and remembered.
//!
//! A key is `ark_`, a key id of 12 digits and lower-case letters, `_`, 43 base62 characters that
//! hold 256 random bits, and 6 base62 characters that hold a CRC-32 of all before them. A code is
//! `ari_` and the same 43 and 6 characters. The checksum tells a mistyped or truncated credential
//! from an unknown one without a look-up, and lets scanners find leaked ones.
//!
//! Only the SHA-256 of a credential is ever stored. With 256 random bits a slow hash would gain
//! nothing.
//!
//! Source of the checksum's form: GitHub's tokens, which carry a CRC-32 in six base62 characters.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Prefix of a client key.
pub const CLIENT_KEY_PREFIX: &str = "ark_";

/// Prefix of an invite code.
pub const INVITE_CODE_PREFIX: &str = "ari_";

/// Prefix of an admin token that the operator has made.
pub const ADMIN_TOKEN_PREFIX: &str = "ar-adm-";

/// Random bytes in a credential.
pub const SECRET_BYTES: usize = 32;

const ID_LENGTH: usize = 12;
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Why a text is no gateway-issued credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// It begins with something else.
    #[error("must begin with {0}")]
    Prefix(&'static str),
    /// It is too short or too long.
    #[error("is not complete: it must have {0} characters")]
    Length(usize),
    /// It holds a character that none of ours has, or the checksum does not fit.
    #[error("is mistyped: its checksum does not fit")]
    Checksum,
}

/// The public part of a client key: 12 digits and lower-case letters.
///
/// It names the key in logs, metrics and the admin API, and is part of its object's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; ID_LENGTH]);

impl KeyId {
    /// An id from random bytes.
    pub fn from_random(random: [u8; 8]) -> Self {
        let mut number = u64::from_be_bytes(random);
        let mut id = [0; ID_LENGTH];
        for place in id.iter_mut().rev() {
            *place = digit(BASE36, number % 36);
            number /= 36;
        }
        Self(id)
    }

    /// The id of the key that an invite code is exchanged for.
    ///
    /// The same code always gives the same id: that no two objects have one name is what makes
    /// the exchange happen once.
    pub fn of_code(code: &CredentialDigest) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"anyray client key id\0");
        hash.update(code.0);
        let hash: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        Self::from_random([a, b, c, d, e, f, g, h])
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl TryFrom<String> for KeyId {
    type Error = CredentialFault;

    fn try_from(text: String) -> Result<Self, CredentialFault> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(value: KeyId) -> Self {
        value.to_string()
    }
}

impl FromStr for KeyId {
    type Err = CredentialFault;

    fn from_str(text: &str) -> Result<Self, CredentialFault> {
        let id = <[u8; ID_LENGTH]>::try_from(text.as_bytes());
        let id = id.map_err(|_| CredentialFault::Length(ID_LENGTH))?;
        if id.iter().all(|byte| BASE36.contains(byte)) {
            Ok(Self(id))
        } else {
            Err(CredentialFault::Checksum)
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// SHA-256 of a credential's text: what is stored of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct CredentialDigest([u8; 32]);

impl CredentialDigest {
    /// The digest of a credential.
    pub fn of(credential: &str) -> Self {
        Self(Sha256::digest(credential).into())
    }

    /// Whether both are the same, in a time that says nothing about where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// `sha256:` and 64 lower-case hexadecimal digits.
impl fmt::Display for CredentialDigest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("sha256:")?;
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// A text is no digest: it must be `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be sha256: and 64 lower-case hexadecimal digits")]
pub struct DigestFault;

impl TryFrom<String> for CredentialDigest {
    type Error = DigestFault;

    fn try_from(text: String) -> Result<Self, DigestFault> {
        text.parse()
    }
}

impl From<CredentialDigest> for String {
    fn from(value: CredentialDigest) -> Self {
        value.to_string()
    }
}

impl FromStr for CredentialDigest {
    type Err = DigestFault;

    fn from_str(text: &str) -> Result<Self, DigestFault> {
        let digits = text.strip_prefix("sha256:").ok_or(DigestFault)?.as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(DigestFault);
        }
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Ok(digit - b'0'),
            b'a'..=b'f' => Ok(digit - b'a' + 10),
            _ => Err(DigestFault),
        };
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = value(*high)? << 4 | value(*low)?;
        }
        Ok(Self(bytes))
    }
}

/// Writes a client key from its id and random bytes. The answer is the secret itself.
pub fn write_client_key(id: KeyId, random: &[u8; SECRET_BYTES]) -> String {
    seal(format!("{CLIENT_KEY_PREFIX}{id}_{}", base62(random)))
}

/// Writes an invite code from random bytes. The answer is the secret itself.
pub fn write_invite_code(random: &[u8; SECRET_BYTES]) -> String {
    seal(format!("{INVITE_CODE_PREFIX}{}", base62(random)))
}

/// Writes an admin token from random bytes. The answer is the secret itself.
pub fn write_admin_token(random: &[u8; SECRET_BYTES]) -> String {
    format!("{ADMIN_TOKEN_PREFIX}{}", base62(random))
}

/// Reads the id of a client key, once all of the key is known to be well formed.
///
/// # Errors
/// [`CredentialFault`]; whether the key is known is another question.
pub fn read_client_key(text: &str) -> Result<KeyId, CredentialFault> {
    let length = CLIENT_KEY_PREFIX.len() + ID_LENGTH + 1 + SECRET_LENGTH + CHECKSUM_LENGTH;
    let rest = check(text, CLIENT_KEY_PREFIX, length)?;
    let id = rest.split_once('_').map(|(id, _)| id);
    id.ok_or(CredentialFault::Checksum)?.parse()
}

/// Reads an invite code, which has no id: checks that it is well formed.
///
/// # Errors
/// [`CredentialFault`]; whether the code is known is another question.
pub fn check_invite_code(text: &str) -> Result<(), CredentialFault> {
    let length = INVITE_CODE_PREFIX.len() + SECRET_LENGTH + CHECKSUM_LENGTH;
    check(text, INVITE_CODE_PREFIX, length).map(|_| ())
}

/// What stands behind the prefix of a well-formed credential.
fn check<'t>(
    text: &'t str,
    prefix: &'static str,
    length: usize,
) -> Result<&'t str, CredentialFault> {
    let rest = text
        .strip_prefix(prefix)
        .ok_or(CredentialFault::Prefix(prefix))?;
    if text.len() != length {
        return Err(CredentialFault::Length(length));
    }
    let parts = text.split_at_checked(length - CHECKSUM_LENGTH);
    match parts {
        Some((sealed, sum)) if sum.as_bytes() == checksum(sealed) => Ok(rest),
        _ => Err(CredentialFault::Checksum),
    }
}

fn seal(mut text: String) -> String {
    for byte in checksum(&text) {
        text.push(char::from(byte));
    }
    text
}

fn checksum(text: &str) -> [u8; CHECKSUM_LENGTH] {
    let mut number = u64::from(crc32fast::hash(text.as_bytes()));
    let mut digits = [0; CHECKSUM_LENGTH];
    for place in digits.iter_mut().rev() {
        *place = digit(BASE62, number % 62);
        number /= 62;
    }
    digits
}

/// 32 bytes, read as one big-endian number, in 43 digits.
fn base62(bytes: &[u8; SECRET_BYTES]) -> String {
    let mut number = *bytes;
    let mut digits = [0; SECRET_LENGTH];
    for place in digits.iter_mut().rev() {
        let mut remainder = 0;
        for byte in &mut number {
            let dividend = remainder << 8 | u32::from(*byte);
            *byte = u8::try_from(dividend / 62).unwrap_or_default();
            remainder = dividend % 62;
        }
        *place = digit(BASE62, u64::from(remainder));
    }
    digits.iter().copied().map(char::from).collect()
}

fn digit(alphabet: &[u8], value: u64) -> u8 {
    let index = usize::try_from(value).unwrap_or_default();
    alphabet.get(index).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        write_client_key(KeyId::from_random([1, 2, 3, 4, 5, 6, 7, 8]), &[7; 32])
    }

    #[test]
    fn a_key_is_read_back_by_its_id() {
        let id = read_client_key(&key()).expect("well formed");
        assert_eq!(id, KeyId::from_random([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_eq!(id.as_str().len(), 12);
        assert_eq!(id.as_str().parse(), Ok(id));
    }

    #[test]
    fn credentials_have_one_length_whatever_their_bytes() {
        for random in [[0; 32], [0xff; 32], [0x80; 32]] {
            let code = write_invite_code(&random);
            assert_eq!(code.len(), 4 + 43 + 6, "{code}");
            assert_eq!(check_invite_code(&code), Ok(()));
            let largest = write_client_key(KeyId::from_random([0xff; 8]), &random);
            assert_eq!(largest.len(), 4 + 12 + 1 + 43 + 6, "{largest}");
            assert!(read_client_key(&largest).is_ok());
        }
    }

    #[test]
    fn different_bytes_make_different_credentials() {
        let mut other = [7; 32];
        other[31] = 8;
        assert_ne!(write_invite_code(&[7; 32]), write_invite_code(&other));
        assert!(write_invite_code(&[0; 32]).starts_with("ari_0000000"));
    }

    #[test]
    fn a_truncated_or_mistyped_credential_is_told_from_an_unknown_one() {
        let key = key();
        assert_eq!(
            read_client_key(key.get(..key.len() - 1).expect("ASCII")),
            Err(CredentialFault::Length(66))
        );
        for at in 4..key.len() {
            let mut mistyped = key.clone().into_bytes();
            mistyped[at] = if mistyped[at] == b'x' { b'y' } else { b'x' };
            let mistyped = String::from_utf8(mistyped).expect("text");
            assert!(read_client_key(&mistyped).is_err(), "{mistyped}");
        }
        assert_eq!(
            read_client_key("sk-proj-1"),
            Err(CredentialFault::Prefix("ark_"))
        );
        let code = write_invite_code(&[9; 32]);
        assert_eq!(
            check_invite_code(code.get(..20).expect("ASCII")),
            Err(CredentialFault::Length(53))
        );
        let umlaut = format!("ari_{}ü", "0".repeat(47));
        assert_eq!(
            check_invite_code(&umlaut),
            Err(CredentialFault::Checksum),
            "{}",
            umlaut.len()
        );
    }

    #[test]
    fn a_digest_is_read_back_and_compared_whole() {
        let digest = CredentialDigest::of(&key());
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!(digest.matches(&CredentialDigest::of(&key())));
        assert!(!digest.matches(&CredentialDigest::of("another")));
        for wrong in ["", "sha256:", "sha256:AB", &"a".repeat(71)] {
            assert_eq!(wrong.parse::<CredentialDigest>(), Err(DigestFault));
        }
        let upper = digest.to_string().to_uppercase();
        assert!(upper.parse::<CredentialDigest>().is_err());
    }

    #[test]
    fn one_code_always_leads_to_one_key_id() {
        let code = CredentialDigest::of(&write_invite_code(&[3; 32]));
        assert_eq!(KeyId::of_code(&code), KeyId::of_code(&code));
        let other = CredentialDigest::of(&write_invite_code(&[4; 32]));
        assert_ne!(KeyId::of_code(&code), KeyId::of_code(&other));
    }
}
