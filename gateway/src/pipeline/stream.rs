//! A provider's answer on its way to the caller: relayed piece by piece, metered as it goes by.
//!
//! Nothing is buffered: the provider is read only as fast as the caller reads.
//! A stream that breaks off ends in an error that the caller's SDK sees.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use anyray_providers::Operation;
use anyray_wire::{Dialect, aws_event_stream, error as wire_error, sse};
use axum::BoxError;
use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    meter::Meter,
    record::{Outcome, Record},
};
use crate::{
    config::snapshot::Timeouts,
    error::GatewayError,
    translation::{StreamFault, StreamFormat, StreamTranslation, StreamTranslator, Translation},
};

/// Content type of server-sent events.
const SERVER_SENT_EVENTS: &str = "text/event-stream";

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// The body of one answer.
#[derive(Debug)]
pub struct Relay {
    upstream: Incoming,
    /// Whether the status is one of success.
    is_success: bool,
    record: Record,
    meter: Option<Meter>,
    /// Puts what the provider sends into events of the caller's dialect, where it sends others.
    translator: Option<Box<dyn StreamTranslator>>,
    /// What keeps the rest of the answer from being read, to be told next.
    fault: Option<GatewayError>,
    kind: Kind,
    timeouts: Timeouts,
    last_byte: Instant,
    last_ping: Instant,
    waiting: Option<Waiting>,
    has_ended: bool,
}

/// What ends a wait for the provider. Made at the first wait, as small answers have none.
#[derive(Debug)]
struct Waiting {
    timer: Pin<Box<Sleep>>,
    cutoff: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// In which form an answer arrives, and is to be passed on.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    /// One document; also what cannot be read, such as a compressed stream, although the gateway
    /// asked for none.
    Document,
    /// A stream as it comes.
    Stream(StreamFormat),
    /// A stream that becomes server-sent events of the caller's dialect.
    Translated(StreamTranslation),
}

impl Format {
    /// The form of an answer with these headers.
    pub fn of(headers: &HeaderMap, translation: &Translation) -> Self {
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_kind = |name: &str| {
            let begins = |kind: &[u8]| {
                kind.get(..name.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
            };
            kind.is_some_and(begins) && !headers.contains_key(CONTENT_ENCODING)
        };
        let format = if is_kind(SERVER_SENT_EVENTS) {
            StreamFormat::ServerSentEvents
        } else if is_kind(aws_event_stream::CONTENT_TYPE) {
            StreamFormat::AwsFrames
        } else {
            return Self::Document;
        };
        match translation.stream {
            Some(stream) if stream.from == format => Self::Translated(stream),
            _ => Self::Stream(format),
        }
    }

    /// Whether it is one document.
    pub fn is_document(self) -> bool {
        matches!(self, Self::Document)
    }

    /// Makes the head of the answer say what its body is.
    pub fn amend(self, headers: &mut HeaderMap) {
        if !self.is_document() {
            // Pings and an error at the end make it longer.
            headers.remove(CONTENT_LENGTH);
        }
        if let Self::Translated(_) = self {
            let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
            headers.insert(CONTENT_TYPE, kind);
        }
    }

    /// In which form the caller gets a stream; `None` for a document.
    fn sent(self) -> Option<StreamFormat> {
        match self {
            Self::Document => None,
            Self::Stream(format) => Some(format),
            Self::Translated(_) => Some(StreamFormat::ServerSentEvents),
        }
    }
}

/// What of an answer's shape decides how it is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One document.
    Document,
    /// Events of a known grammar: a missing end is noticed, and where `pings` is set, silence is
    /// filled.
    Events { pings: Option<&'static [u8]> },
    /// Events of a path that merely passes through: its grammar is not ours to know.
    ForeignEvents,
}

impl Kind {
    fn is_events(self) -> bool {
        matches!(self, Self::Events { .. })
    }

    fn pings(self) -> Option<&'static [u8]> {
        match self {
            Self::Events { pings } => pings,
            Self::Document | Self::ForeignEvents => None,
        }
    }
}

impl Relay {
    /// Relays `upstream`, whose head with `status` was sent on.
    pub fn new(upstream: Incoming, format: Format, status: StatusCode, record: Record) -> Self {
        let is_metered = record.operation().is_some_and(Operation::is_metered);
        let dialect = record.dialect();
        let sent = format.sent();
        let kind = match sent {
            None => Kind::Document,
            Some(_) if !is_metered => Kind::ForeignEvents,
            Some(StreamFormat::AwsFrames) => Kind::Events { pings: None },
            Some(StreamFormat::ServerSentEvents) => Kind::Events {
                pings: ping(dialect),
            },
        };
        let meter = is_metered.then(|| match sent {
            None => Meter::of_json(dialect),
            Some(StreamFormat::AwsFrames) => Meter::of_frames(dialect),
            Some(StreamFormat::ServerSentEvents) => Meter::of_events(dialect),
        });
        let translator = match format {
            Format::Translated(stream) => Some((stream.start)()),
            Format::Document | Format::Stream(_) => None,
        };
        let now = Instant::now();
        Self {
            upstream,
            is_success: status.is_success(),
            timeouts: record.config().timeouts,
            record,
            meter,
            translator,
            fault: None,
            kind,
            last_byte: now,
            last_ping: now,
            waiting: None,
            has_ended: false,
        }
    }

    /// Takes the provider's next bytes; `None` where they lead to nothing for the caller yet.
    fn take_frame(&mut self, frame: Frame<Bytes>) -> Option<Polled> {
        let received = match frame.into_data() {
            Ok(data) => data,
            // Trailers would tell of bytes that the caller does not get.
            Err(_) if self.translator.is_some() => return None,
            Err(frame) => return Some(Poll::Ready(Some(Ok(frame)))),
        };
        self.last_byte = Instant::now();
        if let Some(error) = self.overtime(self.last_byte) {
            return Some(self.fail(error));
        }
        let (data, fault) = self.translate(received);
        self.record.add_response_bytes(data.len());
        let pushed = self.meter.as_mut().map(|meter| meter.push(&data));
        let fault = pushed.and_then(Result::err).or(fault);
        let error = fault.map(|fault| self.unreadable(fault));
        if data.is_empty() {
            return error.map(|error| self.fail(error));
        }
        match error {
            // What was read before it still stands.
            Some(error) if self.translator.is_some() => self.fault = Some(error),
            Some(error) => return Some(self.fail(error)),
            None => {}
        }
        Some(Poll::Ready(Some(Ok(Frame::data(data)))))
    }

    /// The bytes for the caller, and what keeps the rest from being read.
    fn translate(&mut self, received: Bytes) -> (Bytes, Option<StreamFault>) {
        let Some(translator) = &mut self.translator else {
            return (received, None);
        };
        let mut events = BytesMut::new();
        let fault = translator.push(&received, &mut events).err();
        (events.freeze(), fault)
    }

    fn unreadable(&self, fault: StreamFault) -> GatewayError {
        let provider = self.record.provider();
        match fault {
            StreamFault::TooLarge => GatewayError::StreamOverflow { provider },
            StreamFault::Broken => GatewayError::InvalidAnswer { provider },
        }
    }

    fn take_end(&mut self) -> Polled {
        let is_cut = self.kind.is_events()
            && self.is_success
            && self.meter.as_ref().is_some_and(|meter| !meter.may_end());
        if is_cut {
            return self.fail(GatewayError::StreamCut {
                provider: self.record.provider(),
            });
        }
        self.end(Outcome::Answered);
        Poll::Ready(None)
    }

    fn end(&mut self, outcome: Outcome) {
        self.has_ended = true;
        self.waiting = None;
        let counted = self.meter.as_ref().and_then(Meter::usage);
        if counted.is_some() {
            self.record.set_usage(counted);
        }
        self.record.set_outcome(outcome);
    }

    /// Ends the answer with an error: as the dialect's event where one fits, else by breaking off
    /// the connection, which no client takes for an end.
    ///
    /// A stream that has said its last word lacks nothing, whatever becomes of its connection.
    fn fail(&mut self, error: GatewayError) -> Polled {
        if self.has_said_all() {
            self.end(Outcome::Answered);
            return Poll::Ready(None);
        }
        self.end(Outcome::Failed(error.clone()));
        tracing::warn!(
            request.id = self.record.id(),
            reason = error.code(),
            "broke off an answer: {error}"
        );
        match &self.meter {
            Some(meter) if self.kind.is_events() && meter.is_between_frames() => {
                let position = meter.position();
                let dialect = self.record.dialect();
                let last = error.describe(self.record.id(), |detail| {
                    wire_error::stream_end(dialect, detail, position)
                });
                Poll::Ready(Some(Ok(Frame::data(last))))
            }
            _ => Poll::Ready(Some(Err(error.into()))),
        }
    }

    fn has_said_all(&self) -> bool {
        let is_whole = |meter: &Meter| meter.is_ended() && meter.is_between_frames();
        self.kind.is_events() && self.meter.as_ref().is_some_and(is_whole)
    }

    /// While the provider is silent: pings, time limits, and the end of a drain.
    fn wait(&mut self, context: &mut Context<'_>) -> Polled {
        let mut due = self.next_wake();
        let waiting = self.waiting.get_or_insert_with(|| Waiting {
            timer: Box::pin(sleep_until(due)),
            cutoff: Box::pin(
                self.record
                    .worker()
                    .app
                    .drain
                    .cutoff
                    .clone()
                    .cancelled_owned(),
            ),
        });
        if waiting.cutoff.as_mut().poll(context).is_ready() {
            return self.fail(GatewayError::Draining);
        }
        while let Some(waiting) = &mut self.waiting {
            if waiting.timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if now >= due {
                if let Poll::Ready(ready) = self.wake(now) {
                    return Poll::Ready(ready);
                }
                due = self.next_wake();
            }
            if let Some(waiting) = &mut self.waiting {
                waiting.timer.as_mut().reset(due);
            }
        }
        Poll::Pending
    }

    /// When something must happen if the provider stays silent.
    ///
    /// Bytes that arrive meanwhile move it, but the timer is set again only when it fires.
    fn next_wake(&self) -> Instant {
        let idle = self.last_byte + self.timeouts.idle;
        let total = self.record.deadline().map(|(deadline, _)| deadline);
        let ping = self
            .kind
            .pings()
            .map(|_| self.last_byte.max(self.last_ping) + self.timeouts.ping);
        [total, ping].into_iter().flatten().fold(idle, Instant::min)
    }

    /// The error of a request that takes longer than any may.
    fn overtime(&self, now: Instant) -> Option<GatewayError> {
        let (deadline, limit) = self.record.deadline()?;
        (now >= deadline).then_some(GatewayError::TotalTimeout { limit })
    }

    fn wake(&mut self, now: Instant) -> Polled {
        let provider = self.record.provider();
        if let Some(error) = self.overtime(now) {
            return self.fail(error);
        }
        if now >= self.last_byte + self.timeouts.idle {
            return self.fail(GatewayError::StreamIdle {
                provider,
                limit: self.timeouts.idle,
            });
        }
        self.last_ping = now;
        match (&self.meter, self.kind.pings()) {
            (Some(meter), Some(ping)) if meter.is_between_frames() && !meter.is_ended() => {
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(ping)))))
            }
            _ => Poll::Pending,
        }
    }
}

/// What keeps a silent stream alive in this dialect, if its clients are known to take it.
fn ping(dialect: Dialect) -> Option<&'static [u8]> {
    match dialect {
        Dialect::AnthropicMessages => Some(sse::ANTHROPIC_PING),
        Dialect::OpenAiChat | Dialect::OpenAiResponses => Some(sse::COMMENT_PING),
        Dialect::BedrockInvoke | Dialect::BedrockConverse | Dialect::GeminiGenerate => None,
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Some(error) = self.fault.take() {
            return self.fail(error);
        }
        loop {
            return match Pin::new(&mut self.upstream).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match self.take_frame(frame) {
                    Some(polled) => polled,
                    None => continue,
                },
                Poll::Ready(Some(Err(_))) => {
                    let provider = self.record.provider();
                    self.fail(GatewayError::StreamCut { provider })
                }
                Poll::Ready(None) => self.take_end(),
                Poll::Pending => self.wait(context),
            };
        }
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || (self.kind == Kind::Document && self.upstream.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self.kind {
            Kind::Document => self.upstream.size_hint(),
            Kind::Events { .. } | Kind::ForeignEvents => SizeHint::default(),
        }
    }
}

impl Drop for Relay {
    /// A document of known length is dropped after its last byte without being asked for its end;
    /// any other drop before the end means that the caller has left.
    fn drop(&mut self) {
        if !self.has_ended {
            let is_whole = self.is_end_stream();
            self.end(if is_whole {
                Outcome::Answered
            } else {
                Outcome::ClientGone
            });
        }
    }
}
