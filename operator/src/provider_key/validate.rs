//! Whether a ProviderKey and what it names can be used, and why not.

use std::collections::BTreeMap;

use anyray_crds::{conditions::Reason, v1alpha1::ProviderKey};
use anyray_wire::gateway_config::{Endpoint, api_key, egress::EgressRule, endpoint};
use kube::ResourceExt as _;
use secrecy::{ExposeSecret as _, SecretSlice};

/// Longest API key. One that is longer would take the room of the gateway's other keys.
const MAX_KEY_BYTES: usize = 16 << 10;

/// Largest CA bundle, for the same reason.
pub const MAX_CA_BUNDLE_BYTES: usize = 128 << 10;

/// What a ProviderKey names, as it was found; nothing found is no error here.
#[derive(Clone, Debug, Default)]
pub struct Material {
    /// The Secret.
    pub secret: Option<SecretEntries>,
    /// The `data` of the ConfigMap with certificates.
    pub ca_bundle: Option<BTreeMap<String, String>>,
}

/// The entries of a Secret and its version.
#[derive(Clone, Debug)]
pub struct SecretEntries {
    /// `metadata.resourceVersion`; absent where no API server has given one.
    pub version: Option<String>,
    /// The entries of `data`.
    pub entries: BTreeMap<String, SecretSlice<u8>>,
}

/// A ProviderKey that works, as far as can be told without a request.
#[derive(Clone, Debug)]
pub struct UsableKey {
    /// The ProviderKey's name.
    pub name: String,
    /// The provider's slug.
    pub provider: &'static str,
    /// The credential.
    pub secret: SecretSlice<u8>,
    /// Version of the Secret.
    pub version: Option<String>,
    /// Where requests go; absent for the provider's public API.
    pub endpoint: Option<Endpoint>,
}

/// A ProviderKey that does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusableKey {
    /// The ProviderKey's name.
    pub name: String,
    /// The provider's slug.
    pub provider: &'static str,
    /// Why.
    pub fault: Fault,
}

/// What keeps an object from use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In one word.
    pub reason: Reason,
    /// What is wrong, where, and what to do.
    pub message: String,
}

impl Fault {
    /// A fault with its message.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

/// Whether a ProviderKey can be used by a gateway with this rule on addresses.
///
/// # Errors
/// [`UnusableKey`] with the first fault.
pub fn validate(
    key: &ProviderKey,
    material: &Material,
    egress: &EgressRule,
) -> Result<UsableKey, UnusableKey> {
    let name = key.name_any();
    let provider = key.spec.provider.slug();
    let usable = credential(key, material).and_then(|(secret, version)| {
        Ok(UsableKey {
            name: name.clone(),
            provider,
            secret,
            version,
            endpoint: checked_endpoint(key, material, egress)?,
        })
    });
    usable.map_err(|fault| UnusableKey {
        name,
        provider,
        fault,
    })
}

fn credential(
    key: &ProviderKey,
    material: &Material,
) -> Result<(SecretSlice<u8>, Option<String>), Fault> {
    if key.spec.suspend {
        return Err(Fault::new(
            Reason::Suspended,
            "spec.suspend is true: set it to false to use the key again",
        ));
    }
    let reference = &key.spec.auth.api_key_secret_ref;
    let secret = material.secret.as_ref().ok_or_else(|| {
        let message = format!(
            "there is no Secret {}: create it in this namespace with an entry {}",
            reference.name, reference.key
        );
        Fault::new(Reason::SecretNotFound, message)
    })?;
    let value = secret.entries.get(&reference.key).ok_or_else(|| {
        let message = format!(
            "the Secret {} has no entry {}: add it, or name another in spec.auth.apiKeySecretRef.key",
            reference.name, reference.key
        );
        Fault::new(Reason::KeyMissing, message)
    })?;
    check_api_key(value, &reference.name, &reference.key)?;
    Ok((value.clone(), secret.version.clone()))
}

fn check_api_key(value: &SecretSlice<u8>, secret: &str, entry: &str) -> Result<(), Fault> {
    let (reason, what) = match api_key::check(value.expose_secret()) {
        Ok(key) if key.len() > MAX_KEY_BYTES => (
            Reason::InvalidKey,
            "is longer than any API key, which has at most 16 KiB",
        ),
        Ok(_) => return Ok(()),
        Err(api_key::ApiKeyError::Empty) => (Reason::EmptyKey, "is empty"),
        Err(api_key::ApiKeyError::Malformed) => (
            Reason::InvalidKey,
            "is not an API key, which is one line of printable ASCII",
        ),
    };
    let message =
        format!("the entry {entry} of the Secret {secret} {what}: put the provider's key there");
    Err(Fault::new(reason, message))
}

fn checked_endpoint(
    key: &ProviderKey,
    material: &Material,
    egress: &EgressRule,
) -> Result<Option<Endpoint>, Fault> {
    let Some(wanted) = &key.spec.endpoint else {
        return Ok(None);
    };
    let ca_bundle = wanted.ca_bundle_ref.as_ref().map(|reference| {
        let data = material.ca_bundle.as_ref();
        data.and_then(|data| data.get(&reference.key))
            .ok_or_else(|| {
                let message = format!(
                    "there is no ConfigMap {} with an entry {}: create it, with PEM certificates",
                    reference.name, reference.key
                );
                Fault::new(Reason::CaBundleNotFound, message)
            })
    });
    let endpoint = Endpoint {
        url: wanted.url.clone(),
        allow_insecure: wanted.allow_insecure,
        ca_bundle: ca_bundle.transpose()?.cloned(),
    };
    if endpoint
        .ca_bundle
        .as_ref()
        .is_some_and(|pem| pem.len() > MAX_CA_BUNDLE_BYTES)
    {
        return Err(Fault::new(
            Reason::InvalidCaBundle,
            "the certificates of spec.endpoint.caBundleRef take more than 128 KiB: keep those that this endpoint needs",
        ));
    }
    match endpoint::check(&endpoint, egress) {
        Ok(_) => Ok(Some(endpoint)),
        Err(error) if error.field == "caBundle" => Err(Fault::new(
            Reason::InvalidCaBundle,
            format!(
                "the certificates of spec.endpoint.caBundleRef: {}",
                error.message
            ),
        )),
        Err(error) => Err(Fault::new(
            Reason::EndpointNotAllowed,
            format!("spec.endpoint.url: {}", error.message),
        )),
    }
}
