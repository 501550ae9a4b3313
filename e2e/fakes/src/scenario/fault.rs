//! How a stream of Bedrock fails in its middle.

/// What the last frame of a stream that fails is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamFault {
    /// `internal-server`: `internalServerException`.
    InternalServer,
    /// `model-stream-error`: `modelStreamErrorException`.
    ModelStreamError,
    /// `model-timeout`: `modelTimeoutException`.
    ModelTimeout,
    /// `service-unavailable`: `serviceUnavailableException`.
    ServiceUnavailable,
    /// `throttling`: `throttlingException`.
    Throttling,
    /// `validation`: `validationException`.
    Validation,
    /// `unmodelled`: an error that no model has, with a code and a message in headers.
    Unmodelled,
}

impl StreamFault {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::InternalServer,
        Self::ModelStreamError,
        Self::ModelTimeout,
        Self::ServiceUnavailable,
        Self::Throttling,
        Self::Validation,
        Self::Unmodelled,
    ];

    /// How a model name spells it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InternalServer => "internal-server",
            Self::ModelStreamError => "model-stream-error",
            Self::ModelTimeout => "model-timeout",
            Self::ServiceUnavailable => "service-unavailable",
            Self::Throttling => "throttling",
            Self::Validation => "validation",
            Self::Unmodelled => "unmodelled",
        }
    }
}
