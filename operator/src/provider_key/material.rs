//! What a ProviderKey names, as it was found.

use std::collections::BTreeMap;

use anyray_wire::gateway_config::egress::EgressRule;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use secrecy::SecretSlice;

/// What is wrong whichever addresses a gateway allows, which is its own affair.
pub const ANY_ADDRESS: EgressRule = EgressRule {
    allow_private: true,
    allowed: Vec::new(),
};

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

impl SecretEntries {
    /// The entries of a Secret, out of the reach of logs.
    pub fn from_secret(secret: Secret) -> Self {
        let version = secret.resource_version();
        let text = secret.string_data.into_iter().flatten();
        let text = text.map(|(name, value)| (name, SecretSlice::from(value.into_bytes())));
        let data = secret.data.into_iter().flatten();
        let data = data.map(|(name, value)| (name, SecretSlice::from(value.0)));
        Self {
            version,
            entries: data.chain(text).collect(),
        }
    }
}
