//! What can go wrong with a request, and how the caller is told.
//!
//! One variant per failed step. This is the one place that turns a failure into a status, a code
//! and a text; `pipeline` logs it and answers in the caller's dialect.

use std::{sync::Arc, time::Duration};

use anyray_wire::{Dialect, error::ErrorDetail};
use http::StatusCode;

use crate::provider;

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The path is none of ours.
    #[error(
        "this gateway does not serve this path; further paths of a provider's API must be listed in passthroughPaths"
    )]
    UnknownPath,
    /// The path is ours, the method is not.
    #[error("this path takes another method; see the allow header")]
    MethodNotAllowed {
        /// What the path takes.
        allow: &'static str,
    },
    /// A WebSocket was asked for.
    #[error("this gateway does not speak WebSocket; send the same request by HTTP POST")]
    WebSocket,
    /// The path could mean another one to the provider.
    #[error(
        "the path must begin with a slash and hold no '.', '..' or empty segments and no backslashes"
    )]
    UnsafePath,
    /// A credential header came more than once.
    #[error("the header {header} was sent more than once; send it once")]
    DuplicateCredential {
        /// Which one.
        header: &'static str,
    },
    /// `x-anyray-provider` names none that we know.
    #[error(
        "x-anyray-provider names an unknown provider; known are: {}",
        provider::slugs()
    )]
    UnknownProvider,
    /// The provider does not take bodies of this dialect.
    #[error(
        "provider {provider} does not speak {}; use a path of its own API, or another provider by x-anyray-provider or routing.models",
        dialect.name()
    )]
    DialectNotSpoken {
        /// Slug of the provider that was chosen.
        provider: &'static str,
        /// What the request speaks.
        dialect: Dialect,
    },
    /// Neither the gateway nor the caller has a credential for the provider.
    #[error(
        "no provider key for {provider} is configured, and the request carries no key of its own; add a provider key for {provider} to the gateway"
    )]
    NoProviderKey {
        /// Slug of the provider that was chosen.
        provider: &'static str,
    },
    /// The provider key that would serve the request has no credential.
    #[error(
        "the provider key {name} has no credential at present; it may be suspended, or its secret missing: give it one, or use another provider key"
    )]
    NoCredential {
        /// Name of the provider key.
        name: Arc<str>,
    },
    /// The request's body is compressed.
    #[error("compressed request bodies are not accepted; send the body without content-encoding")]
    EncodedBody,
    /// The request's body is larger than allowed.
    #[error("the request body exceeds the limit of {limit} bytes")]
    BodyTooLarge {
        /// `limits.maxBodyBytes`.
        limit: u64,
    },
    /// The caller stopped sending.
    #[error("the request body did not arrive in time; send it again")]
    BodyTimeout,
    /// The caller's body broke off or was malformed.
    #[error("the request body could not be read to its end")]
    ReadBody,
    /// Too many requests at once.
    #[error("the gateway serves as many requests as it may; try again shortly")]
    Overloaded,
    /// Too many bytes of request bodies at once.
    #[error("the gateway holds as many request bytes as it may; try again shortly")]
    OutOfBodyBudget,
    /// The gateway is shutting down.
    #[error("this gateway replica is shutting down; try again")]
    Draining,
    /// The provider's host could not be reached.
    #[error("could not connect to provider {provider}; check its endpoint and the network")]
    Unreachable {
        /// Slug.
        provider: &'static str,
    },
    /// The provider's host has only addresses that the gateway may not dial.
    #[error(
        "the endpoint of provider {provider} resolves to a private address, which egress does not allow; see egress.allowedNetworks"
    )]
    EgressRefused {
        /// Slug.
        provider: &'static str,
    },
    /// The provider closed the connection or sent no HTTP.
    #[error("provider {provider} closed the connection without a valid answer")]
    InvalidAnswer {
        /// Slug.
        provider: &'static str,
    },
    /// No connection in time.
    #[error("no connection to provider {provider} within {} ms", limit.as_millis())]
    ConnectTimeout {
        /// Slug.
        provider: &'static str,
        /// `timeouts.connectMs`.
        limit: Duration,
    },
    /// No answer in time.
    #[error("no answer from provider {provider} within {} ms", limit.as_millis())]
    FirstByteTimeout {
        /// Slug.
        provider: &'static str,
        /// `timeouts.firstByteMs`, or what was left of `timeouts.totalMs`.
        limit: Duration,
    },
    /// The stream broke off after its head was sent.
    #[error("provider {provider} closed the stream before its end")]
    StreamCut {
        /// Slug.
        provider: &'static str,
    },
    /// The stream fell silent.
    #[error("provider {provider} sent nothing for {} ms", limit.as_millis())]
    StreamIdle {
        /// Slug.
        provider: &'static str,
        /// `timeouts.idleMs`.
        limit: Duration,
    },
    /// The answer took longer than a whole request may.
    #[error("the request took longer than {} ms", limit.as_millis())]
    TotalTimeout {
        /// `timeouts.totalMs`.
        limit: Duration,
    },
    /// The stream holds a line or frame beyond all bounds.
    #[error("provider {provider} sent a stream frame beyond the size limit")]
    StreamOverflow {
        /// Slug.
        provider: &'static str,
    },
}

impl GatewayError {
    /// The HTTP status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::UnsafePath
            | Self::DuplicateCredential { .. }
            | Self::UnknownProvider
            | Self::DialectNotSpoken { .. }
            | Self::ReadBody => StatusCode::BAD_REQUEST,
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::EncodedBody => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoProviderKey { .. } | Self::NoCredential { .. } => StatusCode::FAILED_DEPENDENCY,
            Self::WebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::Unreachable { .. }
            | Self::EgressRefused { .. }
            | Self::InvalidAnswer { .. }
            | Self::StreamCut { .. }
            | Self::StreamOverflow { .. } => StatusCode::BAD_GATEWAY,
            Self::Overloaded | Self::OutOfBodyBudget | Self::Draining => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ConnectTimeout { .. }
            | Self::FirstByteTimeout { .. }
            | Self::StreamIdle { .. }
            | Self::TotalTimeout { .. } => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The machine-readable code, also the `reason` of logs and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown_path",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::WebSocket => "websocket_not_supported",
            Self::UnsafePath => "unsafe_path",
            Self::DuplicateCredential { .. } => "duplicate_credential",
            Self::UnknownProvider => "unknown_provider",
            Self::DialectNotSpoken { .. } => "dialect_not_spoken",
            Self::NoProviderKey { .. } => "provider_key_missing",
            Self::NoCredential { .. } => "provider_credential_missing",
            Self::EncodedBody => "encoded_body",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::ReadBody => "body_unreadable",
            Self::Overloaded => "overloaded",
            Self::OutOfBodyBudget => "out_of_body_budget",
            Self::Draining => "draining",
            Self::Unreachable { .. } => "upstream_unreachable",
            Self::EgressRefused { .. } => "egress_refused",
            Self::InvalidAnswer { .. } => "upstream_invalid_answer",
            Self::ConnectTimeout { .. } => "upstream_connect_timeout",
            Self::FirstByteTimeout { .. } => "upstream_timeout",
            Self::StreamCut { .. } => "upstream_cut",
            Self::StreamIdle { .. } => "upstream_idle",
            Self::TotalTimeout { .. } => "total_timeout",
            Self::StreamOverflow { .. } => "upstream_overflow",
        }
    }

    /// Whether a later try may succeed, for `retry-after` and `x-should-retry`.
    pub fn is_retryable(&self) -> bool {
        self.status().is_server_error() && !matches!(self, Self::EgressRefused { .. })
            || *self == Self::BodyTimeout
    }

    /// Hands the error to `write` in the shape that bodies and stream ends are made from.
    pub fn describe<T>(&self, request_id: &str, write: impl FnOnce(&ErrorDetail<'_>) -> T) -> T {
        write(&ErrorDetail {
            status: self.status().as_u16(),
            code: self.code(),
            message: &self.to_string(),
            request_id,
        })
    }
}
