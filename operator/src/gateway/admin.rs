//! The admin token: read from the Secret that the spec names, or made once by the operator.

use anyray_crds::{
    conditions::Reason,
    v1alpha1::{AnyrayGateway, anyray_gateway::data_plane::AdminTokenRef},
};
use anyray_wire::anyray::credential::{SECRET_BYTES, write_admin_token};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt as _;
use secrecy::{ExposeSecret as _, SecretSlice};

use crate::{fault::Fault, metadata, provider_key::material::SecretEntries};

/// Length of a token, as the field's documentation has it.
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 16..=256;

/// The token of `/admin`, checked.
#[derive(Clone, Debug)]
pub struct AdminToken {
    /// The token.
    pub token: SecretSlice<u8>,
    /// Version of the Secret.
    pub version: Option<String>,
    /// Host by which `/admin` may be called from outside.
    pub host: Option<String>,
}

/// Which entry of which Secret has the token of a gateway.
pub fn reference(gateway: &AnyrayGateway) -> AdminTokenRef {
    let named = gateway.spec.admin.token_secret_ref.clone();
    named.unwrap_or_else(|| AdminTokenRef {
        name: metadata::admin_secret_name(&gateway.name_any()),
        key: TOKEN_ENTRY.to_owned(),
    })
}

/// Entry of the Secret that the operator makes.
const TOKEN_ENTRY: &str = "token";

/// Whether the token is the operator's to make.
pub fn is_minted(gateway: &AnyrayGateway) -> bool {
    let admin = &gateway.spec.admin;
    admin.enabled && admin.token_secret_ref.is_none()
}

/// The Secret with a new token.
pub fn secret(gateway: &AnyrayGateway, random: &[u8; SECRET_BYTES]) -> Secret {
    let name = metadata::admin_secret_name(&gateway.name_any());
    let token = ByteString(write_admin_token(random).into_bytes());
    Secret {
        metadata: metadata::child(gateway, name),
        type_: Some("Opaque".to_owned()),
        data: Some([(TOKEN_ENTRY.to_owned(), token)].into()),
        ..Secret::default()
    }
}

/// Checks the token that was found. Without a cluster there is none where the spec names none;
/// that is no fault.
///
/// # Errors
/// [`Fault`] that quotes nothing of it.
pub fn validate(
    gateway: &AnyrayGateway,
    found: Option<&SecretEntries>,
) -> Result<Option<AdminToken>, Fault> {
    if !gateway.spec.admin.enabled || (found.is_none() && is_minted(gateway)) {
        return Ok(None);
    }
    let AdminTokenRef { name, key } = reference(gateway);
    let secret = found.ok_or_else(|| {
        let message = format!(
            "admin: there is no Secret {name}: create it in this namespace with an entry {key}, or remove spec.admin.tokenSecretRef"
        );
        Fault::new(Reason::SecretNotFound, message)
    })?;
    let value = secret.entries.get(&key).ok_or_else(|| {
        let message = format!(
            "admin: the Secret {name} has no entry {key}: add it, with a token of 16 to 256 characters"
        );
        Fault::new(Reason::KeyMissing, message)
    })?;
    let token = read(value.expose_secret()).ok_or_else(|| {
        let message = format!(
            "admin: the entry {key} of the Secret {name} is no token, which has 16 to 256 printable ASCII characters and no spaces: put one there"
        );
        Fault::new(Reason::InvalidKey, message)
    })?;
    Ok(Some(AdminToken {
        token: token.to_vec().into(),
        version: secret.version.clone(),
        host: gateway.spec.admin.host.clone(),
    }))
}

/// The token, without the line break that an editor leaves at its end.
fn read(value: &[u8]) -> Option<&[u8]> {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    let value = value.strip_suffix(b"\r").unwrap_or(value);
    let is_token = TOKEN_BYTES.contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    is_token.then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_one_word_of_printable_ascii() {
        let longest = "x".repeat(256);
        for token in ["0123456789abcdef", "~!@#$%^&*()_+{}|", &longest] {
            assert_eq!(read(token.as_bytes()), Some(token.as_bytes()));
            for end in ["\n", "\r\n"] {
                let edited = format!("{token}{end}");
                assert_eq!(read(edited.as_bytes()), Some(token.as_bytes()));
            }
        }
        let too_long = "x".repeat(257);
        for wrong in [
            "",
            "0123456789abcde",
            "0123456789 abcdef",
            "0123456789abcdef\n\n",
            "0123456789abcdef\u{e9}",
            &too_long,
        ] {
            assert_eq!(read(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn the_secret_belongs_to_its_gateway_and_can_be_edited() {
        let gateway =
            AnyrayGateway::new("main", serde_json::from_value(json!({})).expect("a spec"));
        let secret = secret(&gateway, &[7; SECRET_BYTES]);
        assert_eq!(secret.metadata.name.as_deref(), Some("main-admin"));
        let labels = secret.metadata.labels.as_ref().expect("labels");
        assert_eq!(labels["anyray.ai/gateway"], "main");
        assert_eq!(secret.immutable, None);
        let found = SecretEntries::from_secret(secret);
        let token = validate(&gateway, Some(&found)).expect("a token");
        assert!(token.is_some());
    }

    #[test]
    fn a_made_token_is_one() {
        for random in [[0; SECRET_BYTES], [0xff; SECRET_BYTES]] {
            let token = write_admin_token(&random);
            assert_eq!(read(token.as_bytes()), Some(token.as_bytes()));
        }
    }
}
