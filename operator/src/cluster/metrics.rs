//! What the operator counts, as Prometheus takes it.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Upper bounds of the buckets for the time to reconcile an object, in seconds.
const BUCKETS: [f64; 8] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconcile {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Readiness {
    kind: &'static str,
    ready: &'static str,
}

/// The operator's metrics; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    reconciles: Family<Reconcile, Counter>,
    durations: Family<Kind, Histogram>,
    watch_errors: Family<Kind, Counter>,
    watch_stale: Family<Kind, Counter>,
    objects: Family<Readiness, Gauge>,
    touches: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("anyray_operator");
        let reconciles = Family::default();
        registry.register(
            "reconcile",
            "Objects reconciled, by kind and outcome (done, failed, panicked)",
            reconciles.clone(),
        );
        let durations = Family::<Kind, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register(
            "reconcile_duration_seconds",
            "Time to reconcile an object",
            durations.clone(),
        );
        let watch_errors = Family::default();
        registry.register(
            "watch_errors",
            "Watches that failed and were tried again",
            watch_errors.clone(),
        );
        let watch_stale = Family::default();
        registry.register(
            "watch_stale",
            "Times that a store differed from the cluster although its watch did not fail",
            watch_stale.clone(),
        );
        let objects = Family::default();
        registry.register(
            "objects",
            "Custom resources, by kind and status of Ready",
            objects.clone(),
        );
        let touches = Counter::default();
        registry.register(
            "pod_touches",
            "Times that a pod was touched so that its kubelet looks for a new configuration",
            touches.clone(),
        );
        Self {
            registry: Arc::new(registry),
            reconciles,
            durations,
            watch_errors,
            watch_stale,
            objects,
            touches,
        }
    }
}

impl Metrics {
    /// Reconciling an object has ended.
    pub fn passed(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.reconciles
            .get_or_create(&Reconcile { kind, outcome })
            .inc();
        let kind = kind.to_owned();
        self.durations
            .get_or_create(&Kind { kind })
            .observe(took.as_secs_f64());
    }

    /// A watch has failed.
    pub fn watch_failed(&self, kind: &str) {
        let kind = kind.to_owned();
        self.watch_errors.get_or_create(&Kind { kind }).inc();
    }

    /// A store differs from the cluster.
    pub fn watch_is_stale(&self, kind: &str) {
        let kind = kind.to_owned();
        self.watch_stale.get_or_create(&Kind { kind }).inc();
    }

    /// How many objects of a kind have each status of `Ready`.
    pub fn count_objects(&self, kind: &'static str, counts: [(&'static str, i64); 3]) {
        for (ready, count) in counts {
            self.objects
                .get_or_create(&Readiness { kind, ready })
                .set(count);
        }
    }

    /// A pod was touched.
    pub fn touched(&self) {
        self.touches.inc();
    }

    /// The text of `GET /metrics`.
    pub fn exposition(&self) -> Option<String> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry).ok()?;
        Some(out)
    }
}
