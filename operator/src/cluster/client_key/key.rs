//! The Secret with a key that the operator makes for a program.

use anyray_crds::v1alpha1::{ClientKey, client_key::KnownKey};
use anyray_wire::anyray::credential::{
    CredentialDigest, KeyId, SECRET_BYTES, read_client_key, write_client_key,
};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use secrecy::ExposeSecret as _;

use crate::{metadata, provider_key::material::SecretEntries};

/// Entry of the Secret; programs and ProviderKeys of other gateways look there, too.
pub const KEY_ENTRY: &str = "apiKey";

/// The random bytes of a key.
pub struct Random {
    /// For its id.
    pub id: [u8; 8],
    /// For its secret part.
    pub secret: [u8; SECRET_BYTES],
}

/// Nothing of the bytes.
impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

/// A new key.
pub struct Minted {
    /// The only place where the key is.
    pub secret: Secret,
    /// What is known of it elsewhere.
    pub known: KnownKey,
}

/// Nothing of the Secret.
impl std::fmt::Debug for Minted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minted")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// Makes the key of a `ClientKey`, for a Secret of this name.
///
/// The Secret cannot be changed: what is in it was made here, and it is deleted for another key.
pub fn mint(key: &ClientKey, name: &str, random: &Random) -> Minted {
    let id = KeyId::from_random(random.id);
    let text = write_client_key(id, &random.secret);
    let known = known(id, &text);
    let secret = Secret {
        metadata: metadata::minted(key, name, "client-key"),
        type_: Some("Opaque".to_owned()),
        immutable: Some(true),
        data: Some([(KEY_ENTRY.to_owned(), ByteString(text.into_bytes()))].into()),
        ..Secret::default()
    };
    Minted { secret, known }
}

/// What is known of the key in a Secret, if there is one that is well formed.
pub fn read(secret: &SecretEntries) -> Option<KnownKey> {
    let text = std::str::from_utf8(secret.entries.get(KEY_ENTRY)?.expose_secret()).ok()?;
    let id = read_client_key(text).ok()?;
    Some(known(id, text))
}

fn known(id: KeyId, text: &str) -> KnownKey {
    KnownKey {
        id: id.to_string(),
        hash: CredentialDigest::of(text).to_string(),
    }
}
