//! Providers: where a request goes and how it is signed; never what its body looks like.
//!
//! A new provider that speaks a known dialect is one file here and one line in [`ALL`].

use anyray_wire::Dialect;
use http::HeaderName;

mod anthropic;
mod openai;

/// One upstream API.
pub trait Provider: Sync + std::fmt::Debug {
    /// The provider's name: value of `x-anyray-provider` and of `provider` in the configuration.
    fn slug(&self) -> &'static str;

    /// Whether the provider's API takes bodies of this dialect as they are.
    fn speaks(&self, dialect: Dialect) -> bool;

    /// Base URL of the public API, in the form that `endpoint.url` takes.
    fn default_endpoint(&self) -> &'static str;

    /// What stands between the base URL and a path without its version, such as `/v1`.
    fn path_prefix(&self) -> &'static str;

    /// How the API key travels.
    fn auth(&self) -> AuthScheme;

    /// The provider's own hosts, to which the token of a caller's seat may go.
    fn own_hosts(&self) -> &'static [&'static str];

    /// Whether a caller's own token may be one of this provider: false where its form says that it
    /// is another's.
    fn may_own(&self, token: &str) -> bool;
}

/// How a credential is put on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// The key alone, in a header of its own.
    ApiKeyHeader(HeaderName),
}

/// Every provider, in the order of the documentation.
pub const ALL: &[&dyn Provider] = &[&openai::OpenAi, &anthropic::Anthropic];

/// The provider of this slug.
pub fn find(slug: &str) -> Option<&'static dyn Provider> {
    ALL.iter().copied().find(|provider| provider.slug() == slug)
}

/// The provider whose own API a dialect is: where a request goes that nothing else directs.
pub fn native(dialect: Dialect) -> &'static dyn Provider {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => &openai::OpenAi,
        Dialect::AnthropicMessages => &anthropic::Anthropic,
    }
}

/// All slugs, for messages.
pub fn slugs() -> String {
    let slugs: Vec<_> = ALL.iter().map(|provider| provider.slug()).collect();
    slugs.join(", ")
}
