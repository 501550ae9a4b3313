//! Follows an answer's bytes and learns from them: usage, and whether a stream reached its end.
//!
//! Nothing is held back and nothing is changed; memory is constant whatever the provider sends.

use anyray_wire::{
    Dialect,
    error::StreamPosition,
    key_scan::{Found, KeyScanner, Path},
    sse::{FrameTooLarge, Piece, Scanner},
    usage::TokenUsage,
};

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
}

const JSON_PATHS: &[Path] = &[&["usage"]];
const JSON_MARKS: &[Mark] = &[Mark::Usage];

const CHAT_PATHS: &[Path] = &[&["usage"], &["error"], &["choices", "finish_reason"]];
const CHAT_MARKS: &[Mark] = &[Mark::Usage, Mark::Error, Mark::FinishReason];

const RESPONSES_PATHS: &[Path] = &[
    &["type"],
    &["sequence_number"],
    &["response", "id"],
    &["response", "usage"],
];
const RESPONSES_MARKS: &[Mark] = &[
    Mark::Type,
    Mark::SequenceNumber,
    Mark::ResponseId,
    Mark::Usage,
];

const MESSAGES_PATHS: &[Path] = &[&["type"], &["usage"], &["message", "usage"]];
const MESSAGES_MARKS: &[Mark] = &[Mark::Type, Mark::Usage, Mark::Usage];

/// The meter of one answer.
#[derive(Debug)]
pub struct Meter {
    facts: Facts,
    keys: KeyScanner,
    events: Option<Events>,
}

/// The extra state of an event stream.
#[derive(Debug, Default)]
struct Events {
    scanner: Scanner,
    /// How many bytes of [`DONE`] the frame's data has begun with; `None` once it differs.
    done_prefix: Option<usize>,
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
        Self::new(dialect, JSON_PATHS, JSON_MARKS)
    }

    /// A meter for an event stream.
    pub fn of_events(dialect: Dialect) -> Self {
        let (paths, marks) = match dialect {
            Dialect::OpenAiChat => (CHAT_PATHS, CHAT_MARKS),
            Dialect::OpenAiResponses => (RESPONSES_PATHS, RESPONSES_MARKS),
            Dialect::AnthropicMessages => (MESSAGES_PATHS, MESSAGES_MARKS),
        };
        let events = Events {
            scanner: Scanner::default(),
            done_prefix: Some(0),
        };
        Self {
            events: Some(events),
            ..Self::new(dialect, paths, marks)
        }
    }

    fn new(dialect: Dialect, paths: &'static [Path], marks: &'static [Mark]) -> Self {
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
    /// [`FrameTooLarge`] where a stream's frame exceeds all bounds.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FrameTooLarge> {
        let Self {
            facts,
            keys,
            events,
        } = self;
        let Some(Events {
            scanner,
            done_prefix,
        }) = events
        else {
            facts.scan(keys, bytes);
            return Ok(());
        };
        scanner.push(bytes, |piece| match piece {
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
        self.facts.is_ended || self.facts.has_finished
    }

    /// Whether a frame may be put in here without tearing another.
    pub fn is_between_frames(&self) -> bool {
        self.events
            .as_ref()
            .is_some_and(|events| events.scanner.is_between_frames())
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
            Mark::Usage => {
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
