//! Anyray's own vocabulary on the wire: header names and credential markers.
//!
//! Bodies of the admin and connect API are in [`admin`] and [`connect`], keys and codes themselves
//! in [`credential`].

pub mod admin;
pub mod connect;
pub mod credential;
pub mod headers;
pub mod secret;

use credential::{CLIENT_KEY_PREFIX, INVITE_CODE_PREFIX};

/// What clients send as API key when the gateway alone holds the provider's key.
///
/// It never goes to a provider.
pub const PLACEHOLDER_KEY: &str = "anyray-placeholder";

/// Prefixes of credentials that are ours: personal client keys and invite codes.
///
/// A value that begins with one of them never goes to a provider.
pub const OWN_KEY_PREFIXES: [&str; 2] = [CLIENT_KEY_PREFIX, INVITE_CODE_PREFIX];

/// Whether a credential is meant for the gateway and so must never reach a provider.
///
/// True for client keys, invite codes, the placeholder and the empty string.
pub fn is_own_credential(value: &str) -> bool {
    value.is_empty()
        || value == PLACEHOLDER_KEY
        || OWN_KEY_PREFIXES
            .iter()
            .any(|prefix| value.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_credentials_are_told_from_provider_keys() {
        for own in ["", "anyray-placeholder", "ark_abc", "ari_abc"] {
            assert!(is_own_credential(own), "{own:?}");
        }
        for foreign in [
            "sk-proj-1",
            "sk-ant-oat01-x",
            "anyray-placeholder2",
            "ARK_x",
        ] {
            assert!(!is_own_credential(foreign), "{foreign:?}");
        }
    }
}
