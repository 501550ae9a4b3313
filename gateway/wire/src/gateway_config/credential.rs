//! What the content of a credential's file must be, by kind, for whoever writes or reads one.
//!
//! Which file that is stands in [`super::Credential`]. No error quotes anything of a content.

use std::fmt;

use http::{Uri, uri::Scheme};
use ring::signature::RsaKeyPair;
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject as _};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{CredentialKind, api_key};
use crate::anyray::secret::Secret;

/// Authority of Microsoft Entra for the public cloud.
const ENTRA_AUTHORITY: &str = "https://login.microsoftonline.com";

/// Token endpoint of Google, which its files name.
const GOOGLE_TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// A content that is a credential. Debug output tells the kind alone.
pub enum Content<'c> {
    /// An API key, without the white space around it.
    ApiKey(&'c str),
    /// Access keys of AWS.
    AwsKeys(AwsKeys),
    /// A service account of Google.
    GoogleServiceAccount(Box<GoogleServiceAccount>),
    /// A client secret of Microsoft Entra.
    EntraClient(EntraClient),
}

impl fmt::Debug for Content<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ApiKey(_) => "ApiKey",
            Self::AwsKeys(_) => "AwsKeys",
            Self::GoogleServiceAccount(_) => "GoogleServiceAccount",
            Self::EntraClient(_) => "EntraClient",
        })
    }
}

/// Why a content is no credential of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Nothing, or white space alone.
    #[error("is empty")]
    Empty,
    /// Something else.
    #[error("{0}")]
    Malformed(&'static str),
}

/// Access keys of AWS, long-lived or of a session.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsKeys {
    /// Id of the key, such as `AKIA...`.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: Secret,
    /// Token of a session; absent for a long-lived key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Secret>,
}

/// A client of Microsoft Entra with a secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EntraClient {
    /// Id or domain of the tenant.
    pub tenant_id: String,
    /// Id of the application.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: Secret,
    /// Base URL of the token service. Default: `https://login.microsoftonline.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
}

impl EntraClient {
    /// Base URL of the token service.
    pub fn authority(&self) -> &str {
        self.authority.as_deref().unwrap_or(ENTRA_AUTHORITY)
    }
}

/// A service account of Google with its key.
#[derive(Debug)]
pub struct GoogleServiceAccount {
    /// The account's e-mail address.
    pub client_email: String,
    /// Id of the key, for the header of what it signs.
    pub private_key_id: String,
    /// URL where its signature is exchanged for a token; Google's own where the file names none.
    pub token_uri: String,
    /// The key.
    pub private_key: RsaKeyPair,
}

/// The file that Google hands out for a service account.
///
/// Fields that nothing here needs are left out.
/// Source: <https://cloud.google.com/iam/docs/keys-create-delete>.
#[derive(Deserialize)]
struct ServiceAccountFile {
    #[serde(rename = "type")]
    kind: String,
    client_email: String,
    private_key_id: String,
    private_key: Secret,
    token_uri: Option<String>,
}

/// The credential in a content.
///
/// # Errors
/// [`CredentialError`].
pub fn check(kind: CredentialKind, content: &[u8]) -> Result<Content<'_>, CredentialError> {
    if content.trim_ascii().is_empty() {
        return Err(CredentialError::Empty);
    }
    match kind {
        CredentialKind::ApiKey => check_api_key(content).map(Content::ApiKey),
        CredentialKind::AwsKeys => check_aws_keys(content).map(Content::AwsKeys),
        CredentialKind::GoogleServiceAccount => check_service_account(content)
            .map(Box::new)
            .map(Content::GoogleServiceAccount),
        CredentialKind::EntraClient => check_entra_client(content).map(Content::EntraClient),
    }
}

fn check_api_key(content: &[u8]) -> Result<&str, CredentialError> {
    api_key::check(content).map_err(|error| match error {
        api_key::ApiKeyError::Empty => CredentialError::Empty,
        api_key::ApiKeyError::Json => CredentialError::Malformed(
            "is JSON and not an API key: set credential.type (in a ProviderKey, the credential \
             under auth) to what the JSON is, such as awsKeys, googleServiceAccount or entraClient",
        ),
        api_key::ApiKeyError::Malformed => CredentialError::Malformed(
            "is not an API key, which is one line of printable ASCII without spaces",
        ),
    })
}

fn check_aws_keys(content: &[u8]) -> Result<AwsKeys, CredentialError> {
    let keys: AwsKeys = json(
        content,
        "is not JSON with accessKeyId, secretAccessKey and perhaps sessionToken",
    )?;
    let is_id = |id: &str| id.len() >= 16 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let token = keys.session_token.as_ref();
    if !is_id(&keys.access_key_id) {
        let message = "has an accessKeyId that is none: 16 or more letters and digits";
        return Err(CredentialError::Malformed(message));
    }
    if !is_word(&keys.secret_access_key.0) || !token.is_none_or(|token| is_word(&token.0)) {
        let message =
            "has a secretAccessKey or sessionToken that is none: printable ASCII without spaces";
        return Err(CredentialError::Malformed(message));
    }
    Ok(keys)
}

fn check_service_account(content: &[u8]) -> Result<GoogleServiceAccount, CredentialError> {
    let wrong = CredentialError::Malformed;
    let file: ServiceAccountFile = json(
        content,
        "is not the JSON file of a service account, with type, client_email, private_key_id and private_key",
    )?;
    if file.kind != "service_account" {
        return Err(wrong("has another type than service_account"));
    }
    let token_uri = file.token_uri.unwrap_or(GOOGLE_TOKEN_URI.to_owned());
    if !is_url(&token_uri) {
        return Err(wrong("has a token_uri that is no URL"));
    }
    let not_a_key = "has a private_key that is no RSA key of 2048 bits or more in PEM (PKCS #8)";
    let der = PrivatePkcs8KeyDer::from_pem_slice(file.private_key.0.as_bytes())
        .map_err(|_| wrong(not_a_key))?;
    let private_key =
        RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| wrong(not_a_key))?;
    Ok(GoogleServiceAccount {
        client_email: file.client_email,
        private_key_id: file.private_key_id,
        token_uri,
        private_key,
    })
}

fn check_entra_client(content: &[u8]) -> Result<EntraClient, CredentialError> {
    let client: EntraClient = json(
        content,
        "is not JSON with tenantId, clientId, clientSecret and perhaps authority",
    )?;
    let is_tenant = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    if client.tenant_id.is_empty() || !client.tenant_id.chars().all(is_tenant) {
        let message = "has a tenantId that is neither an id nor a domain";
        return Err(CredentialError::Malformed(message));
    }
    if !is_word(&client.client_id) || client.client_secret.0.is_empty() {
        let message = "has an empty clientId or clientSecret";
        return Err(CredentialError::Malformed(message));
    }
    if !client.authority.as_deref().is_none_or(is_url) {
        let message = "has an authority that is no URL";
        return Err(CredentialError::Malformed(message));
    }
    Ok(client)
}

fn json<T: DeserializeOwned>(content: &[u8], what: &'static str) -> Result<T, CredentialError> {
    serde_json::from_slice(content).map_err(|_| CredentialError::Malformed(what))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a token service can be there; that it is `https` is for whoever asks it.
fn is_url(text: &str) -> bool {
    let uri: Result<Uri, _> = text.parse();
    uri.is_ok_and(|uri| {
        matches!(uri.scheme(), Some(scheme) if *scheme == Scheme::HTTPS || *scheme == Scheme::HTTP)
            && uri.query().is_none()
    })
}

#[cfg(test)]
mod tests;
