//! A request's body on its way in: bounded, searched for `model`, and handed on unchanged.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::Duration,
};

use anyray_wire::key_scan::{KeyScanner, Path};
use axum::{BoxError, body::Body};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header::CONTENT_ENCODING};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::{
    runtime::Handle,
    time::{Instant, Sleep, sleep, timeout, timeout_at},
};

use crate::{
    error::GatewayError,
    permit::{Budget, Permit},
};

mod pieces;
mod single_model;

use pieces::{Joiner, Pieces};
use single_model::SingleModel;

/// Up to this size a body is collected before it goes on, so that a later retry can send it again;
/// a larger one is searched up to here and then streamed.
const MAX_COLLECTED_BYTES: usize = 1 << 20;

/// How much of a body that nobody wants is read before the connection is closed on it.
const MAX_DISCARDED_BYTES: u64 = 256 << 20;

/// For how long in all.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// And for how long between two pieces: a caller that is still sending has no such pauses.
const DISCARD_IDLE: Duration = Duration::from_secs(1);

/// How many times the longest pause collecting may take in all, so that a body that drips in does
/// not hold its share of the budget for ever.
const MAX_COLLECT_PAUSES: u32 = 4;

const MODEL: &[Path] = &[&["model"]];

/// The bounds on one body.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most bytes in all.
    pub max_bytes: u64,
    /// Longest wait between two pieces.
    pub idle: Duration,
}

/// A body that goes upstream.
#[derive(Debug, Default)]
pub struct UpstreamBody {
    head: Pieces,
    rest: Option<Rest>,
}

/// What a streamed body's failure was, known before the upstream request fails of it.
pub type Fault = Arc<OnceLock<GatewayError>>;

/// What of a body has not arrived yet.
#[derive(Debug)]
struct Rest {
    body: Body,
    seen: u64,
    bounds: Bounds,
    idle: Option<Pin<Box<Sleep>>>,
    fault: Fault,
    /// Watches what streams, where a single model was demanded.
    single_model: Option<Box<SingleModel>>,
}

/// A received body and what was read from it.
#[derive(Debug)]
pub struct Received {
    /// To send upstream.
    pub body: UpstreamBody,
    /// Set when a streamed body fails.
    pub fault: Option<Fault>,
}

/// Receives a body, whole up to 1 MiB, else up to there.
///
/// After an error `body` is what was not read.
///
/// # Errors
/// [`GatewayError::EncodedBody`], [`GatewayError::BodyTooLarge`],
/// [`GatewayError::OutOfBodyBudget`], [`GatewayError::BodyTimeout`] or [`GatewayError::ReadBody`].
pub async fn receive(
    headers: &HeaderMap,
    body: &mut Body,
    bounds: Bounds,
    budget: &Budget,
) -> Result<Received, GatewayError> {
    let is_encoded =
        |value: &http::HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().any(is_encoded) {
        return Err(GatewayError::EncodedBody);
    }
    let head = collect(body, bounds, budget).await?;
    let fault = (!body.is_end_stream()).then(Fault::default);
    let rest = fault.clone().map(|fault| Rest {
        body: std::mem::take(body),
        seen: head.len() as u64,
        bounds,
        idle: None,
        fault,
        single_model: None,
    });
    Ok(Received {
        body: UpstreamBody { head, rest },
        fault,
    })
}

/// Collects up to [`MAX_COLLECTED_BYTES`], leaving the rest in `body`.
async fn collect(body: &mut Body, bounds: Bounds, budget: &Budget) -> Result<Pieces, GatewayError> {
    let too_large = GatewayError::BodyTooLarge {
        limit: bounds.max_bytes,
    };
    if body.size_hint().lower() > bounds.max_bytes {
        return Err(too_large);
    }
    let mut head = Joiner::default();
    let mut permit = budget.permit();
    let deadline = Instant::now() + bounds.idle * MAX_COLLECT_PAUSES;
    while !body.is_end_stream() && head.len() < MAX_COLLECTED_BYTES {
        let limit = deadline.min(Instant::now() + bounds.idle);
        let frame = timeout_at(limit, body.frame()).await;
        let Some(frame) = frame.map_err(|_| GatewayError::BodyTimeout)? else {
            // A body without a declared length does not know that it is at its end.
            *body = Body::empty();
            break;
        };
        let Ok(data) = frame.map_err(|_| GatewayError::ReadBody)?.into_data() else {
            continue;
        };
        budget.take(&mut permit, data.len())?;
        head.push(data);
        if head.len() as u64 > bounds.max_bytes {
            return Err(too_large);
        }
    }
    Ok(head.finish(permit))
}

/// Reads what is left of a refused request's body, within bounds, in the background.
///
/// A caller that is still sending when its connection closes sees a broken pipe and never the
/// answer that says why.
pub fn discard(mut body: Body) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    if body.is_end_stream() {
        return;
    }
    runtime.spawn(timeout(DISCARD_TIME, async move {
        let mut left = MAX_DISCARDED_BYTES;
        while let (Ok(Some(Ok(frame))), 1..) = (timeout(DISCARD_IDLE, body.frame()).await, left) {
            let count = frame.data_ref().map_or(0, |data| data.len() as u64);
            left = left.saturating_sub(count);
        }
    }));
}

impl<T: Into<Bytes>> From<T> for UpstreamBody {
    /// A body that is whole.
    fn from(bytes: T) -> Self {
        Self {
            head: bytes.into().into(),
            rest: None,
        }
    }
}

impl UpstreamBody {
    /// Waits for all of it, because the provider wants it in another form or signed.
    ///
    /// Each further MiB has as much time as the first one had.
    ///
    /// # Errors
    /// [`GatewayError::OutOfBodyBudget`], [`GatewayError::BodyTimeout`], or any with which a
    /// streamed body fails.
    pub async fn into_whole(self, budget: &Budget) -> Result<Bytes, GatewayError> {
        let Self { mut head, rest } = self;
        if rest.is_none() && head.single().is_some() {
            return Ok(head.pop().unwrap_or_default());
        }
        let mut permit = budget.permit();
        budget.take(&mut permit, head.len())?;
        let mut whole = BytesMut::with_capacity(head.len());
        while let Some(piece) = head.pop() {
            whole.extend_from_slice(&piece);
        }
        if let Some(mut rest) = rest {
            rest.append_to(&mut whole, &mut permit, budget).await?;
        }
        Ok(permit.attach(whole.freeze()))
    }

    /// The body, if all of it has arrived and is one piece.
    pub fn whole(&self) -> Option<&Bytes> {
        self.rest.is_none().then(|| self.head.single()).flatten()
    }

    /// The value of the top-level key `model`, where there is one in the collected part.
    pub fn find_model(&self) -> Option<String> {
        let mut scanner = KeyScanner::new(MODEL);
        self.head.iter().find_map(|piece| {
            let found = scanner.next(&mut piece.as_ref())?;
            Some(serde_json::from_slice(found.value).ok())
        })?
    }

    /// The only `model` that any reader can find in this body, for callers that may use certain
    /// models only; what is still to be streamed is held to it, too.
    ///
    /// To be called before the body is sent.
    ///
    /// # Errors
    /// [`GatewayError::BodyNotPlainJson`], [`GatewayError::DuplicateModel`] or
    /// [`GatewayError::ModelUnknown`]. The streamed rest fails with one of the first two, which is
    /// then its [`Fault`].
    pub fn require_single_model(&mut self, headers: &HeaderMap) -> Result<String, GatewayError> {
        let mut single_model = SingleModel::new(headers)?;
        for piece in self.head.iter() {
            single_model.read(piece)?;
        }
        let model = self.find_model().ok_or(GatewayError::ModelUnknown)?;
        if let Some(rest) = &mut self.rest {
            rest.single_model = Some(Box::new(single_model));
        }
        Ok(model)
    }
}

impl http_body::Body for UpstreamBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(piece) = self.head.pop() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match &mut self.rest {
            Some(rest) => rest.poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.head.is_empty()
            && self
                .rest
                .as_ref()
                .is_none_or(|rest| rest.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let head = self.head.len() as u64;
        let Some(rest) = &self.rest else {
            return SizeHint::with_exact(head);
        };
        let rest = rest.body.size_hint();
        rest.exact()
            .map_or_else(SizeHint::default, |rest| SizeHint::with_exact(head + rest))
    }
}

impl Rest {
    /// Waits for all of it. Each further MiB has as much time as the first one had.
    async fn append_to(
        &mut self,
        whole: &mut BytesMut,
        permit: &mut Permit,
        budget: &Budget,
    ) -> Result<(), GatewayError> {
        let limit = self.bounds.idle * MAX_COLLECT_PAUSES;
        let mut chunks = whole.len() / MAX_COLLECTED_BYTES;
        let mut deadline = Instant::now() + limit;
        loop {
            let read = timeout_at(deadline, self.next_data()).await;
            let Some(piece) = read.map_err(|_| GatewayError::BodyTimeout)?? else {
                return Ok(());
            };
            budget.take(permit, piece.len())?;
            whole.extend_from_slice(&piece);
            if whole.len() / MAX_COLLECTED_BYTES > chunks {
                chunks = whole.len() / MAX_COLLECTED_BYTES;
                deadline = Instant::now() + limit;
            }
        }
    }

    /// The next piece; `None` at the end.
    async fn next_data(&mut self) -> Result<Option<Bytes>, GatewayError> {
        loop {
            let Some(frame) = poll_fn(|context| self.poll_frame(context)).await else {
                return Ok(None);
            };
            let frame = frame.map_err(|_| {
                let fault = self.fault.get();
                fault.cloned().unwrap_or(GatewayError::ReadBody)
            })?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let limit = self.bounds.idle;
                ready!(
                    self.idle
                        .get_or_insert_with(|| Box::pin(sleep(limit)))
                        .as_mut()
                        .poll(context)
                );
                return self.fail(GatewayError::BodyTimeout);
            }
        };
        self.idle = None;
        match frame {
            None => {
                self.body = Body::empty();
                Poll::Ready(None)
            }
            Some(Err(_)) => self.fail(GatewayError::ReadBody),
            Some(Ok(frame)) => match self.check(&frame) {
                Ok(()) => Poll::Ready(Some(Ok(frame))),
                Err(error) => self.fail(error),
            },
        }
    }

    fn check(&mut self, frame: &Frame<Bytes>) -> Result<(), GatewayError> {
        let Some(data) = frame.data_ref() else {
            return Ok(());
        };
        self.seen += data.len() as u64;
        if self.seen > self.bounds.max_bytes {
            return Err(GatewayError::BodyTooLarge {
                limit: self.bounds.max_bytes,
            });
        }
        match &mut self.single_model {
            Some(single_model) => single_model.read(data),
            None => Ok(()),
        }
    }

    fn fail(&self, error: GatewayError) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let error = self.fault.get_or_init(|| error).clone();
        Poll::Ready(Some(Err(error.into())))
    }
}

impl Drop for Rest {
    /// The provider answered, or was lost, before it had taken the whole body.
    fn drop(&mut self) {
        discard(std::mem::take(&mut self.body));
    }
}

#[cfg(test)]
mod tests;
