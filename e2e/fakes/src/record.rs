//! What the fake got and what became of it, for tests to look at and wait for.
//!
//! Only what they see; how it is kept is in `recorder`.

use std::{fmt, time::Duration};

use bytes::Bytes;
use thiserror::Error;

/// Most requests that are kept: more than any test sends, less than a soak run.
pub const MAX_RECORDED: usize = 65_536;

/// Most bytes of requests that are kept: 16 requests of the largest size.
pub const MAX_RECORDED_BYTES: usize = 1024 * 1024 * 1024;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The request is arriving, or its answer is on the way or held back.
    InProgress,
    /// The fake wrote all that the scenario asks for, a deliberate cut included.
    Completed,
    /// The client left before that.
    ClientGone,
}

/// A request as it came, and its answer as far as it went.
#[derive(Clone)]
pub struct Recorded {
    /// The method, upper case.
    pub method: String,
    /// Path and query as on the request line.
    pub path_and_query: String,
    /// Names in lower case, in order of their first appearance; a name that came
    /// several times is there several times, its values together and in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body, without its transfer coding.
    pub body: Bytes,
    /// Whether the body arrived whole.
    pub body_complete: bool,
    /// Bytes of the answer's body that the fake wrote so far, without transfer
    /// coding.
    pub sent: Bytes,
    /// What became of it.
    pub outcome: Outcome,
    /// Number of the connection, from 1: requests with the same number shared it.
    pub connection: u64,
}

impl Recorded {
    /// All values of a header, in order; the name is in lower case.
    pub fn header_values(&self, name: &str) -> Vec<&[u8]> {
        let named = self.headers.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_slice()).collect()
    }

    /// The first value of a header as text, if it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// Sizes and names only: bodies and header values may hold keys and prompts.
impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Recorded")
            .field("method", &self.method)
            .field("path_and_query", &self.path_and_query)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .field("body_complete", &self.body_complete)
            .field("sent_bytes", &self.sent.len())
            .field("outcome", &self.outcome)
            .field("connection", &self.connection)
            .finish()
    }
}

/// What was waited for did not come within the limit.
#[derive(Debug, Error)]
pub enum WaitError {
    /// Too few requests came.
    #[error("waited {limit:?} for {wanted} request(s), {got} arrived")]
    CountRequests {
        /// How many were waited for.
        wanted: usize,
        /// How many had arrived whole.
        got: usize,
        /// How long was waited.
        limit: Duration,
    },
    /// The request did not come, or had another outcome.
    #[error("waited {limit:?} for request {index} to be {wanted:?}, it is {got:?}")]
    ReachOutcome {
        /// Which request, from 0.
        index: usize,
        /// The outcome waited for.
        wanted: Outcome,
        /// The outcome at the end, `None` if there is no such request.
        got: Option<Outcome>,
        /// How long was waited.
        limit: Duration,
    },
}
