//! AWS's event stream: a decoder for frames that arrive in pieces, and an encoder.
//!
//! Source: <https://smithy.io/2.0/aws/amazon-eventstream.html>.
//! What the payloads mean is the matter of [`crate::bedrock`].

use aws_smithy_eventstream::frame;
use aws_smithy_types::event_stream as smithy;
use bytes::{Buf as _, Bytes, BytesMut};

/// Content type of a body in this framing.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

/// Largest accepted frame; a provider that announces more is broken or hostile.
pub const MAX_FRAME_BYTES: usize = crate::sse::MAX_FRAME_BYTES;

/// Longest accepted headers of a frame, as botocore has it: each takes memory many times its length
/// once it is read, and Bedrock's have some hundred bytes.
pub const MAX_HEADERS_BYTES: usize = 128 << 10;

/// Two lengths and their checksum, which open each frame.
const PRELUDE_BYTES: usize = 12;
/// What a frame has besides headers and payload: the prelude, and a checksum of everything.
const OVERHEAD_BYTES: usize = PRELUDE_BYTES + size_of::<u32>();
/// The part of the prelude that its checksum covers.
const LENGTHS_BYTES: usize = 8;

const MESSAGE_TYPE: &str = ":message-type";
const EVENT_TYPE: &str = ":event-type";
const EXCEPTION_TYPE: &str = ":exception-type";
const ERROR_CODE: &str = ":error-code";
const ERROR_MESSAGE: &str = ":error-message";
const PAYLOAD_TYPE: &str = ":content-type";

/// One frame, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// What it carries, JSON with Bedrock; empty where it is an error.
    pub payload: Bytes,
}

/// What a frame is, by its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An event, with its type, such as `chunk`.
    Event(String),
    /// A failure that the service's model knows, with its type, such as `throttlingException`.
    /// The last frame of its stream.
    Exception(String),
    /// Any other failure. The last frame of its stream.
    Error {
        /// Its class, such as `InternalFailure`.
        code: String,
        /// Text for a person; empty where there is none.
        message: String,
    },
}

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// A frame announces more than [`MAX_FRAME_BYTES`].
    #[error("a frame announces {bytes} bytes, and {MAX_FRAME_BYTES} are the limit")]
    TooLarge {
        /// What it announces.
        bytes: u32,
    },
    /// A checksum or a length does not fit the bytes, or the headers are longer than
    /// [`MAX_HEADERS_BYTES`].
    #[error("a frame's bytes do not fit its checksums or lengths")]
    Broken,
    /// The headers do not tell an event from an error.
    #[error("a frame does not say what it is")]
    Unlabelled,
}

/// Reads frames out of bytes that arrive in arbitrary pieces.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// What came and was not read yet: after [`Decoder::next_message`] said `None`, less than one
    /// frame.
    buffer: BytesMut,
    /// Nothing can be read after a fault: where the next frame begins is not known.
    fault: Option<FrameFault>,
}

impl Decoder {
    /// Takes the next bytes. Call [`Decoder::next_message`] until it has no more.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.fault.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole message; `None` until more bytes come.
    ///
    /// # Errors
    /// A [`FrameFault`], again at each further call: the rest of the stream is lost.
    pub fn next_message(&mut self) -> Result<Option<Message>, FrameFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let read = self.read_frame();
        if let Err(fault) = read {
            self.fault = Some(fault);
            self.buffer = BytesMut::new();
        }
        read
    }

    /// Whether the stream stands between two frames, so that another frame may be inserted.
    pub fn is_between_frames(&self) -> bool {
        self.buffer.is_empty() && self.fault.is_none()
    }

    fn read_frame(&mut self) -> Result<Option<Message>, FrameFault> {
        let Some(prelude) = self.buffer.get(..PRELUDE_BYTES) else {
            return Ok(None);
        };
        let frame_bytes = read_prelude(prelude)?;
        if self.buffer.len() < frame_bytes {
            return Ok(None);
        }
        let frame = self.buffer.split_to(frame_bytes);
        let message = frame::read_message_from(frame).map_err(|_| FrameFault::Broken)?;
        Ok(Some(Message {
            kind: find_kind(&message).ok_or(FrameFault::Unlabelled)?,
            payload: message.payload().clone(),
        }))
    }
}

/// How long the frame is that begins so.
///
/// Checked before the rest has come: a length that went wrong must not make anyone wait for it.
fn read_prelude(prelude: &[u8]) -> Result<usize, FrameFault> {
    let lengths = prelude.get(..LENGTHS_BYTES).ok_or(FrameFault::Broken)?;
    let mut numbers = prelude;
    let mut next = || numbers.try_get_u32().map_err(|_| FrameFault::Broken);
    let (bytes, header_bytes, checksum) = (next()?, next()?, next()?);
    if crc32fast::hash(lengths) != checksum {
        return Err(FrameFault::Broken);
    }
    let frame_bytes = usize::try_from(bytes)
        .ok()
        .filter(|bytes| *bytes <= MAX_FRAME_BYTES)
        .ok_or(FrameFault::TooLarge { bytes })?;
    let room = frame_bytes.checked_sub(OVERHEAD_BYTES);
    let room = room.map(|room| room.min(MAX_HEADERS_BYTES));
    let fits =
        usize::try_from(header_bytes).is_ok_and(|headers| room.is_some_and(|room| headers <= room));
    fits.then_some(frame_bytes).ok_or(FrameFault::Broken)
}

fn find_kind(message: &smithy::Message) -> Option<Kind> {
    let find = |name| find_header(message, name);
    match find(MESSAGE_TYPE)? {
        "event" => Some(Kind::Event(find(EVENT_TYPE)?.to_owned())),
        "exception" => Some(Kind::Exception(find(EXCEPTION_TYPE)?.to_owned())),
        "error" => Some(Kind::Error {
            code: find(ERROR_CODE)?.to_owned(),
            message: find(ERROR_MESSAGE).unwrap_or_default().to_owned(),
        }),
        _ => None,
    }
}

fn find_header<'a>(message: &'a smithy::Message, name: &str) -> Option<&'a str> {
    let headers = message.headers().iter();
    let header = headers
        .into_iter()
        .find(|one| one.name().as_str() == name)?;
    header.value().as_string().ok().map(|value| value.as_str())
}

/// Writes one frame. `None` where no [`Decoder`] would take it: a type, a code or a message is longer
/// than a header can hold, or all of it than [`MAX_FRAME_BYTES`].
pub fn encode(message: &Message) -> Option<Bytes> {
    let headers = match &message.kind {
        Kind::Event(name) => labels("event", EVENT_TYPE, name),
        Kind::Exception(name) => labels("exception", EXCEPTION_TYPE, name),
        Kind::Error { code, message } => vec![
            header(MESSAGE_TYPE, "error"),
            header(ERROR_CODE, code),
            header(ERROR_MESSAGE, message),
        ],
    };
    let message = smithy::Message::new_from_parts(headers, message.payload.clone());
    let mut frame = BytesMut::new();
    frame::write_message_to(&message, &mut frame).ok()?;
    (frame.len() <= MAX_FRAME_BYTES).then(|| frame.freeze())
}

fn labels(message_type: &str, type_header: &'static str, name: &str) -> Vec<smithy::Header> {
    vec![
        header(type_header, name),
        header(PAYLOAD_TYPE, "application/json"),
        header(MESSAGE_TYPE, message_type),
    ]
}

fn header(name: &'static str, value: &str) -> smithy::Header {
    let value = smithy::HeaderValue::String(value.to_owned().into());
    smithy::Header::new(name, value)
}

#[cfg(test)]
mod tests;
