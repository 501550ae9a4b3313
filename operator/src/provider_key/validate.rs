//! Whether a ProviderKey and what it names can be used, and why not.

use anyray_crds::{
    conditions::Reason,
    v1alpha1::{
        ProviderKey,
        provider_key::{self, auth},
    },
    validation,
};
use anyray_providers::check as provider_check;
use anyray_wire::gateway_config::{CredentialKind, Endpoint, FieldError, egress::EgressRule};
use kube::ResourceExt as _;
use secrecy::SecretSlice;

use super::{
    credential,
    material::{ANY_ADDRESS, Material},
};
use crate::fault::Fault;

/// Largest CA bundle. One that is larger would take the room of the gateway's other keys.
pub const MAX_CA_BUNDLE_BYTES: usize = 128 << 10;

/// A ProviderKey that works, as far as can be told without a request.
#[derive(Clone, Debug)]
pub struct UsableKey {
    /// The ProviderKey's name.
    pub name: String,
    /// The provider's slug.
    pub provider: &'static str,
    /// What the credential is.
    pub kind: CredentialKind,
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
    let usable = credential(key, material, egress).and_then(|(kind, secret)| {
        let version = material.secret.as_ref();
        Ok(UsableKey {
            name: name.clone(),
            provider,
            kind,
            secret,
            version: version.and_then(|secret| secret.version.clone()),
            endpoint: endpoint(key, material, egress)?,
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
    egress: &EgressRule,
) -> Result<(CredentialKind, SecretSlice<u8>), Fault> {
    if key.spec.suspend {
        return Err(Fault::new(
            Reason::Suspended,
            "spec.suspend is true: set it to false to use the key again",
        ));
    }
    let source = key.spec.auth.source().ok_or_else(|| {
        let message = format!("spec.auth: {}", validation::AUTH_SOURCE.message);
        Fault::new(Reason::Invalid, message)
    })?;
    let kind = source.kind();
    provider_check::check_credential(&*key.spec.provider, kind).map_err(|error| {
        let message = format!("spec.auth.{} {}", auth::field(kind), error.message);
        Fault::new(Reason::Invalid, message)
    })?;
    let value = credential::read(source, material.secret.as_ref())?;
    let endpoint = key.spec.endpoint.as_ref();
    let allow_insecure = endpoint.is_some_and(|endpoint| endpoint.allow_insecure);
    credential::check(source, &value, allow_insecure, egress)?;
    Ok((kind, value))
}

/// The endpoint as the gateway reads it; absent where the spec has none and none is needed.
fn endpoint(
    key: &ProviderKey,
    material: &Material,
    egress: &EgressRule,
) -> Result<Option<Endpoint>, Fault> {
    let wanted = key.spec.endpoint.as_ref();
    let endpoint = wanted.map(|wanted| {
        Ok(Endpoint {
            url: wanted.url.clone(),
            allow_insecure: wanted.allow_insecure,
            ca_bundle: ca_bundle(wanted, material)?,
            region: wanted.region.clone(),
            project_id: wanted.project_id.clone(),
            location: wanted.location.clone(),
            api_version: wanted.api_version.clone(),
            models: wanted.models.clone(),
        })
    });
    let endpoint = endpoint.transpose()?;
    let (provider, checked) = (&*key.spec.provider, endpoint.clone().unwrap_or_default());
    provider_check::check_endpoint(provider, &checked, &ANY_ADDRESS).map_err(invalid_endpoint)?;
    provider_check::check_endpoint(provider, &checked, egress).map_err(|error| {
        let message = format!("spec.{}", error.under("endpoint"));
        Fault::new(Reason::EndpointNotAllowed, message)
    })?;
    Ok(endpoint)
}

fn invalid_endpoint(error: FieldError) -> Fault {
    if error.field == "caBundle" {
        let message = format!(
            "the certificates of spec.endpoint.caBundleRef: {}",
            error.message
        );
        return Fault::new(Reason::InvalidCaBundle, message);
    }
    let message = format!("spec.{}", error.under("endpoint"));
    Fault::new(Reason::InvalidEndpoint, message)
}

fn ca_bundle(
    wanted: &provider_key::endpoint::Endpoint,
    material: &Material,
) -> Result<Option<String>, Fault> {
    let Some(reference) = &wanted.ca_bundle_ref else {
        return Ok(None);
    };
    let data = material.ca_bundle.as_ref();
    let pem = data
        .and_then(|data| data.get(&reference.key))
        .ok_or_else(|| {
            let message = format!(
                "there is no ConfigMap {} with an entry {}: create it, with PEM certificates",
                reference.name, reference.key
            );
            Fault::new(Reason::CaBundleNotFound, message)
        })?;
    if pem.len() > MAX_CA_BUNDLE_BYTES {
        return Err(Fault::new(
            Reason::InvalidCaBundle,
            "the certificates of spec.endpoint.caBundleRef take more than 128 KiB: keep those that this endpoint needs",
        ));
    }
    Ok(Some(pem.clone()))
}
