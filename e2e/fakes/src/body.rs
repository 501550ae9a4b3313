//! A response body that plays its steps, and tells the recorder how far it came.
//!
//! No task stands behind a body: it is dropped with its connection, and with it
//! every wait ends.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use thiserror::Error;
use tokio::time::{Sleep, sleep};

use crate::{recorder::Tracker, stream::Step};

/// The scenario drops the connection here; hyper does it on any body error.
#[derive(Debug, Error)]
#[error("the scenario aborts the answer here")]
pub(crate) struct Aborted;

/// A body that writes each step as a chunk of its own.
pub(crate) struct PlayBody {
    steps: VecDeque<Step>,
    waiting: Option<Pin<Box<Sleep>>>,
    must_flush: bool,
    tracker: Tracker,
}

impl PlayBody {
    pub(crate) fn new(steps: Vec<Step>, tracker: Tracker) -> Self {
        let body = Self {
            steps: steps.into(),
            waiting: None,
            must_flush: false,
            tracker,
        };
        body.note_end();
        body
    }

    /// A body of known length is not polled again after its last byte, so that
    /// the end is noted with the last piece.
    fn note_end(&self) {
        if matches!(self.steps.front(), None | Some(Step::Abort)) {
            self.tracker.complete();
        }
    }

    fn send(&mut self, piece: Bytes) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        self.tracker.push_sent(&piece);
        self.must_flush = true;
        self.note_end();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }
}

impl Body for PlayBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        // hyper writes out what it holds whenever the body is not ready: one
        // pending answer between two pieces keeps them apart on the wire.
        if std::mem::take(&mut self.must_flush) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            if let Some(sleep) = &mut self.waiting {
                std::task::ready!(sleep.as_mut().poll(context));
                self.waiting = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Send(piece)) => return self.send(piece),
                Some(Step::Repeat(piece, times)) => {
                    if let Some(left) = times.checked_sub(1).filter(|left| *left > 0) {
                        self.steps.push_front(Step::Repeat(piece.clone(), left));
                    }
                    return self.send(piece);
                }
                Some(Step::Pause(duration)) => self.waiting = Some(Box::pin(sleep(duration))),
                Some(Step::Hang) => {
                    self.steps.push_front(Step::Hang);
                    return Poll::Pending;
                }
                Some(Step::Abort) => return Poll::Ready(Some(Err(Aborted))),
            }
        }
    }
}
