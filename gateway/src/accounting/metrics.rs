//! Everything the gateway counts, in Prometheus' text format.
//!
//! Labels come from closed sets only: operations, provider slugs, status classes, reasons.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
};

use anyray_wire::usage::TokenUsage;
use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

/// Upper bounds of request durations, in seconds: from a cache hit to an hour of agent work.
const DURATION_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1800.0,
];

/// Labels of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// `Operation::name`, or `none` where the path was not served.
    pub operation: &'static str,
    /// Provider slug, or `none` where none was chosen.
    pub provider: &'static str,
    /// Status class such as `2xx`; `gone` where the caller left before an answer.
    pub status: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    provider: &'static str,
    kind: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HashLabels {
    hash: String,
}

/// The registry and the handles into it.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    duration: Family<OperationLabels, Histogram>,
    first_byte: Family<OperationLabels, Histogram>,
    tokens: Family<TokenLabels, Counter>,
    usage_missing: Family<OperationLabels, Counter>,
    failures: Family<ReasonLabels, Counter>,
    reloads: Family<ResultLabels, Counter>,
    config_hash: Family<HashLabels, Gauge>,
    redemptions: Family<ResultLabels, Counter>,
    /// Client keys that the replica knows.
    pub client_keys: Gauge,
    /// Requests being served.
    pub in_flight: Arc<AtomicU64>,
    /// Bytes of request bodies being held.
    pub buffered_bytes: Arc<AtomicU64>,
    /// Open connections of callers.
    pub connections: Arc<AtomicU64>,
    /// Lines that the access log had no room for.
    pub log_lines_dropped: Counter,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn durations() -> Histogram {
    Histogram::new(DURATION_BUCKETS)
}

impl Metrics {
    /// A registry with every metric at zero.
    ///
    /// `diagnostics_dropped` is counted elsewhere and shown here.
    pub fn new(diagnostics_dropped: Counter) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("anyray_gateway"),
            requests: Family::default(),
            duration: Family::new_with_constructor(durations),
            first_byte: Family::new_with_constructor(durations),
            tokens: Family::default(),
            usage_missing: Family::default(),
            failures: Family::default(),
            reloads: Family::default(),
            config_hash: Family::default(),
            redemptions: Family::default(),
            client_keys: Gauge::default(),
            in_flight: Arc::default(),
            buffered_bytes: Arc::default(),
            connections: Arc::default(),
            log_lines_dropped: Counter::default(),
        };
        metrics.register_requests();
        metrics.register_process(diagnostics_dropped);
        metrics.register_callers();
        metrics
    }

    fn register_requests(&mut self) {
        let registry = &mut self.registry;
        registry.register("requests", "Requests by outcome", self.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "From the head of the request to the last byte of the answer",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register_with_unit(
            "first_byte",
            "From the head of the request to the first byte of the provider's answer",
            Unit::Seconds,
            self.first_byte.clone(),
        );
        registry.register("tokens", "Tokens by provider and kind", self.tokens.clone());
        registry.register(
            "usage_missing",
            "Successful answers that should report usage and did not",
            self.usage_missing.clone(),
        );
        registry.register(
            "failures",
            "Requests refused or broken off by the gateway, by reason",
            self.failures.clone(),
        );
    }

    fn register_callers(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "redemptions",
            "Codes of invites that were to be redeemed, by result",
            self.redemptions.clone(),
        );
        registry.register(
            "client_keys",
            "Client keys that the replica knows",
            self.client_keys.clone(),
        );
    }

    fn register_process(&mut self, diagnostics_dropped: Counter) {
        let registry = &mut self.registry;
        let gauges = [
            (
                "requests_in_flight",
                "Requests being served",
                &self.in_flight,
            ),
            (
                "request_buffer_bytes",
                "Bytes of request bodies held",
                &self.buffered_bytes,
            ),
            (
                "connections",
                "Open connections of callers",
                &self.connections,
            ),
        ];
        for (name, help, value) in gauges {
            registry.register(name, help, shared_gauge(value));
        }
        registry.register(
            "diagnostics_lines_dropped",
            "Lines that the diagnostics had no room for",
            diagnostics_dropped,
        );
        registry.register(
            "access_log_lines_dropped",
            "Lines that the access log had no room for",
            self.log_lines_dropped.clone(),
        );
        registry.register(
            "config_reloads",
            "Changed configurations",
            self.reloads.clone(),
        );
        registry.register(
            "config_info",
            "Hash of the configuration in force",
            self.config_hash.clone(),
        );
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Build of the program", build);
    }

    /// Counts a finished request.
    pub fn request(&self, labels: RequestLabels, seconds: f64, first_byte: Option<f64>) {
        let operation = OperationLabels {
            operation: labels.operation,
        };
        self.requests.get_or_create(&labels).inc();
        self.duration.get_or_create(&operation).observe(seconds);
        if let Some(first_byte) = first_byte {
            self.first_byte
                .get_or_create(&operation)
                .observe(first_byte);
        }
    }

    /// Counts what an answer cost; kinds do not overlap, `output` includes reasoning.
    pub fn tokens(&self, provider: &'static str, usage: TokenUsage) {
        let kinds = [
            ("input", usage.input),
            ("output", usage.output),
            ("cache_read", usage.cache_read),
            ("cache_write", usage.cache_write),
        ];
        for (kind, count) in kinds {
            if count > 0 {
                self.tokens
                    .get_or_create(&TokenLabels { provider, kind })
                    .inc_by(count);
            }
        }
    }

    /// Counts an answer that should have reported usage.
    pub fn usage_missing(&self, operation: &'static str) {
        self.usage_missing
            .get_or_create(&OperationLabels { operation })
            .inc();
    }

    /// Counts a refusal or a broken stream by its error code.
    pub fn failure(&self, reason: &'static str) {
        self.failures.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Counts a changed configuration.
    pub fn config_reloads(&self, accepted: bool) {
        let result = if accepted { "accepted" } else { "rejected" };
        self.reloads.get_or_create(&ResultLabels { result }).inc();
    }

    /// Counts a code that was to be redeemed: `ok`, or the refusal's code.
    pub fn redemption(&self, result: &'static str) {
        self.redemptions
            .get_or_create(&ResultLabels { result })
            .inc();
    }

    /// Names the configuration in force.
    pub fn set_config_hash(&self, hash: &str) {
        self.config_hash.clear();
        self.config_hash
            .get_or_create(&HashLabels {
                hash: hash.to_owned(),
            })
            .set(1);
    }

    /// The exposition in Prometheus' text format.
    ///
    /// # Errors
    /// Those of formatting, which a `String` never has.
    pub fn exposition(&self) -> Result<String, fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

/// A gauge over a count that lives elsewhere.
fn shared_gauge(value: &Arc<AtomicU64>) -> SharedGaugeView {
    SharedGaugeView(Arc::clone(value))
}

#[derive(Debug)]
struct SharedGaugeView(Arc<AtomicU64>);

impl prometheus_client::encoding::EncodeMetric for SharedGaugeView {
    fn encode(
        &self,
        mut encoder: prometheus_client::encoding::MetricEncoder<'_>,
    ) -> Result<(), fmt::Error> {
        encoder.encode_gauge(&self.0.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn metric_type(&self) -> prometheus_client::metrics::MetricType {
        prometheus_client::metrics::MetricType::Gauge
    }
}
