//! What can go wrong with a request, and how the caller is told.
//!
//! One variant per failed step. This is the one place that turns a failure into a status, a code
//! and a text; `pipeline` logs it and answers in the caller's dialect.

use std::{sync::Arc, time::Duration};

use anyray_providers::{self as providers, Operation};
use anyray_wire::{
    Dialect, anthropic::envelope::EnvelopeFault, anyray::credential::CredentialFault,
    error::ErrorDetail,
};
use http::StatusCode;

pub mod fault;

use fault::{CustomHostFault, TokenFault};

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// The gateway does not serve the path.
    #[error(
        "this gateway does not serve this path; further paths of OpenAI's and Anthropic's APIs can be listed in passthroughPaths"
    )]
    UnknownPath,
    /// The gateway serves the path, and not by this method.
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
    /// A gateway-issued key is in the URL.
    #[error(
        "the URL carries a key, where proxies and logs keep it: send it in the authorization header, and replace the key"
    )]
    KeyInUrl,
    /// Two headers hold different client keys.
    #[error("the request carries two different client keys; send one")]
    ConflictingCredentials,
    /// No client key came, and one is needed.
    #[error(
        "this gateway needs a client key: send one as authorization: Bearer ark_..., or ask your administrator for an invite"
    )]
    KeyMissing,
    /// What came is no whole client key.
    #[error("the client key {fault}; copy it whole")]
    InvalidKey {
        /// What is wrong with it.
        fault: CredentialFault,
    },
    /// An invite's code came where a key belongs.
    #[error(
        "this is the code of an invite, not a key: exchange it for one by anyray-connect --invite"
    )]
    InviteCodeAsKey,
    /// The key is well formed and not known.
    #[error(
        "this gateway does not know the client key: it was deleted, or is for another gateway; ask your administrator for an invite"
    )]
    KeyUnknown,
    /// The key, or its invite, was taken out of use.
    #[error("the client key has been revoked; ask your administrator for an invite")]
    KeyRevoked,
    /// The key's time is over.
    #[error("the client key has expired; ask your administrator for an invite")]
    KeyExpired,
    /// The key is out of use for now.
    #[error("the client key is suspended; ask your administrator")]
    KeySuspended,
    /// A `ServiceAccount`'s token is not good.
    #[error("{fault}")]
    InvalidToken {
        /// What is wrong with it.
        fault: TokenFault,
    },
    /// A `ServiceAccount`'s token is good, but no key names the account.
    #[error(
        "no ClientKey of this gateway names the ServiceAccount of this token: create one with spec.serviceAccount"
    )]
    AccountUnknown,
    /// Whether the key is known cannot be told at present.
    #[error("the gateway cannot look the client key up at present; try again shortly")]
    StoreUnavailable,
    /// The key may not use the model.
    #[error(
        "this client key may not use the model, or the path names none; ask your administrator"
    )]
    ModelNotAllowed,
    /// The key may not use the provider.
    #[error("this client key may not use provider {provider}; ask your administrator")]
    ProviderNotAllowed {
        /// Slug of the provider that was chosen.
        provider: &'static str,
    },
    /// Too many requests with one key.
    #[error("this client key may send {limit} requests per minute; try again in {wait_seconds} s")]
    TooManyRequests {
        /// `requestsPerMinute` of the key.
        limit: u32,
        /// When another one is due.
        wait_seconds: u64,
    },
    /// Too many requests at once with one key.
    #[error("this client key may have {limit} requests open at once; wait for one to end")]
    TooManyAtOnce {
        /// `concurrentRequests` of the key.
        limit: u32,
    },
    /// `x-anyray-auth-mode` is none that we know.
    #[error("x-anyray-auth-mode must be passthrough, or be left out")]
    UnknownAuthMode,
    /// The gateway takes no subscriptions.
    #[error(
        "this gateway does not pass on callers' own subscriptions; its administrator can set auth.subscriptionPassthrough"
    )]
    PassthroughDisabled,
    /// The caller's own token is missing.
    #[error(
        "the request asks to go on with its own token and carries none: send it in the authorization header, and the client key in x-anyray-api-key"
    )]
    OwnTokenMissing,
    /// The caller's own token is another provider's.
    #[error("the token is not one of provider {provider}, and is not sent there")]
    TokenOfOtherProvider {
        /// Slug of the provider that was chosen.
        provider: &'static str,
    },
    /// `x-anyray-custom-host` is no acceptable address.
    #[error("{fault}")]
    InvalidCustomHost {
        /// What is wrong with it.
        fault: CustomHostFault,
    },
    /// `x-anyray-custom-host` names a host that is not allowed.
    #[error(
        "x-anyray-custom-host names a host that this gateway does not allow; its administrator can add it to egress.customHosts"
    )]
    CustomHostNotAllowed,
    /// `x-anyray-provider` names none that we know.
    #[error(
        "x-anyray-provider names an unknown provider; known are: {}",
        providers::slugs()
    )]
    UnknownProvider,
    /// The provider does not take bodies of this dialect.
    #[error(
        "provider {provider} does not speak the API of this path for {}; use a path of its own API, or another provider by x-anyray-provider or routing.models",
        operation.name()
    )]
    DialectNotSpoken {
        /// Slug of the provider that was chosen.
        provider: &'static str,
        /// What the request speaks.
        dialect: Dialect,
        /// What it asks for.
        operation: Operation,
    },
    /// The path is one provider's own, and `x-anyray-provider` names another.
    #[error(
        "this path is one of provider {provider}; leave x-anyray-provider out, or use a path of the provider that it names"
    )]
    PathOfOtherProvider {
        /// Slug of the provider that has the path.
        provider: &'static str,
    },
    /// The provider's path must name the model, and the body does not.
    #[error(
        "provider {provider} needs the name of the model, and the request body has none at its top level"
    )]
    ModelMissing {
        /// Slug.
        provider: &'static str,
    },
    /// The provider's path must name the model, and this name cannot stand there.
    #[error(
        "provider {provider} can have no model or deployment of this name; its administrator can map the name in endpoint.models"
    )]
    ModelUnfit {
        /// Slug.
        provider: &'static str,
    },
    /// The provider wants the body in another envelope, and it cannot be put into one.
    #[error("the request body cannot go to provider {provider}: {fault}")]
    EnvelopeUnfit {
        /// Slug.
        provider: &'static str,
        /// What is wrong with the body.
        fault: EnvelopeFault,
    },
    /// The request cannot be signed.
    #[error(
        "the request cannot be signed for provider {provider}: its path or an x-amz- header is not plain text"
    )]
    Unsignable {
        /// Slug.
        provider: &'static str,
    },
    /// The request has been here before.
    #[error(
        "the request came back to this gateway, or went through too many: a provider key of anyray-upstream leads in a circle"
    )]
    LoopDetected,
    /// Neither the gateway nor the caller has a credential for the provider.
    #[error(
        "no provider key for {provider} is configured, and the request carries no key of its own; add one to the gateway, or lead the request to another provider by x-anyray-provider or routing.models"
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
    /// The token service does not take the credential of the provider key.
    #[error(
        "the token service of provider {provider} refuses the credential of the provider key {name}: renew it"
    )]
    CredentialRefused {
        /// Slug.
        provider: &'static str,
        /// Name of the provider key.
        name: Arc<str>,
    },
    /// The token service gave no token.
    #[error("the token service of provider {provider} gave no token; try again shortly")]
    TokenUnavailable {
        /// Slug.
        provider: &'static str,
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
    /// A key that is limited to models, or a model that the provider calls otherwise, came with a
    /// body that does not name `model` exactly once.
    #[error("the request body must be a JSON object that names the model once")]
    DuplicateModel,
    /// A key that is limited to models came with a body that names none where it is looked for.
    #[error(
        "this key may use certain models only, and the request body names none within its first MiB; put model first"
    )]
    ModelUnknown,
    /// A key that is limited to models came with a body that others may read differently.
    #[error(
        "this key may use certain models only, so its request bodies must be plain JSON: content-type application/json, in UTF-8, without comments"
    )]
    BodyNotPlainJson,
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
        "the endpoint of provider {provider}, or its token service, resolves to a private address, which egress does not allow; see egress.allowedNetworks"
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
            | Self::KeyInUrl
            | Self::ConflictingCredentials
            | Self::UnknownAuthMode
            | Self::InvalidCustomHost { .. }
            | Self::UnknownProvider
            | Self::DialectNotSpoken { .. }
            | Self::PathOfOtherProvider { .. }
            | Self::ModelMissing { .. }
            | Self::ModelUnfit { .. }
            | Self::EnvelopeUnfit { .. }
            | Self::Unsignable { .. }
            | Self::DuplicateModel
            | Self::ModelUnknown
            | Self::ReadBody => StatusCode::BAD_REQUEST,
            Self::KeyMissing
            | Self::InvalidKey { .. }
            | Self::InviteCodeAsKey
            | Self::KeyUnknown
            | Self::KeyRevoked
            | Self::KeyExpired
            | Self::KeySuspended
            | Self::InvalidToken { .. }
            | Self::AccountUnknown
            | Self::OwnTokenMissing => StatusCode::UNAUTHORIZED,
            Self::ModelNotAllowed
            | Self::ProviderNotAllowed { .. }
            | Self::PassthroughDisabled
            | Self::TokenOfOtherProvider { .. }
            | Self::CustomHostNotAllowed => StatusCode::FORBIDDEN,
            Self::TooManyRequests { .. } | Self::TooManyAtOnce { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::EncodedBody | Self::BodyNotPlainJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoProviderKey { .. }
            | Self::NoCredential { .. }
            | Self::CredentialRefused { .. } => StatusCode::FAILED_DEPENDENCY,
            Self::WebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::LoopDetected => StatusCode::LOOP_DETECTED,
            Self::Unreachable { .. }
            | Self::EgressRefused { .. }
            | Self::TokenUnavailable { .. }
            | Self::InvalidAnswer { .. }
            | Self::StreamCut { .. }
            | Self::StreamOverflow { .. } => StatusCode::BAD_GATEWAY,
            Self::Overloaded | Self::OutOfBodyBudget | Self::Draining | Self::StoreUnavailable => {
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
            Self::KeyInUrl => "key_in_url",
            Self::ConflictingCredentials => "conflicting_credentials",
            Self::KeyMissing => "client_key_missing",
            Self::InvalidKey { .. } => "client_key_invalid",
            Self::InviteCodeAsKey => "invite_code_as_key",
            Self::KeyUnknown => "client_key_unknown",
            Self::KeyRevoked => "client_key_revoked",
            Self::KeyExpired => "client_key_expired",
            Self::KeySuspended => "client_key_suspended",
            Self::InvalidToken { .. } => "service_account_token_invalid",
            Self::AccountUnknown => "service_account_unknown",
            Self::StoreUnavailable => "store_unavailable",
            Self::ModelNotAllowed => "model_not_allowed",
            Self::ProviderNotAllowed { .. } => "provider_not_allowed",
            Self::TooManyRequests { .. } => "rate_limit_exceeded",
            Self::TooManyAtOnce { .. } => "too_many_concurrent_requests",
            Self::UnknownAuthMode => "unknown_auth_mode",
            Self::PassthroughDisabled => "passthrough_disabled",
            Self::OwnTokenMissing => "own_token_missing",
            Self::TokenOfOtherProvider { .. } => "token_of_other_provider",
            Self::InvalidCustomHost { .. } => "custom_host_invalid",
            Self::CustomHostNotAllowed => "custom_host_not_allowed",
            Self::UnknownProvider => "unknown_provider",
            Self::DialectNotSpoken { .. } => "dialect_not_spoken",
            Self::PathOfOtherProvider { .. } => "path_of_other_provider",
            Self::ModelMissing { .. } => "model_missing",
            Self::ModelUnfit { .. } => "model_unfit",
            Self::EnvelopeUnfit { .. } => "envelope_unfit",
            Self::Unsignable { .. } => "request_unsignable",
            Self::LoopDetected => "loop_detected",
            Self::NoProviderKey { .. } => "provider_key_missing",
            Self::NoCredential { .. } => "provider_credential_missing",
            Self::CredentialRefused { .. } => "provider_credential_refused",
            Self::TokenUnavailable { .. } => "provider_token_unavailable",
            Self::EncodedBody => "encoded_body",
            Self::BodyTooLarge { .. } => "body_too_large",
            Self::DuplicateModel => "duplicate_model",
            Self::ModelUnknown => "model_not_found_in_body",
            Self::BodyNotPlainJson => "body_not_plain_json",
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
        self.status().is_server_error()
            && !matches!(self, Self::EgressRefused { .. } | Self::LoopDetected)
            || *self == Self::BodyTimeout
            || self.status() == StatusCode::TOO_MANY_REQUESTS
    }

    /// For how many seconds a caller should wait before another try, for `retry-after`.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyRequests { wait_seconds, .. } => Some(*wait_seconds),
            Self::TooManyAtOnce { .. } => Some(1),
            _ if self.status() == StatusCode::SERVICE_UNAVAILABLE => Some(1),
            _ => None,
        }
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
