//! The credential that a ProviderKey names, out of its Secret, in the form that the gateway reads.
//!
//! What such a content must be is `anyray_wire::gateway_config::credential`'s matter. No message
//! quotes anything of a Secret.

use std::collections::BTreeMap;

use anyray_crds::{
    conditions::Reason,
    v1alpha1::{
        provider_key::auth::{self, CredentialSource},
        reference::{SecretFileRef, SecretKeyRef},
    },
};
use anyray_providers::check as provider_check;
use anyray_wire::gateway_config::{
    CredentialKind,
    credential::{self, CredentialError},
    egress::EgressRule,
};
use secrecy::{ExposeSecret as _, SecretSlice};

use super::material::{ANY_ADDRESS, SecretEntries};
use crate::fault::Fault;

/// Longest credential. One that is longer would take the room of the gateway's other keys.
const MAX_CREDENTIAL_BYTES: usize = 16 << 10;

/// The entries of a Secret that together are a credential, by the names of its fields in JSON.
struct Fields {
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

const AWS: Fields = Fields {
    required: &["accessKeyId", "secretAccessKey"],
    optional: &["sessionToken"],
};

const ENTRA: Fields = Fields {
    required: &["tenantId", "clientId", "clientSecret"],
    optional: &["authority"],
};

/// What the gateway gets of a credential: the one entry that holds it, or JSON of several.
///
/// # Errors
/// [`Fault`], where the Secret or an entry is missing, or cannot be a field.
pub fn read(
    source: CredentialSource<'_>,
    secret: Option<&SecretEntries>,
) -> Result<SecretSlice<u8>, Fault> {
    let secret = secret.ok_or_else(|| {
        let message = format!(
            "there is no Secret {}: create it in this namespace with {}",
            source.secret_name(),
            needed(source)
        );
        Fault::new(Reason::SecretNotFound, message)
    })?;
    match source {
        CredentialSource::ApiKey(SecretKeyRef { key, .. })
        | CredentialSource::Gcp(SecretFileRef { key, .. }) => {
            let value = secret.entries.get(key);
            value.cloned().ok_or_else(|| missing(source, key))
        }
        CredentialSource::Aws(_) => document(source, &AWS, secret),
        CredentialSource::Entra(_) => document(source, &ENTRA, secret),
    }
}

/// Whether the gateway can use a credential as it was [`read`], with this rule on addresses.
///
/// # Errors
/// [`Fault`] that says what is wrong and where.
pub fn check(
    source: CredentialSource<'_>,
    value: &SecretSlice<u8>,
    allow_insecure: bool,
    egress: &EgressRule,
) -> Result<(), Fault> {
    let place = place(source);
    let value = value.expose_secret();
    if value.len() > MAX_CREDENTIAL_BYTES {
        let what = "is longer than any credential, which has at most 16 KiB";
        return Err(wrong(Reason::InvalidKey, &place, what, source));
    }
    let content = credential::check(source.kind(), value).map_err(|error| {
        let reason = match error {
            CredentialError::Empty => Reason::EmptyKey,
            CredentialError::Malformed(_) => Reason::InvalidKey,
        };
        wrong(reason, &place, &error.to_string(), source)
    })?;
    for (reason, egress) in [
        (Reason::InvalidKey, &ANY_ADDRESS),
        (Reason::EndpointNotAllowed, egress),
    ] {
        provider_check::check_token_url(&content, allow_insecure, egress).map_err(|message| {
            let message = format!("{place}, URL of the token service: {message}");
            Fault::new(reason, message)
        })?;
    }
    Ok(())
}

/// JSON of entries, without the white space around each.
fn document(
    source: CredentialSource<'_>,
    fields: &Fields,
    secret: &SecretEntries,
) -> Result<SecretSlice<u8>, Fault> {
    let mut document = BTreeMap::new();
    for &entry in fields.required {
        let value = secret.entries.get(entry);
        let value = value.ok_or_else(|| missing(source, entry))?;
        document.insert(entry, text(source, entry, value)?);
    }
    for &entry in fields.optional {
        if let Some(value) = secret.entries.get(entry) {
            document.insert(entry, text(source, entry, value)?);
        }
    }
    Ok(to_json(&document).into())
}

#[expect(clippy::expect_used, reason = "text, by text keys")]
fn to_json(document: &BTreeMap<&str, &str>) -> Vec<u8> {
    serde_json::to_vec(document).expect("plain data is JSON")
}

fn text<'s>(
    source: CredentialSource<'_>,
    entry: &str,
    value: &'s SecretSlice<u8>,
) -> Result<&'s str, Fault> {
    let (reason, what) = match str::from_utf8(value.expose_secret()).map(str::trim) {
        Ok("") => (Reason::EmptyKey, "is empty"),
        Ok(text) => return Ok(text),
        Err(_) => (Reason::InvalidKey, "is not text"),
    };
    let place = format!("the entry {entry} of the Secret {}", source.secret_name());
    Err(wrong(reason, &place, what, source))
}

fn missing(source: CredentialSource<'_>, entry: &str) -> Fault {
    let (secret, field) = (source.secret_name(), auth::field(source.kind()));
    let advice = match source {
        CredentialSource::ApiKey(_) | CredentialSource::Gcp(_) => {
            format!("add it, or name another in spec.auth.{field}.key")
        }
        CredentialSource::Aws(_) | CredentialSource::Entra(_) => "add it".to_owned(),
    };
    let message = format!("the Secret {secret} has no entry {entry}: {advice}");
    Fault::new(Reason::KeyMissing, message)
}

fn wrong(reason: Reason, place: &str, what: &str, source: CredentialSource<'_>) -> Fault {
    let advice = match source.kind() {
        CredentialKind::ApiKey => "put the provider's key there",
        CredentialKind::AwsKeys => "put access keys of AWS there",
        CredentialKind::GoogleServiceAccount => "put the file there that Google hands out",
        CredentialKind::EntraClient => "put a client of Microsoft Entra there",
    };
    Fault::new(reason, format!("{place} {what}: {advice}"))
}

/// Where a credential is, for people.
fn place(source: CredentialSource<'_>) -> String {
    let secret = source.secret_name();
    match source {
        CredentialSource::ApiKey(SecretKeyRef { key, .. })
        | CredentialSource::Gcp(SecretFileRef { key, .. }) => {
            format!("the entry {key} of the Secret {secret}")
        }
        CredentialSource::Aws(_) | CredentialSource::Entra(_) => format!("the Secret {secret}"),
    }
}

/// The entries that a Secret must have, for people.
fn needed(source: CredentialSource<'_>) -> String {
    match source {
        CredentialSource::ApiKey(SecretKeyRef { key, .. })
        | CredentialSource::Gcp(SecretFileRef { key, .. }) => format!("an entry {key}"),
        CredentialSource::Aws(_) => format!("the entries {}", AWS.required.join(", ")),
        CredentialSource::Entra(_) => format!("the entries {}", ENTRA.required.join(", ")),
    }
}
