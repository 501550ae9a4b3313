//! Credentials for providers as the configuration has them: checked, and ready to be sent, to sign
//! or to be exchanged for a token.
//!
//! What the file of a credential must hold is `anyray_wire::gateway_config::credential`'s matter.

use std::{fmt, sync::Arc};

use anyray_providers::check as provider_check;
use anyray_wire::gateway_config::{
    CredentialKind,
    credential::{AwsKeys, Content, EntraClient, GoogleServiceAccount},
    endpoint::CheckedEndpoint,
};
use http::Uri;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::transport::Transport;

/// One credential.
#[derive(Debug)]
pub enum Credential {
    /// An API key, which is sent as it is.
    ApiKey(SecretString),
    /// Keys that sign each request.
    AwsKeys(AwsKeys),
    /// What is exchanged for a token, which is sent.
    Token(Arc<TokenGrant>),
}

/// What is exchanged for a token, and where.
pub struct TokenGrant {
    /// Who asks for the token.
    pub client: TokenClient,
    /// The token service.
    pub url: Uri,
    /// SHA-256 over the credential's file.
    digest: [u8; 32],
}

/// Who asks for a token.
#[derive(Debug)]
pub enum TokenClient {
    /// A service account of Google, which signs an assertion.
    Google(Box<GoogleServiceAccount>),
    /// A client of Microsoft Entra, which has a secret.
    Entra(EntraClient),
}

impl Credential {
    /// Takes in a checked content; `file` is the same as it was read.
    ///
    /// # Errors
    /// What is wrong with the URL of the token service, without a word of it.
    pub fn new(
        content: Content<'_>,
        file: &[u8],
        allow_insecure: bool,
        transport: &Transport,
    ) -> Result<Self, &'static str> {
        let url = provider_check::check_token_url(&content, allow_insecure, &transport.egress)?;
        let client = match content {
            Content::ApiKey(key) => return Ok(Self::ApiKey(key.into())),
            Content::AwsKeys(keys) => return Ok(Self::AwsKeys(keys)),
            Content::GoogleServiceAccount(account) => TokenClient::Google(account),
            Content::EntraClient(client) => TokenClient::Entra(client),
        };
        let url = url.ok_or("is missing")?;
        let grant = TokenGrant::new(client, file, &url)?;
        Ok(Self::Token(Arc::new(grant)))
    }

    /// Which kind of credential it is.
    pub fn kind(&self) -> CredentialKind {
        match self {
            Self::ApiKey(_) => CredentialKind::ApiKey,
            Self::AwsKeys(_) => CredentialKind::AwsKeys,
            Self::Token(grant) => grant.kind(),
        }
    }

    /// Whether a request must be whole before it can carry the credential.
    pub fn signs_bodies(&self) -> bool {
        matches!(self, Self::AwsKeys(_))
    }
}

impl fmt::Debug for TokenGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenGrant")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl TokenGrant {
    /// A grant for `client`, which was read from `file`, at the token service that it names;
    /// `checked` is what of its URL was checked.
    ///
    /// # Errors
    /// What is wrong with the URL, without a word of it.
    pub fn new(
        client: TokenClient,
        file: &[u8],
        checked: &CheckedEndpoint,
    ) -> Result<Self, &'static str> {
        let url = match &client {
            // As it stands there, slash at the end included: it is the assertion's audience, too.
            TokenClient::Google(account) => account.token_uri.parse(),
            TokenClient::Entra(client) => format!(
                "{}://{}{}/{}/oauth2/v2.0/token",
                checked.scheme, checked.authority, checked.path, client.tenant_id
            )
            .parse(),
        };
        Ok(Self {
            client,
            url: url.map_err(|_| "is too long")?,
            digest: Sha256::digest(file).into(),
        })
    }

    /// Which kind of credential is exchanged.
    pub fn kind(&self) -> CredentialKind {
        match self.client {
            TokenClient::Google(_) => CredentialKind::GoogleServiceAccount,
            TokenClient::Entra(_) => CredentialKind::EntraClient,
        }
    }

    /// Whether a token for `other` is also one for this grant: it is of the same file, and from the
    /// same token service.
    pub fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest && self.url == other.url
    }
}
