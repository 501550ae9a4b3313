//! What a fake provider does with a request, and how a model name spells it.
//!
//! Pure: the words only. What a scenario does to an answer is in `answer` and
//! `stream`, how a name is read and written in `spelling`, how streams of Bedrock fail in
//! `fault`.

mod fault;
mod spelling;

pub use fault::StreamFault;
pub use spelling::ParseScenarioError;

/// The part of a model name after which the scenario is spelt.
pub const MARKER: &str = "fake-";

/// Largest answer, frame or line that a scenario may ask for: the request limit
/// of the gateway, so that both directions are tried with the same sizes.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Most events that a scenario may ask for: they are built in memory at once.
pub const MAX_EVENTS: usize = 100_000;

/// Longest pause, in milliseconds: as long as the SDKs wait for an answer.
pub const MAX_PAUSE_MS: u64 = 600_000;

/// What the fake does with one request.
///
/// A scenario comes from [`FakeProvider::script`](crate::FakeProvider::script) or
/// from the request's model name, through [`FromStr`](std::str::FromStr): what stands behind `fake-`,
/// as in `gpt-fake-cut-3`; a name without `fake-` is [`Scenario::Answer`].
/// Scenarios that speak of events change only streams: a request that does not
/// stream gets the plain answer, as it would from a provider that recovered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scenario {
    /// `answer`: the last text of the user, after `echo: `.
    Answer,
    /// `status-529`: this status (300 to 599) with the provider's error body.
    Status(u16),
    /// `fail-2-500`: `status` for the first `times` requests with exactly this
    /// model name, the plain answer afterwards.
    FailThen {
        /// The status of the failures, 300 to 599.
        status: u16,
        /// How many requests fail.
        times: u32,
    },
    /// `hang`: not even a status line.
    Hang,
    /// `hang-stream-2`: `after` events, then silence with the connection open.
    HangStream {
        /// Events before the silence.
        after: usize,
    },
    /// `cut-3`: `after` events, then the connection goes without an end of the
    /// chunked body.
    Cut {
        /// Events before the cut.
        after: usize,
    },
    /// `cut-mid-3`: like [`Scenario::Cut`], in the middle of the next event.
    CutMidFrame {
        /// Whole events before the cut.
        after: usize,
    },
    /// `cut-body`: half of the answer, streaming or not, then the connection goes.
    CutBody,
    /// `end-early-3`: `after` events, then a clean end without a terminal event.
    EndEarly {
        /// Events before the end.
        after: usize,
    },
    /// `error-event-2`: `after` events, the dialect's error event, a clean end.
    ErrorEvent {
        /// Events before the error.
        after: usize,
    },
    /// `malformed`: one event in the middle of a good stream has broken JSON.
    MalformedFrame,
    /// `silent-2000`: a pause before the terminal events of a stream, or before
    /// the status line of a plain answer.
    Silent {
        /// The pause in milliseconds.
        ms: u64,
    },
    /// `silent-mid-2000`: a pause in the middle of an event, where nothing may be
    /// put in between; before the status line of a plain answer.
    SilentMidFrame {
        /// The pause in milliseconds.
        ms: u64,
    },
    /// `drip-50`: a pause before each event of a stream, or before the status
    /// line of a plain answer.
    Drip {
        /// The pause in milliseconds.
        ms: u64,
    },
    /// `tools`: a call of the request's first function, with arguments that fit
    /// its schema; the plain answer once the request ends with a tool's result.
    Tools,
    /// `split-bytes`: every byte is written and flushed alone; the text has
    /// umlauts, CJK and emoji.
    SplitBytes,
    /// `one-write`: the whole stream in one chunk.
    OneWrite,
    /// `long-text-1000000`: a text of this many bytes, in pieces of 1 KiB.
    LongText {
        /// Bytes of the text.
        bytes: usize,
    },
    /// `events-200`: a text in this many pieces.
    Events {
        /// Number of text events.
        n: usize,
    },
    /// `html`: a 502 page of a load balancer.
    Html,
    /// `wrong-length`: `content-length` says more than is sent, then the
    /// connection goes.
    WrongLength,
    /// `endless-line`: the first event, then a line that never ends; after
    /// [`MAX_BYTES`] the connection goes.
    EndlessLine,
    /// `huge-frame-2000000`: a text of this many bytes in one event.
    HugeFrame {
        /// Bytes of the text.
        bytes: usize,
    },
    /// `set-cookie`: the plain answer with `set-cookie`, forged `x-anyray-*`
    /// headers and a header that `connection` names.
    SetCookie,
    /// `no-usage`: the plain answer without a word on usage.
    NoUsage,
    /// `no-done`: a stream that lacks only its last event (`[DONE]`,
    /// `message_stop`, `response.completed`).
    NoDone,
    /// `incomplete`: the answer ends at the token limit.
    Incomplete,
    /// `failed`: Responses end with `response.failed` and its usage; the other
    /// dialects send their error event last, or a 500 when not streaming.
    Failed,
    /// `exception-throttling-2`: `after` events, then Bedrock's exception of a kind
    /// ([`StreamFault`]) and a clean end; in the other dialects like
    /// [`Scenario::ErrorEvent`].
    Exception {
        /// The kind.
        fault: StreamFault,
        /// Events before the exception.
        after: usize,
    },
    /// `content-filter`: Azure OpenAI refuses the prompt with a 400 and `innererror`;
    /// elsewhere nothing is filtered.
    ContentFilter,
}

impl Scenario {
    /// One of each kind, for tests and documents to loop over.
    pub const EXAMPLES: [Self; 30] = [
        Self::Answer,
        Self::Status(529),
        Self::FailThen {
            status: 500,
            times: 2,
        },
        Self::Hang,
        Self::HangStream { after: 2 },
        Self::Cut { after: 3 },
        Self::CutMidFrame { after: 3 },
        Self::CutBody,
        Self::EndEarly { after: 3 },
        Self::ErrorEvent { after: 2 },
        Self::MalformedFrame,
        Self::Silent { ms: 2_000 },
        Self::SilentMidFrame { ms: 2_000 },
        Self::Drip { ms: 50 },
        Self::Tools,
        Self::SplitBytes,
        Self::OneWrite,
        Self::LongText { bytes: 100_000 },
        Self::Events { n: 200 },
        Self::Html,
        Self::WrongLength,
        Self::EndlessLine,
        Self::HugeFrame { bytes: 2_000_000 },
        Self::SetCookie,
        Self::NoUsage,
        Self::NoDone,
        Self::Incomplete,
        Self::Failed,
        Self::Exception {
            fault: StreamFault::Throttling,
            after: 2,
        },
        Self::ContentFilter,
    ];
}
