//! What is known of one request; told to metrics and the access log exactly once, when it ends.

use std::{sync::Arc, thread, time::Duration};

use anyray_providers::Operation;
use anyray_wire::{Dialect, usage::TokenUsage};
use http::{HeaderValue, StatusCode};
use jiff::Timestamp;
use tokio::time::Instant;

use crate::{
    access::{grant::Grant, identity::Identity},
    accounting::{
        access_log::{Line, Tokens},
        metrics::RequestLabels,
    },
    config::{Snapshot, snapshot::ProviderKey},
    error::GatewayError,
    permit::Permit,
    pipeline::state::Worker,
};

/// Longest model name that is logged.
const MAX_MODEL_BYTES: usize = 128;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The caller got all of an answer, be it an error of the provider.
    Answered,
    /// The gateway refused the request, or broke the answer off.
    Failed(GatewayError),
    /// The caller left first.
    ClientGone,
    /// The gateway's code gave up, which is a fault of it; the caller's connection closed.
    Panicked,
}

/// What logs and metrics call [`Outcome::Panicked`]; no caller is told, so it is no code of an error.
const PANICKED: &str = "internal_error";

/// One request from its head to the end of its answer: what metrics and the access log are told of
/// it, and what it holds until then.
///
/// Steps note in it what they find; what a step needs to know is passed to it.
/// Dropping it ends the request: without another word the caller has left, or the code panicked.
#[derive(Debug)]
pub struct Record {
    worker: Arc<Worker>,
    config: Arc<Snapshot>,
    started: Instant,
    id: String,
    /// The place among the requests being served, and that among the requests of its client key.
    permits: [Option<Permit>; 2],
    operation: Option<Operation>,
    dialect: Dialect,
    grant: Option<Arc<Grant>>,
    identity: Identity,
    key: Option<Arc<ProviderKey>>,
    model: Option<String>,
    status: Option<StatusCode>,
    first_byte: Option<Duration>,
    response_bytes: u64,
    usage: Option<TokenUsage>,
    outcome: Outcome,
}

impl Record {
    /// Opens the record of a request that begins now, and keeps the configuration in force for it.
    pub fn open(worker: &Arc<Worker>) -> Self {
        Self {
            worker: Arc::clone(worker),
            config: worker.app.config.load_full(),
            started: Instant::now(),
            id: worker.app.next_request_id(),
            permits: [None, None],
            operation: None,
            dialect: Dialect::OpenAiChat,
            grant: None,
            identity: Identity::default(),
            key: None,
            model: None,
            status: None,
            first_byte: None,
            response_bytes: 0,
            usage: None,
            outcome: Outcome::ClientGone,
        }
    }

    /// The worker that serves it.
    pub fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }

    /// The configuration that holds for the request to its end.
    pub fn config(&self) -> &Arc<Snapshot> {
        &self.config
    }

    /// The gateway's id of the request.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The id as a header's value.
    pub fn id_header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.id).unwrap_or(HeaderValue::from_static("req_unknown"))
    }

    /// When the request must end, and how long it may take in all; `None` without a limit.
    pub fn deadline(&self) -> Option<(Instant, Duration)> {
        let limit = self.config.timeouts.total?;
        Some((self.started + limit, limit))
    }

    /// The dialect in which the caller expects errors.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What the request does, once known.
    pub fn operation(&self) -> Option<Operation> {
        self.operation
    }

    /// Slug of the provider; `none` where none was chosen.
    pub fn provider(&self) -> &'static str {
        self.key.as_ref().map_or("none", |key| key.provider.slug())
    }

    /// Whether a provider was chosen.
    pub fn has_provider(&self) -> bool {
        self.key.is_some()
    }

    /// Holds a permit to the end of the request.
    pub fn hold(&mut self, permit: Permit) {
        let free = self.permits.iter_mut().find(|slot| slot.is_none());
        debug_assert!(free.is_some(), "a request has two permits");
        if let Some(slot) = free {
            *slot = Some(permit);
        }
    }

    /// Notes what the request does, and in which dialect.
    pub fn set_operation(&mut self, operation: Operation, dialect: Dialect) {
        self.operation = Some(operation);
        self.dialect = dialect;
    }

    /// Notes the dialect for errors of a request that could not be read.
    pub fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// Notes the client key that it came with, and to whom it is attributed.
    pub fn set_caller(&mut self, grant: Option<Arc<Grant>>, identity: Identity) {
        self.grant = grant;
        self.identity = identity;
    }

    /// Notes the provider key of the attempt that begins.
    pub fn set_key(&mut self, key: &Arc<ProviderKey>) {
        self.key = Some(Arc::clone(key));
    }

    /// Notes the model that the caller asks for.
    pub fn set_model(&mut self, model: Option<&str>) {
        self.model = model.map(str::to_owned);
    }

    /// Notes the status of the answer.
    pub fn begin_answer(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// Notes that the provider's answer has begun.
    pub fn note_first_byte(&mut self) {
        self.first_byte = Some(self.started.elapsed());
    }

    /// Counts bytes of the answer's body.
    pub fn add_response_bytes(&mut self, count: usize) {
        self.response_bytes += count as u64;
    }

    /// Notes what the answer cost.
    pub fn set_usage(&mut self, usage: Option<TokenUsage>) {
        self.usage = usage;
    }

    /// Notes how the request ended; the last word counts.
    pub fn set_outcome(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }

    fn count(&self, duration: Duration) {
        let metrics = &self.worker.app.metrics;
        let labels = RequestLabels {
            operation: self.operation.map_or("none", Operation::name),
            provider: self.provider(),
            status: self.status.map_or("gone", status_class),
        };
        let first_byte = self.first_byte.map(|first_byte| first_byte.as_secs_f64());
        metrics.request(labels, duration.as_secs_f64(), first_byte);
        match &self.outcome {
            Outcome::Failed(error) => metrics.failure(error.code()),
            Outcome::Panicked => metrics.failure(PANICKED),
            Outcome::Answered | Outcome::ClientGone => {}
        }
        match self.usage {
            Some(usage) => metrics.tokens(labels.provider, usage),
            None if self.should_report_usage() => metrics.usage_missing(labels.operation),
            None => {}
        }
    }

    fn should_report_usage(&self) -> bool {
        self.operation.is_some_and(Operation::is_metered)
            && self.status.is_some_and(|status| status.is_success())
    }

    fn log(&self, duration: Duration) {
        self.worker.log.append_json(&Line {
            timestamp: Timestamp::now(),
            message: "request",
            request_id: &self.id,
            operation: self.operation.map_or("none", Operation::name),
            provider: self.provider(),
            provider_key: self
                .key
                .as_ref()
                .map(|key| key.name.as_str())
                .filter(|name| !name.is_empty()),
            client_key: self.grant.as_ref().map(|grant| grant.label()),
            team: self.identity.team.as_deref().filter(|team| is_plain(team)),
            model: self.model.as_deref().filter(|model| is_model_name(model)),
            status: self.status.map_or(0, |status| status.as_u16()),
            outcome: match &self.outcome {
                Outcome::Answered => "ok",
                Outcome::Failed(error) => error.code(),
                Outcome::ClientGone => "client_gone",
                Outcome::Panicked => PANICKED,
            },
            duration_ms: milliseconds(duration),
            first_byte_ms: self.first_byte.map(milliseconds),
            response_bytes: self.response_bytes,
            tokens: self.usage.map(|usage| Tokens {
                input: usage.input,
                output: usage.output,
                cache_read: usage.cache_read,
                cache_write: usage.cache_write,
            }),
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if thread::panicking() && self.outcome == Outcome::ClientGone {
            self.outcome = Outcome::Panicked;
        }
        let duration = self.started.elapsed();
        self.count(duration);
        if self.config.access_log {
            self.log(duration);
        }
    }
}

/// Milliseconds with microsecond precision.
fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// Whether a text can be a team's name, and so may be logged; an e-mail address may not.
fn is_plain(text: &str) -> bool {
    !text.contains('@') && !text.contains(char::is_control)
}

/// Whether a text from the caller can be a model's name, and so may be logged.
fn is_model_name(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-._:/@[]".contains(c);
    text.len() <= MAX_MODEL_BYTES && text.chars().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use std::panic::{self, AssertUnwindSafe};

    use tokio::sync::Notify;

    use super::*;
    use crate::{
        accounting::{log_buffer::LogBuffer, metrics::Metrics},
        config,
        outbound::upstream::Upstreams,
        pipeline::state::App,
    };

    fn worker() -> Arc<Worker> {
        let folder = tempfile::tempdir().expect("a folder");
        let text = r#"{"schemaVersion":1,"auth":{"clientKeys":"Optional"}}"#;
        std::fs::write(folder.path().join("gateway.json"), text).expect("written");
        let (snapshot, ..) = config::load(folder.path()).expect("a configuration");
        let metrics = Metrics::new(Default::default());
        Arc::new(Worker {
            app: App::new(snapshot, None, metrics, 0, Timestamp::UNIX_EPOCH),
            upstreams: Upstreams::default(),
            log: LogBuffer::new(Default::default()),
            count: 1,
            connection_closed: Notify::new(),
        })
    }

    /// The failures that were counted when a request ended in this way.
    fn failures(end: impl FnOnce(Record)) -> String {
        let worker = worker();
        let record = Record::open(&worker);
        let ended = panic::catch_unwind(AssertUnwindSafe(|| end(record)));
        drop(ended);
        let text = worker.app.metrics.exposition().expect("metrics");
        let failures = text.lines().filter(|line| line.contains("failures_total{"));
        failures.collect()
    }

    #[test]
    fn a_panic_is_a_failure_of_the_gateway_and_no_leaving_of_the_caller() {
        let counted = failures(|_record| panic!("as the test wants"));
        assert!(
            counted.contains(r#"reason="internal_error"} 1"#),
            "{counted}"
        );
        assert_eq!(failures(drop), "");
    }

    #[test]
    fn an_answer_that_ended_before_a_panic_stays_one() {
        let counted = failures(|mut record| {
            record.set_outcome(Outcome::Answered);
            panic!("as the test wants");
        });
        assert_eq!(counted, "");
    }
}
