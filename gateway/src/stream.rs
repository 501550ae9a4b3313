//! A provider's answer on its way to the caller: relayed piece by piece, metered as it goes by.
//!
//! Nothing is buffered: the provider is read only as fast as the caller reads.
//! A stream that breaks off ends in an error that the caller's SDK sees.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use anyray_wire::{Dialect, error as wire_error, sse};
use axum::BoxError;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::{
    config::snapshot::Timeouts,
    error::GatewayError,
    inbound::Operation,
    meter::Meter,
    record::{Outcome, Record},
};

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// The body of one answer.
#[derive(Debug)]
pub struct Relay {
    upstream: Incoming,
    record: Record,
    meter: Option<Meter>,
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

/// What of an answer's shape decides how it is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One document.
    Document,
    /// Events of a known grammar: pings are put in, and a missing end is noticed.
    Events,
    /// Events of a path that merely passes through: its grammar is not ours to know.
    ForeignEvents,
}

/// Whether an answer is an event stream that can be read: one that is compressed, although the
/// gateway asked for none, is passed on as any document.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    let is_events = |kind: &HeaderValue| {
        kind.as_bytes()
            .to_ascii_lowercase()
            .starts_with(b"text/event-stream")
    };
    !headers.contains_key(CONTENT_ENCODING) && headers.get(CONTENT_TYPE).is_some_and(is_events)
}

impl Relay {
    /// Relays `upstream`, whose head was sent on as noted in `record`.
    pub fn new(upstream: Incoming, is_stream: bool, record: Record, timeouts: Timeouts) -> Self {
        let is_metered = record.operation.is_some_and(Operation::is_metered);
        let kind = match (is_stream, is_metered) {
            (false, _) => Kind::Document,
            (true, true) => Kind::Events,
            (true, false) => Kind::ForeignEvents,
        };
        let meter = is_metered.then(|| match kind {
            Kind::Document => Meter::of_json(record.dialect),
            Kind::Events | Kind::ForeignEvents => Meter::of_events(record.dialect),
        });
        let now = Instant::now();
        Self {
            upstream,
            record,
            meter,
            kind,
            timeouts,
            last_byte: now,
            last_ping: now,
            waiting: None,
            has_ended: false,
        }
    }

    fn take_frame(&mut self, frame: Frame<Bytes>) -> Polled {
        let Some(data) = frame.data_ref() else {
            return Poll::Ready(Some(Ok(frame)));
        };
        self.last_byte = Instant::now();
        if let Some(error) = self.overtime(self.last_byte) {
            return self.fail(error);
        }
        self.record.response_bytes += data.len() as u64;
        let pushed = self.meter.as_mut().map_or(Ok(()), |meter| meter.push(data));
        if pushed.is_err() {
            return self.fail(GatewayError::StreamOverflow {
                provider: self.record.provider(),
            });
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn take_end(&mut self) -> Polled {
        let is_cut = self.kind == Kind::Events
            && self.record.status.is_some_and(|status| status.is_success())
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
        self.record.usage = self.meter.as_ref().and_then(Meter::usage);
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
            Some(meter) if self.kind == Kind::Events && meter.is_between_frames() => {
                let position = meter.position();
                let dialect = self.record.dialect;
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
        self.kind == Kind::Events && self.meter.as_ref().is_some_and(is_whole)
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
    /// Bytes that arrive meanwhile move it, but the timer is set anew only when it fires.
    fn next_wake(&self) -> Instant {
        let idle = self.last_byte + self.timeouts.idle;
        let total = self.timeouts.total.map(|total| self.record.deadline(total));
        let ping = (self.kind == Kind::Events)
            .then(|| self.last_byte.max(self.last_ping) + self.timeouts.ping);
        [total, ping].into_iter().flatten().fold(idle, Instant::min)
    }

    /// The error of a request that takes longer than any may.
    fn overtime(&self, now: Instant) -> Option<GatewayError> {
        let limit = self.timeouts.total?;
        (now >= self.record.deadline(limit)).then_some(GatewayError::TotalTimeout { limit })
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
        match &self.meter {
            Some(meter) if meter.is_between_frames() && !meter.is_ended() => {
                Poll::Ready(Some(Ok(Frame::data(ping(self.record.dialect)))))
            }
            _ => Poll::Pending,
        }
    }
}

/// What keeps a silent stream alive in this dialect.
fn ping(dialect: Dialect) -> Bytes {
    Bytes::from_static(match dialect {
        Dialect::AnthropicMessages => sse::ANTHROPIC_PING,
        Dialect::OpenAiChat | Dialect::OpenAiResponses => sse::COMMENT_PING,
    })
}

impl Body for Relay {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        if self.has_ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.upstream).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => self.take_frame(frame),
            Poll::Ready(Some(Err(_))) => {
                let provider = self.record.provider();
                self.fail(GatewayError::StreamCut { provider })
            }
            Poll::Ready(None) => self.take_end(),
            Poll::Pending => self.wait(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.has_ended || (self.kind == Kind::Document && self.upstream.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self.kind {
            Kind::Document => self.upstream.size_hint(),
            Kind::Events | Kind::ForeignEvents => SizeHint::default(),
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
