//! One accepted configuration, resolved so that a request needs no further look-ups or checks.

use std::{sync::Arc, time::Duration};

use anyray_providers::Provider;
use anyray_wire::{
    anyray::credential::CredentialDigest,
    gateway_config::{ClientKeys, Endpoint, Limits},
};
use http::uri::{Authority, Scheme};

use super::{
    credential::{Credential, TokenGrant},
    transport::Transport,
};

/// An immutable configuration; each request takes it once and keeps it to its end.
#[derive(Debug)]
pub struct Snapshot {
    /// SHA-256 of `gateway.json` in hexadecimal. Key material never enters it; a key's `version`
    /// does.
    pub hash: String,
    /// Whether the set of files came with an index that all of it matches.
    pub is_indexed: bool,
    /// Whether callers need a client key.
    pub client_keys: ClientKeys,
    /// Whether callers may use their own subscriptions.
    pub subscription_passthrough: bool,
    /// Who may use the admin API; nobody, if absent.
    pub admin: Option<Admin>,
    /// Hosts that callers may name.
    pub custom_hosts: Vec<CustomHost>,
    /// The provider keys; a provider's default is its first one with a credential.
    pub keys: Vec<Arc<ProviderKey>>,
    /// Which of [`Self::keys`] serves which model, first match first.
    pub model_rules: Vec<ModelRule>,
    /// Where callers' own credentials go, one entry per provider that has a public API for all.
    pub public_endpoints: Vec<Arc<ProviderKey>>,
    /// See `passthroughPaths`.
    pub passthrough_paths: Vec<String>,
    /// See `limits`.
    pub limits: Limits,
    /// See `timeouts`.
    pub timeouts: Timeouts,
    /// Whether a line is logged per request.
    pub access_log: bool,
}

impl Snapshot {
    /// The credentials that are exchanged for tokens.
    pub fn token_grants(&self) -> impl Iterator<Item = &Arc<TokenGrant>> {
        self.keys.iter().filter_map(|key| match &key.credential {
            Some(Credential::Token(grant)) => Some(grant),
            _ => None,
        })
    }
}

/// A provider, where its requests go, and the credential for it.
#[derive(Debug)]
pub struct ProviderKey {
    /// The key's name in the configuration.
    pub name: String,
    /// The provider.
    pub provider: &'static dyn Provider,
    /// The credential. Absent on the public endpoints, which callers bring their own for, and on a
    /// key that has none at present, which serves nobody.
    pub credential: Option<Credential>,
    /// Region, project, names of models and whatever else the provider's paths depend on.
    pub endpoint: Endpoint,
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: Authority,
    /// Path of the endpoint, without a slash at the end.
    pub base_path: String,
    /// How connections are made.
    pub transport: Arc<Transport>,
}

impl ProviderKey {
    /// What the provider calls a model, where that is something else.
    pub fn mapped<'k>(&'k self, model: Option<&str>) -> Option<&'k str> {
        self.endpoint.models.get(model?).map(String::as_str)
    }
}

/// Who may use the admin API.
#[derive(Clone, Debug)]
pub struct Admin {
    /// SHA-256 of the admin token.
    pub token: CredentialDigest,
    /// Host by which it may be called from outside.
    pub host: Option<String>,
}

/// A host that callers may name.
#[derive(Debug)]
pub struct CustomHost {
    /// Host, with a port unless that is 443.
    pub name: String,
    /// How connections to it are made.
    pub transport: Arc<Transport>,
}

/// One routing rule.
#[derive(Debug)]
pub struct ModelRule {
    /// Model name with `*` for any characters.
    pub pattern: String,
    /// The key that serves it, or the name of one that does not exist at present.
    pub key: Result<Arc<ProviderKey>, Arc<str>>,
}

/// See `timeouts` in the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the head of a provider's answer.
    pub first_byte: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// For a whole request.
    pub total: Option<Duration>,
    /// Between two pieces of a request body.
    pub request_body: Duration,
    /// Silence after which a stream's caller gets a ping.
    pub ping: Duration,
}
