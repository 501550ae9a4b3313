//! Keeps what the fake gets while it gets it, and wakes who waits for it.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, request::Parts};
use tokio::{sync::Notify, time::Instant};

use crate::record::{MAX_RECORDED, MAX_RECORDED_BYTES, Outcome, Recorded, WaitError};

/// All requests of one fake.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Shared>);

#[derive(Default)]
struct Shared {
    slots: Mutex<Vec<Arc<Mutex<Slot>>>>,
    held_bytes: AtomicUsize,
    unrecorded: AtomicU64,
    is_off: AtomicBool,
    changed: Notify,
}

/// A request in the making; its pieces are joined when somebody looks.
struct Slot {
    recorded: Recorded,
    sent: Vec<Bytes>,
}

impl Slot {
    fn new(connection: u64) -> Self {
        let recorded = Recorded {
            method: String::new(),
            path_and_query: String::new(),
            headers: Vec::new(),
            body: Bytes::new(),
            body_complete: false,
            sent: Bytes::new(),
            outcome: Outcome::InProgress,
            connection,
        };
        Self {
            recorded,
            sent: Vec::new(),
        }
    }

    fn note_head(&mut self, parts: &Parts) {
        let headers = parts.headers.iter();
        let copy = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), value.as_bytes().to_vec())
        };
        self.recorded.method = parts.method.as_str().to_owned();
        self.recorded.path_and_query = parts.uri.to_string();
        self.recorded.headers = headers.map(copy).collect();
    }

    fn to_recorded(&self) -> Recorded {
        let mut sent = BytesMut::with_capacity(self.sent.iter().map(Bytes::len).sum());
        for piece in &self.sent {
            sent.extend_from_slice(piece);
        }
        Recorded {
            sent: sent.freeze(),
            ..self.recorded.clone()
        }
    }

    fn has_arrived(&self) -> bool {
        self.recorded.body_complete || self.recorded.outcome != Outcome::InProgress
    }
}

impl Recorder {
    /// Begins a request; without recording the tracker only collects the body.
    pub(crate) fn open(&self, parts: &Parts, connection: u64) -> Tracker {
        let slot = Arc::new(Mutex::new(Slot::new(connection)));
        let is_kept = self.keep(&slot, parts);
        Tracker {
            slot,
            shared: Arc::clone(&self.0),
            is_kept,
            arriving: BytesMut::new(),
        }
    }

    fn keep(&self, slot: &Arc<Mutex<Slot>>, parts: &Parts) -> bool {
        let shared = &self.0;
        let mut slots = lock(&shared.slots);
        let is_full = slots.len() >= MAX_RECORDED
            || shared.held_bytes.load(Ordering::Relaxed) >= MAX_RECORDED_BYTES;
        if is_full || shared.is_off.load(Ordering::Relaxed) {
            shared.unrecorded.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        lock(slot).note_head(parts);
        slots.push(Arc::clone(slot));
        true
    }

    pub(crate) fn turn_off(&self) {
        self.0.is_off.store(true, Ordering::Relaxed);
    }

    pub(crate) fn unrecorded(&self) -> u64 {
        self.0.unrecorded.load(Ordering::Relaxed)
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        let slots = lock(&self.0.slots).clone();
        slots.iter().map(|slot| lock(slot).to_recorded()).collect()
    }

    pub(crate) fn take_requests(&self) -> Vec<Recorded> {
        let slots = mem::take(&mut *lock(&self.0.slots));
        self.0.held_bytes.store(0, Ordering::Relaxed);
        slots.iter().map(|slot| lock(slot).to_recorded()).collect()
    }

    pub(crate) async fn wait_for(
        &self,
        wanted: usize,
        limit: Duration,
    ) -> Result<Vec<Recorded>, WaitError> {
        if self
            .wait_until(limit, || self.count_arrived() >= wanted)
            .await
        {
            return Ok(self.requests());
        }
        Err(WaitError::CountRequests {
            wanted,
            got: self.count_arrived(),
            limit,
        })
    }

    pub(crate) async fn wait_for_outcome(
        &self,
        index: usize,
        wanted: Outcome,
        limit: Duration,
    ) -> Result<Recorded, WaitError> {
        self.wait_until(limit, || self.outcome(index) == Some(wanted))
            .await;
        let slot = lock(&self.0.slots).get(index).cloned();
        let recorded = slot.map(|slot| lock(&slot).to_recorded());
        match recorded {
            Some(recorded) if recorded.outcome == wanted => Ok(recorded),
            other => {
                let got = other.map(|recorded| recorded.outcome);
                Err(WaitError::ReachOutcome {
                    index,
                    wanted,
                    got,
                    limit,
                })
            }
        }
    }

    /// Looks at the condition after each change, and says whether it came true.
    async fn wait_until(&self, limit: Duration, is_met: impl Fn() -> bool) -> bool {
        let deadline = Instant::now() + limit;
        loop {
            // Registered before the look, so that no change falls between.
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if is_met() {
                return true;
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return is_met();
            }
        }
    }

    fn count_arrived(&self) -> usize {
        lock(&self.0.slots)
            .iter()
            .filter(|slot| lock(slot).has_arrived())
            .count()
    }

    fn outcome(&self, index: usize) -> Option<Outcome> {
        lock(&self.0.slots)
            .get(index)
            .map(|slot| lock(slot).recorded.outcome)
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recorder({} requests)", lock(&self.0.slots).len())
    }
}

/// Follows one request to its end; dropped before [`Tracker::complete`], it notes
/// that the client left.
pub(crate) struct Tracker {
    slot: Arc<Mutex<Slot>>,
    shared: Arc<Shared>,
    is_kept: bool,
    arriving: BytesMut,
}

impl Tracker {
    /// Follows a request that nobody asks for.
    pub(crate) fn unkept() -> Self {
        let slot = Arc::new(Mutex::new(Slot::new(0)));
        Self {
            slot,
            shared: Arc::default(),
            is_kept: false,
            arriving: BytesMut::new(),
        }
    }

    /// Bytes of the request's body so far.
    pub(crate) fn body_bytes(&self) -> usize {
        self.arriving.len()
    }

    pub(crate) fn push_body(&mut self, piece: &[u8]) {
        self.arriving.extend_from_slice(piece);
    }

    /// The body is whole.
    pub(crate) fn finish_body(&mut self) -> Bytes {
        let body = mem::take(&mut self.arriving).freeze();
        if self.is_kept {
            self.shared
                .held_bytes
                .fetch_add(body.len(), Ordering::Relaxed);
            let mut slot = lock(&self.slot);
            slot.recorded.body = body.clone();
            slot.recorded.body_complete = true;
        }
        self.shared.changed.notify_waiters();
        body
    }

    pub(crate) fn push_sent(&self, piece: &Bytes) {
        if self.is_kept {
            lock(&self.slot).sent.push(piece.clone());
        }
    }

    /// The scenario is played to its end.
    pub(crate) fn complete(&self) {
        self.end_as(Outcome::Completed);
    }

    fn end_as(&self, outcome: Outcome) {
        let mut slot = lock(&self.slot);
        if slot.recorded.outcome == Outcome::InProgress {
            slot.recorded.outcome = outcome;
            drop(slot);
            self.shared.changed.notify_waiters();
        }
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        if !self.arriving.is_empty() {
            lock(&self.slot).recorded.body = mem::take(&mut self.arriving).freeze();
        }
        self.end_as(Outcome::ClientGone);
    }
}

/// A thread that panicked leaves the list usable: each change is one step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
