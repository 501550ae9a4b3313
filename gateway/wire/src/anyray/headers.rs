//! Names of the headers that the gateway itself reads or writes.
//!
//! Names are lower case, as HTTP/1.1 compares them without case and HTTP/2 demands.

use http::HeaderName;

/// Every header with this prefix is ours: read by the gateway, never sent upstream.
pub const PREFIX: &str = "x-anyray-";

/// Request: slug of the provider to use, such as `openai` or `anthropic`.
pub const PROVIDER: HeaderName = HeaderName::from_static("x-anyray-provider");

/// Request: the caller's gateway credential where `authorization` carries a provider's own token.
pub const API_KEY: HeaderName = HeaderName::from_static("x-anyray-api-key");

/// Request: `passthrough` sends the caller's own provider token on instead of the gateway's key.
pub const AUTH_MODE: HeaderName = HeaderName::from_static("x-anyray-auth-mode");

/// Request: base URL to use instead of the provider's, for callers' own tokens only.
pub const CUSTOM_HOST: HeaderName = HeaderName::from_static("x-anyray-custom-host");

/// Request: who calls and what for, as a flat JSON object of strings, at most 4 KiB.
pub const METADATA: HeaderName = HeaderName::from_static("x-anyray-metadata");

/// Response: the gateway's own id of the request, on every answer but those of the probes.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-anyray-request-id");

/// Anthropic's request id, on its answers and, where absent, on ours.
pub const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static("request-id");

/// OpenAI's request id, on its answers and, where absent, on ours.
pub const OPENAI_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Anthropic's API version: its presence marks a caller of Anthropic's API on shared paths.
pub const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");

/// Anthropic's features that a caller opts into, as a list with commas.
pub const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");

/// Tells SDKs of OpenAI and Anthropic whether to try again, whatever the status.
pub const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Anthropic's header for an API key.
pub const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Azure OpenAI's header for an API key.
pub const AZURE_API_KEY: HeaderName = HeaderName::from_static("api-key");

/// Google's header for an API key.
pub const GOOGLE_API_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
