//! Follows an answer's bytes and learns from them: usage, and whether a stream reached its end.
//!
//! Nothing is held back and nothing is changed; memory is constant whatever the provider sends.

use anyray_wire::{
    Dialect,
    aws_event_stream::{self, Decoder, Message},
    bedrock::claude,
    error::StreamPosition,
    key_scan::{Found, KeyScanner, Path},
    sse::{Piece, Scanner},
    usage::TokenUsage,
};

use crate::translation::StreamFault;

/// The data of the frame that ends OpenAI's streams.
const DONE: &[u8] = b"[DONE]";

/// Longest `response.id` that is kept.
const MAX_ID_BYTES: usize = 128;

/// What a watched value says about the answer.
#[derive(Clone, Copy, Debug)]
enum Mark {
    Usage,
    Type,
    Error,
    FinishReason,
    SequenceNumber,
    ResponseId,
    /// Counts of AWS beside the last event of a model's maker.
    Metrics,
}

/// Paths to watch, and what is found there.
type Watched = (&'static [Path], &'static [Mark]);

const JSON: Watched = (&[&["usage"]], &[Mark::Usage]);

const GEMINI: Watched = (
    &[
        &["usageMetadata"],
        &["candidates", "finishReason"],
        &["promptFeedback", "blockReason"],
        &["error"],
    ],
    &[
        Mark::Usage,
        Mark::FinishReason,
        Mark::FinishReason,
        Mark::Error,
    ],
);

const INVOKE: Watched = (
    &[
        &["type"],
        &["usage"],
        &["message", "usage"],
        &["amazon-bedrock-invocationMetrics"],
    ],
    &[Mark::Type, Mark::Usage, Mark::Usage, Mark::Metrics],
);

const CHAT: Watched = (
    &[&["usage"], &["error"], &["choices", "finish_reason"]],
    &[Mark::Usage, Mark::Error, Mark::FinishReason],
);

const RESPONSES: Watched = (
    &[
        &["type"],
        &["sequence_number"],
        &["response", "id"],
        &["response", "usage"],
    ],
    &[
        Mark::Type,
        Mark::SequenceNumber,
        Mark::ResponseId,
        Mark::Usage,
    ],
);

const MESSAGES: Watched = (
    &[&["type"], &["usage"], &["message", "usage"]],
    &[Mark::Type, Mark::Usage, Mark::Usage],
);

/// The meter of one answer.
#[derive(Debug)]
pub struct Meter {
    facts: Facts,
    keys: KeyScanner,
    events: Option<Events>,
}

/// The extra state of a stream.
#[derive(Debug)]
enum Events {
    /// Of server-sent events.
    Sse {
        scanner: Scanner,
        /// How many bytes of [`DONE`] the frame's data has begun with; `None` once it differs.
        done_prefix: Option<usize>,
    },
    /// Of AWS's frames.
    Frames(Decoder),
}

#[derive(Debug)]
struct Facts {
    dialect: Dialect,
    marks: &'static [Mark],
    usage: Option<TokenUsage>,
    /// The last word was said: nothing comes behind it.
    is_ended: bool,
    /// The last choice that was heard of has finished: only formalities may be missing.
    has_finished: bool,
    response_id: Option<String>,
    sequence_number: Option<u64>,
}

impl Meter {
    /// A meter for a JSON body.
    pub fn of_json(dialect: Dialect) -> Self {
        let watched = match dialect {
            Dialect::GeminiGenerate => GEMINI,
            _ => JSON,
        };
        Self::new(dialect, watched)
    }

    /// A meter for server-sent events.
    pub fn of_events(dialect: Dialect) -> Self {
        let watched = match dialect {
            Dialect::OpenAiChat => CHAT,
            Dialect::OpenAiResponses => RESPONSES,
            Dialect::AnthropicMessages => MESSAGES,
            Dialect::GeminiGenerate => GEMINI,
            Dialect::BedrockInvoke | Dialect::BedrockConverse => JSON,
        };
        let events = Events::Sse {
            scanner: Scanner::default(),
            done_prefix: Some(0),
        };
        Self {
            events: Some(events),
            ..Self::new(dialect, watched)
        }
    }

    /// A meter for AWS's frames.
    pub fn of_frames(dialect: Dialect) -> Self {
        let watched = match dialect {
            Dialect::BedrockInvoke => INVOKE,
            _ => JSON,
        };
        Self {
            events: Some(Events::Frames(Decoder::default())),
            ..Self::new(dialect, watched)
        }
    }

    fn new(dialect: Dialect, (paths, marks): Watched) -> Self {
        Self {
            facts: Facts {
                dialect,
                marks,
                usage: None,
                is_ended: false,
                has_finished: false,
                response_id: None,
                sequence_number: None,
            },
            keys: KeyScanner::new(paths),
            events: None,
        }
    }

    /// Follows the next bytes of the answer.
    ///
    /// # Errors
    /// [`StreamFault`], where the rest of the stream is lost.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), StreamFault> {
        let Self {
            facts,
            keys,
            events,
        } = self;
        match events {
            None => {
                facts.scan(keys, bytes);
                Ok(())
            }
            Some(Events::Sse {
                scanner,
                done_prefix,
            }) => scanner
                .push(bytes, |piece| match piece {
                    Piece::Data(data) => {
                        *done_prefix = done_prefix.and_then(|seen| match_done(seen, data));
                        facts.scan(keys, data);
                    }
                    Piece::DataEnd => facts.is_ended |= *done_prefix == Some(DONE.len()),
                    Piece::FrameEnd => {
                        keys.reset();
                        *done_prefix = Some(0);
                    }
                })
                .map_err(StreamFault::from),
            Some(Events::Frames(decoder)) => {
                decoder.push(bytes);
                while let Some(message) = decoder.next_message()? {
                    facts.read_message(keys, &message);
                    keys.reset();
                }
                Ok(())
            }
        }
    }

    /// The usage that the answer reported so far.
    pub fn usage(&self) -> Option<TokenUsage> {
        self.facts.usage
    }

    /// Whether the stream has said its last word, be it an error.
    pub fn is_ended(&self) -> bool {
        self.facts.is_ended
    }

    /// Whether a clean end of the stream may be taken for the end of the answer.
    ///
    /// Some servers leave out `[DONE]`; a finish reason in the last choice has to do then.
    pub fn may_end(&self) -> bool {
        let may_stop_here = match &self.events {
            // The last line may lack its end.
            Some(Events::Sse { done_prefix, .. }) => *done_prefix == Some(DONE.len()),
            _ => false,
        };
        let has_finished = self.facts.has_finished && (may_stop_here || self.is_between_frames());
        self.facts.is_ended || has_finished
    }

    /// Whether a frame may be put in here without tearing another.
    pub fn is_between_frames(&self) -> bool {
        match &self.events {
            None => false,
            Some(Events::Sse { scanner, .. }) => scanner.is_between_frames(),
            Some(Events::Frames(decoder)) => decoder.is_between_frames(),
        }
    }

    /// Where the stream stands, for the event that ends it.
    pub fn position(&self) -> StreamPosition<'_> {
        StreamPosition {
            response_id: self.facts.response_id.as_deref(),
            sequence_number: self.facts.sequence_number,
        }
    }
}

impl Facts {
    /// Reads one of AWS's frames.
    fn read_message(&mut self, keys: &mut KeyScanner, message: &Message) {
        let aws_event_stream::Kind::Event(event) = &message.kind else {
            self.is_ended = true;
            return;
        };
        match event.as_str() {
            "chunk" => {
                // What holds no event is the reader's to find out.
                let event = claude::read_chunk(&message.payload).unwrap_or_default();
                self.scan(keys, &event);
            }
            "messageStop" => self.has_finished = true,
            "metadata" => {
                self.scan(keys, &message.payload);
                self.is_ended = true;
            }
            _ => {}
        }
    }

    fn scan(&mut self, keys: &mut KeyScanner, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(found) = keys.next(&mut rest) {
            self.note(found);
        }
    }

    fn note(&mut self, found: Found<'_>) {
        let Some(mark) = self.marks.get(found.path) else {
            return;
        };
        match mark {
            Mark::Usage | Mark::Metrics => {
                self.has_finished |= matches!(mark, Mark::Metrics);
                let known = self.usage.unwrap_or_default();
                self.usage = known.updated_by(self.dialect, found.value).or(self.usage);
            }
            Mark::Type => self.is_ended |= is_last_type(found.value),
            Mark::Error => self.is_ended |= found.value != b"null",
            Mark::FinishReason => self.has_finished = !matches!(found.value, b"null" | b"\"\""),
            Mark::SequenceNumber => {
                self.sequence_number = serde_json::from_slice(found.value).ok();
            }
            Mark::ResponseId if self.response_id.is_none() && found.value.len() <= MAX_ID_BYTES => {
                self.response_id = serde_json::from_slice(found.value).ok();
            }
            Mark::ResponseId => {}
        }
    }
}

/// Whether this is the JSON text of an event type after which nothing comes.
fn is_last_type(value: &[u8]) -> bool {
    matches!(
        value,
        b"\"message_stop\""
            | b"\"error\""
            | b"\"response.completed\""
            | b"\"response.incomplete\""
            | b"\"response.failed\""
    )
}

/// How far the data matches [`DONE`] after more of it came; `None` where it is something else.
fn match_done(seen: usize, data: &[u8]) -> Option<usize> {
    let expected = DONE.get(seen..)?;
    let common = expected.len().min(data.len());
    let (now, rest) = data.split_at_checked(common)?;
    let is_same = expected.get(..common) == Some(now) && rest.trim_ascii().is_empty();
    is_same.then_some(seen + common)
}

#[cfg(test)]
mod tests;
