//! Claude's stream by `InvokeModelWithResponseStream`, turned into Anthropic's server-sent events.
//!
//! The events are Anthropic's, byte for byte, in base64 inside AWS's frames; the last one carries
//! `amazon-bedrock-invocationMetrics`, which clients pass over.
//! Where the stream ended too early is not told here, but by whoever reads the events.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html>.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use serde::Deserialize;

use crate::{
    anthropic::error::{Detail, Envelope},
    aws_event_stream::{Decoder, FrameFault, Kind},
    error::json,
    sse,
};

/// What the payload of each event is called.
const CHUNK: &str = "chunk";

/// Why the rest of a stream cannot be translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// The frames themselves are broken.
    #[error(transparent)]
    Frame(#[from] FrameFault),
    /// A frame is whole, and holds none of Anthropic's events.
    #[error("a frame does not hold an event of Anthropic's")]
    Event,
}

/// Translates one stream, which arrives in arbitrary pieces.
#[derive(Clone, Debug, Default)]
pub struct Translator {
    decoder: Decoder,
    /// The provider has reported a failure: nothing may follow.
    has_failed: bool,
}

impl Translator {
    /// Takes the next bytes and writes the events that are complete with them.
    ///
    /// A failure that the provider reports becomes an `error` event, the last one.
    ///
    /// # Errors
    /// A [`StreamFault`], after the events before it were written; the stream ends there.
    pub fn push(&mut self, bytes: &[u8], out: &mut BytesMut) -> Result<(), StreamFault> {
        if self.has_failed {
            return Ok(());
        }
        self.decoder.push(bytes);
        while let Some(message) = self.decoder.next_message()? {
            match message.kind {
                Kind::Event(name) if name == CHUNK => write_chunk(&message.payload, out)?,
                Kind::Event(_) => {}
                Kind::Exception(name) => self.fail(&name, &read_message(&message.payload), out),
                Kind::Error { code, message } => self.fail(&code, &message, out),
            }
        }
        Ok(())
    }

    /// Whether the stream stands between two frames, so that an event may be inserted.
    pub fn is_between_frames(&self) -> bool {
        self.decoder.is_between_frames()
    }

    fn fail(&mut self, class: &str, message: &str, out: &mut BytesMut) {
        self.has_failed = true;
        // What is left would come after the last event.
        self.decoder = Decoder::default();
        let error = Envelope {
            kind: "error",
            error: Detail {
                kind: kind(class),
                message: if message.is_empty() { class } else { message },
                details: None,
            },
            request_id: None,
        };
        out.extend_from_slice(&sse::encode(Some("error"), &json(&error)));
    }
}

/// Class of a failure in Anthropic's vocabulary.
///
/// AWS writes its own with a small letter in a frame of its model and with a capital one elsewhere,
/// and some with no `Exception` at the end. What only a whole answer has by the book is here, too,
/// as [`foreign_error`](crate::anthropic::foreign_error) has it by its status.
/// Source: `ResponseStream` of
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Types_Amazon_Bedrock_Runtime.html>
/// and <https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html>.
fn kind(class: &str) -> &'static str {
    let class = class.to_ascii_lowercase();
    match class.strip_suffix("exception").unwrap_or(&class) {
        "throttling" | "modelnotready" | "toomanyrequests" => "rate_limit_error",
        "validation" | "validationerror" | "servicequotaexceeded" => "invalid_request_error",
        "serviceunavailable" => "overloaded_error",
        "modeltimeout" | "requesttimeout" => "timeout_error",
        "accessdenied" => "permission_error",
        "unrecognizedclient" | "expiredtoken" => "authentication_error",
        "resourcenotfound" => "not_found_error",
        _ => "api_error",
    }
}

/// The payload of a `chunk`.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Cow<'a, str>,
}

/// What of one of Anthropic's events must be known.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
}

/// The event of a model's maker in the payload of a `chunk`.
///
/// # Errors
/// [`StreamFault::Event`] where there is none.
pub fn read_chunk(payload: &[u8]) -> Result<Vec<u8>, StreamFault> {
    let chunk: Chunk<'_> = serde_json::from_slice(payload).map_err(|_| StreamFault::Event)?;
    STANDARD
        .decode(chunk.bytes.as_bytes())
        .map_err(|_| StreamFault::Event)
}

fn write_chunk(payload: &Bytes, out: &mut BytesMut) -> Result<(), StreamFault> {
    let event = read_chunk(payload)?;
    let Event { kind } = serde_json::from_slice(&event).map_err(|_| StreamFault::Event)?;
    // A note of AWS's own, such as that of a guardrail.
    let Some(kind) = kind else { return Ok(()) };
    // The name becomes a line of its own, and JSON strings may hold line ends.
    if !kind
        .bytes()
        .all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
    {
        return Err(StreamFault::Event);
    }
    write_event(&kind, &event, out);
    Ok(())
}

/// Writes one event. Line ends, which JSON may have between its tokens, continue the data.
fn write_event(name: &str, json: &[u8], out: &mut BytesMut) {
    out.reserve(name.len() + json.len() + 32);
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    for line in json.split(|byte| matches!(byte, b'\n' | b'\r')) {
        out.extend_from_slice(b"\ndata: ");
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b"\n\n");
}

/// The message of an exception's payload, or nothing.
fn read_message(payload: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Exception {
        #[serde(alias = "Message")]
        message: String,
    }
    let exception = serde_json::from_slice(payload);
    exception.map_or_else(|_| String::new(), |Exception { message }| message)
}

#[cfg(test)]
mod tests;
