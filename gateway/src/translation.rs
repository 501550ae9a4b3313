//! Translations between the dialect that a caller speaks and the form that a provider takes.
//!
//! A translation is an entry of [`of`] and a file with its four steps. A step that is absent leaves
//! things as they are; [`IDENTITY`] has none.

use anyray_providers::Adaptation;
use anyray_wire::{aws_event_stream::FrameFault, bedrock::claude, sse::FrameTooLarge};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::GatewayError;

mod claude_on_clouds;

/// Translates the body and the headers of a request, whose body is whole.
pub type TranslateRequest = fn(&Source<'_>) -> Result<Payload, GatewayError>;

/// Translates a successful answer that is no stream; `None` where it is as the caller expects it.
pub type TranslateDocument = fn(&[u8]) -> Option<Bytes>;

/// Translates the body of a refusal, by its status and with the gateway's id of the request; `None`
/// where it is as the caller expects it.
pub type TranslateError = fn(u16, &[u8], &str) -> Option<Bytes>;

/// How requests and answers are changed on their way.
#[derive(Debug)]
pub struct Translation {
    /// For the request.
    pub request: Option<TranslateRequest>,
    /// For a successful answer that is no stream.
    pub document: Option<TranslateDocument>,
    /// For a successful answer that is a stream.
    pub stream: Option<StreamTranslation>,
    /// For a refusal.
    pub error: Option<TranslateError>,
}

/// How a stream is changed.
#[derive(Clone, Copy, Debug)]
pub struct StreamTranslation {
    /// What the provider sends.
    pub from: StreamFormat,
    /// Begins with a stream. Server-sent events of the caller's dialect come out.
    pub start: fn() -> Box<dyn StreamTranslator>,
}

/// In which form a stream arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFormat {
    /// Server-sent events.
    ServerSentEvents,
    /// AWS's event stream: frames with headers and checksums.
    AwsFrames,
}

/// Translates one stream, which arrives in arbitrary pieces.
pub trait StreamTranslator: Send + std::fmt::Debug {
    /// Takes the next bytes and writes the events that are complete with them.
    ///
    /// # Errors
    /// [`StreamFault`], after the events before it were written; the stream ends there.
    fn push(&mut self, bytes: &[u8], events: &mut BytesMut) -> Result<(), StreamFault>;
}

/// Why the rest of a stream cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFault {
    /// A frame is larger than any that are read.
    TooLarge,
    /// It is not what its content type says.
    Broken,
}

/// A request that is to be translated.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Slug of the provider, for errors.
    pub provider: &'static str,
    /// The provider's name of the model, where the request names one.
    pub model: Option<&'a str>,
    /// The caller's headers.
    pub headers: &'a HeaderMap,
    /// The caller's body.
    pub body: &'a [u8],
}

/// What is to be sent instead of what came.
#[derive(Debug, Default)]
pub struct Payload {
    /// The body; absent where it goes on as it is.
    pub body: Option<Bytes>,
    /// Headers to set, or to remove.
    pub headers: Vec<(HeaderName, Option<HeaderValue>)>,
    /// Whether it asks for a stream, where that is not in it.
    pub is_stream: bool,
    /// How many betas were left out that the provider would have refused.
    pub dropped_betas: usize,
}

/// Nothing is changed.
pub const IDENTITY: Translation = Translation {
    request: None,
    document: None,
    stream: None,
    error: None,
};

/// The table of translations.
pub fn of(adaptation: Adaptation) -> &'static Translation {
    match adaptation {
        Adaptation::AsIs => &IDENTITY,
        Adaptation::ClaudeOnBedrock => &claude_on_clouds::BEDROCK,
        Adaptation::ClaudeOnVertex => &claude_on_clouds::VERTEX,
        Adaptation::ClaudeOnVertexCountTokens => &claude_on_clouds::VERTEX_COUNT_TOKENS,
    }
}

impl From<FrameTooLarge> for StreamFault {
    fn from(_: FrameTooLarge) -> Self {
        Self::TooLarge
    }
}

impl From<FrameFault> for StreamFault {
    fn from(fault: FrameFault) -> Self {
        match fault {
            FrameFault::TooLarge { .. } => Self::TooLarge,
            FrameFault::Broken | FrameFault::Unlabelled => Self::Broken,
        }
    }
}

impl From<claude::StreamFault> for StreamFault {
    fn from(fault: claude::StreamFault) -> Self {
        match fault {
            claude::StreamFault::Frame(fault) => fault.into(),
            claude::StreamFault::Event => Self::Broken,
        }
    }
}
