//! The trait that a provider implements.

use anyray_wire::{
    Dialect,
    gateway_config::{CredentialKind, Endpoint},
};
use http::HeaderName;

use crate::{
    path::{self, Operation, Route},
    settings::Settings,
};

pub(crate) mod anthropic;
pub(crate) mod anyray_upstream;
pub(crate) mod azure_openai;
pub(crate) mod bedrock;
pub(crate) mod google_vertex_ai;
pub(crate) mod openai;
pub mod openai_compatible;

/// One upstream API.
pub trait Provider: Sync + std::fmt::Debug {
    /// The provider's name: value of `x-anyray-provider` and of `provider` in the configuration.
    fn slug(&self) -> &'static str;

    /// Further values of `x-anyray-provider` that mean it. Default: none.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// How a request on one of the plain paths is adapted to the API; `None` where it cannot be.
    fn accepts(&self, dialect: Dialect, operation: Operation) -> Option<Adaptation>;

    /// The kinds of credentials that the API takes, the usual one first. Default: an API key.
    fn credentials(&self) -> &'static [CredentialKind] {
        &[CredentialKind::ApiKey]
    }

    /// How a credential of one of these kinds travels to a host.
    fn auth(&self, kind: CredentialKind, host: &str) -> AuthScheme;

    /// The settings of an endpoint that mean something here. Default: a base URL, if it is not the
    /// public one.
    fn settings(&self) -> Settings {
        Settings::default()
    }

    /// Base URL of the public API, in the form that `endpoint.url` takes; `None` where there is
    /// none, or not without settings that are absent.
    fn public_url(&self, endpoint: &Endpoint) -> Option<String>;

    /// Whether the API can have a model of this name. Default: any.
    ///
    /// # Errors
    /// What such a name must be.
    fn check_model(&self, _name: &str) -> Result<(), &'static str> {
        Ok(())
    }

    /// What one of the provider's own paths leads to; `None` where it is none of them. `path` is
    /// as received. Default: the provider has none.
    fn read_path(&self, _path: &str) -> Option<Route> {
        None
    }

    /// Writes path and query behind the base URL. Default: [`Self::path_prefix`], then both as
    /// received.
    ///
    /// # Errors
    /// [`PathError`].
    fn write_path(&self, call: &Call<'_>, url: &mut String) -> Result<(), PathError> {
        url.push_str(self.path_prefix());
        call.push_received(url);
        Ok(())
    }

    /// What stands between the base URL and a plain path without its version, such as `/v1`.
    /// Default: nothing.
    fn path_prefix(&self) -> &'static str {
        ""
    }

    /// With what a base URL must not end, because it is appended. Default: [`Self::path_prefix`].
    fn appended(&self) -> Vec<&'static str> {
        vec![self.path_prefix()]
    }

    /// The provider's own hosts, to which the token of a caller's subscription may go. Default:
    /// none.
    fn own_hosts(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether a caller's own token may be one of this provider: false where its form says that it
    /// is another's. Default: true.
    fn may_own(&self, _token: &str) -> bool {
        true
    }

    /// Whether what is behind it may send requests back here, so that they are counted. Default:
    /// false.
    fn may_loop(&self) -> bool {
        false
    }
}

impl PartialEq for dyn Provider + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.slug() == other.slug()
    }
}

impl Eq for dyn Provider + '_ {}

/// How a request in the caller's dialect is adapted to what the provider takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adaptation {
    /// Byte for byte.
    AsIs,
    /// Anthropic's Messages as Bedrock's `InvokeModel`.
    ClaudeOnBedrock,
    /// Anthropic's Messages as Vertex AI's `rawPredict`.
    ClaudeOnVertex,
    /// Anthropic's token counting as Vertex AI's `count-tokens:rawPredict`.
    ClaudeOnVertexCountTokens,
}

impl Adaptation {
    /// For a provider whose own API these dialects are; what merely passes through needs none.
    pub(crate) fn as_is(
        spoken: &[Dialect],
        dialect: Dialect,
        operation: Operation,
    ) -> Option<Self> {
        let is_spoken = operation == Operation::Passthrough || spoken.contains(&dialect);
        is_spoken.then_some(Self::AsIs)
    }
}

/// How a credential is put on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// The key alone, in a header of its own.
    ApiKeyHeader(HeaderName),
    /// A signature of AWS, version 4, for a service of this name.
    SigV4(&'static str),
}

/// A request, as far as its path depends on it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// What it does.
    pub operation: Operation,
    /// Whether it came on one of the provider's own paths.
    pub is_native: bool,
    /// The path as received; without `/v1` if it is a plain one.
    pub path: &'a str,
    /// The query as received.
    pub query: Option<&'a str>,
    /// The model that the caller names, where it is known.
    pub model: Option<&'a str>,
    /// What the provider calls it, where that is something else.
    pub mapped: Option<&'a str>,
    /// Whether a body that was translated asks for a stream.
    pub is_stream: bool,
    /// Where it goes.
    pub endpoint: &'a Endpoint,
}

impl<'a> Call<'a> {
    /// The provider's name of the model, for a path.
    ///
    /// # Errors
    /// [`PathError::ModelMissing`], or [`PathError::ModelUnfit`] where it could lead elsewhere.
    pub fn provider_model(&self) -> Result<&'a str, PathError> {
        let name = self.mapped.or(self.model).ok_or(PathError::ModelMissing)?;
        path::is_name(name)
            .then_some(name)
            .ok_or(PathError::ModelUnfit)
    }

    /// Path and query as received.
    pub fn push_received(&self, url: &mut String) {
        url.push_str(self.path);
        self.push_query(url);
    }

    /// The query as received.
    pub fn push_query(&self, url: &mut String) {
        if let Some(query) = self.query {
            url.push('?');
            url.push_str(query);
        }
    }
}

/// Why a request has no path at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// The path must name the model, and the body does not, or not early enough.
    ModelMissing,
    /// The path must name the model, and no such name can stand there.
    ModelUnfit,
}
