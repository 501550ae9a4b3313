//! Where the credential of a key is: one of a few kinds of Secrets. Which provider takes which is
//! in `anyray-providers`.

use anyray_wire::gateway_config::CredentialKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    v1alpha1::reference::{SecretFileRef, SecretKeyRef, SecretRef},
    validation,
};

/// Where a provider's credential is. Exactly one field is needed, one that the provider takes. A
/// new value of the Secret is used from the next request on, some seconds later, without a
/// restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [validation::AUTH_SOURCE]))]
pub struct ProviderAuth {
    /// The entry of a Secret that holds the provider's API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_secret_ref: Option<SecretKeyRef>,
    /// A Secret with access keys of AWS: `accessKeyId`, `secretAccessKey` and, for the keys of a
    /// session, `sessionToken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_secret_ref: Option<SecretRef>,
    /// The entry of a Secret that holds the JSON file which Google hands out for a service
    /// account. The gateway exchanges it for tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gcp_secret_ref: Option<SecretFileRef>,
    /// A Secret with a client of Microsoft Entra: `tenantId`, `clientId`, `clientSecret` and,
    /// outside of the public cloud, `authority`, such as `https://login.microsoftonline.us`. The
    /// gateway exchanges it for tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entra_secret_ref: Option<SecretRef>,
}

/// Where one credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource<'a> {
    /// [`ProviderAuth::api_key_secret_ref`].
    ApiKey(&'a SecretKeyRef),
    /// [`ProviderAuth::aws_secret_ref`].
    Aws(&'a SecretRef),
    /// [`ProviderAuth::gcp_secret_ref`].
    Gcp(&'a SecretFileRef),
    /// [`ProviderAuth::entra_secret_ref`].
    Entra(&'a SecretRef),
}

impl ProviderAuth {
    /// The one source that is set; none where none or several are, which the rules refuse.
    pub fn source(&self) -> Option<CredentialSource<'_>> {
        let api_key = self.api_key_secret_ref.as_ref();
        let aws = self.aws_secret_ref.as_ref();
        let gcp = self.gcp_secret_ref.as_ref();
        let entra = self.entra_secret_ref.as_ref();
        match (api_key, aws, gcp, entra) {
            (Some(reference), None, None, None) => Some(CredentialSource::ApiKey(reference)),
            (None, Some(reference), None, None) => Some(CredentialSource::Aws(reference)),
            (None, None, Some(reference), None) => Some(CredentialSource::Gcp(reference)),
            (None, None, None, Some(reference)) => Some(CredentialSource::Entra(reference)),
            _ => None,
        }
    }

    /// Name of the Secret that holds the credential.
    pub fn secret_name(&self) -> Option<&str> {
        self.source().map(|source| source.secret_name())
    }
}

impl<'a> CredentialSource<'a> {
    /// Name of the Secret.
    pub fn secret_name(self) -> &'a str {
        match self {
            Self::ApiKey(reference) => &reference.name,
            Self::Gcp(reference) => &reference.name,
            Self::Aws(reference) | Self::Entra(reference) => &reference.name,
        }
    }

    /// What the credential is, as the gateway gets it.
    pub fn kind(self) -> CredentialKind {
        match self {
            Self::ApiKey(_) => CredentialKind::ApiKey,
            Self::Aws(_) => CredentialKind::AwsKeys,
            Self::Gcp(_) => CredentialKind::GoogleServiceAccount,
            Self::Entra(_) => CredentialKind::EntraClient,
        }
    }
}

/// The field of [`ProviderAuth`] for a kind of credential.
pub fn field(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::ApiKey => "apiKeySecretRef",
        CredentialKind::AwsKeys => "awsSecretRef",
        CredentialKind::GoogleServiceAccount => "gcpSecretRef",
        CredentialKind::EntraClient => "entraSecretRef",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn auth(value: Value) -> ProviderAuth {
        serde_json::from_value(value).expect("auth")
    }

    #[test]
    fn each_kind_of_credential_has_its_field() {
        use CredentialKind as Kind;
        for kind in [
            Kind::ApiKey,
            Kind::AwsKeys,
            Kind::GoogleServiceAccount,
            Kind::EntraClient,
        ] {
            let auth = auth(json!({ field(kind): { "name": "secret" } }));
            let source = auth.source().expect("a source");
            assert_eq!(source.kind(), kind);
            assert_eq!(auth.secret_name(), Some("secret"));
        }
    }

    #[test]
    fn none_and_several_are_no_source() {
        let secret = json!({ "name": "secret" });
        let both = json!({ "apiKeySecretRef": secret, "awsSecretRef": secret });
        for wrong in [json!({}), both] {
            assert_eq!(auth(wrong).source(), None);
        }
    }
}
