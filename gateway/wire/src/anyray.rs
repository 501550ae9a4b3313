//! Anyray's own vocabulary on the wire: header names and credential markers.
//!
//! Admin and connect bodies join here once invites exist.

pub mod headers;

/// What clients send as API key when the gateway alone holds the provider's key.
///
/// It never goes to a provider.
pub const PLACEHOLDER_KEY: &str = "anyray-placeholder";

/// Prefixes of credentials that are ours: personal client keys and invite codes.
///
/// A value that begins with one of them never goes to a provider.
pub const OWN_KEY_PREFIXES: [&str; 2] = ["ark_", "ari_"];

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
