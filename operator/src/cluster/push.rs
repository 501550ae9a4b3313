//! Brings configurations to running pods: touches each pod that runs another one, and asks it
//! until it runs the right one.
//!
//! This goes on beside reconciling, so that a pod that does not answer holds up nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use crate::{
    cluster::{
        api::Cluster,
        gateway::pods::{PodState, Report},
        metrics::Metrics,
        pod_report::PodReports,
        watch::{Queues, Trigger},
    },
    metadata::ObjectKey,
};

/// Pods that are asked at once.
const MAX_PARALLEL: usize = 32;

/// Pause before a pod is asked again: short at first, since a push takes about a second.
const ASK_AGAIN: Duration = Duration::from_millis(400);

/// Pause before a pod is asked again that did not follow for a while.
const ASK_AGAIN_LATER: Duration = Duration::from_secs(5);

/// How often a pod is asked in short order.
const EAGER_ASKS: u32 = 50;

/// The same for one that does not answer: each time costs others a place for as long as an answer
/// is waited for.
const EAGER_ASKS_UNREACHABLE: u32 = 5;

/// Pause before a pod is touched again; it doubles each time.
const TOUCH_AGAIN: Duration = Duration::from_secs(2);

/// Longest such pause, for a pod that refuses a configuration for good.
const TOUCH_AGAIN_MAX: Duration = Duration::from_secs(60);

/// What one gateway's pods should run.
#[derive(Debug, Default)]
struct Target {
    hash: String,
    /// Version of each key in that configuration, by ProviderKey.
    keys: BTreeMap<String, String>,
    /// Absent until the gateway was reconciled once.
    is_programmed: Option<bool>,
    /// By [`PodState::life`].
    pods: HashMap<String, Pod>,
}

#[derive(Debug)]
struct Pod {
    name: String,
    ip: Option<String>,
    is_ready: bool,
    /// What it said since the configuration changed last.
    report: Option<Report>,
    has_answered: bool,
    is_asked: bool,
    asks: u32,
    ask_at: Instant,
    touches: u32,
    touch_at: Instant,
}

/// The configurations of all gateways of a scope, and how far their pods are.
#[derive(Debug)]
pub struct Push {
    targets: Mutex<HashMap<ObjectKey, Target>>,
    changed: Notify,
    cluster: Cluster,
    reports: PodReports,
    queues: Queues,
    metrics: Metrics,
}

/// What a pod is due for.
struct Errand {
    gateway: ObjectKey,
    life: String,
    pod: String,
    ip: String,
    /// The annotation's value, if the pod is to be touched first.
    touch: Option<String>,
}

impl Push {
    /// With nothing to push.
    pub fn new(cluster: Cluster, queues: Queues, metrics: Metrics) -> Self {
        Self {
            targets: Mutex::default(),
            changed: Notify::new(),
            cluster,
            reports: PodReports::default(),
            queues,
            metrics,
        }
    }

    /// States what a gateway's pods should run; they get it in the background.
    pub fn desire(&self, gateway: &ObjectKey, hash: &str, keys: BTreeMap<String, String>) {
        let mut targets = self.targets();
        let target = targets.entry(gateway.clone()).or_default();
        if target.hash != hash {
            hash.clone_into(&mut target.hash);
            target.is_programmed = target.is_programmed.map(|_| false);
            target
                .pods
                .values_mut()
                .for_each(|pod| pod.start_over(hash));
        }
        target.keys = keys;
        drop(targets);
        self.changed.notify_one();
    }

    /// Whether this is what a gateway's pods should run.
    pub fn desires(&self, gateway: &ObjectKey, hash: &str) -> bool {
        self.targets()
            .get(gateway)
            .is_some_and(|target| target.hash == hash)
    }

    /// Takes over which pods a gateway has. Returns them with what each said last.
    pub fn take_over(&self, gateway: &ObjectKey, pods: Vec<PodState>) -> Vec<PodState> {
        let mut targets = self.targets();
        let pods = targets.entry(gateway.clone()).or_default().take_over(pods);
        drop(targets);
        self.changed.notify_one();
        pods
    }

    /// Notes, once a gateway was reconciled, whether all its ready pods run what they should. `None`,
    /// where that cannot be told, leaves what is known.
    pub fn set_programmed(&self, gateway: &ObjectKey, is_programmed: Option<bool>) {
        if let Some(target) = self.targets().get_mut(gateway) {
            target.is_programmed = is_programmed.or(target.is_programmed).or(Some(false));
        }
    }

    /// Whether all ready pods of a gateway run this version of a key. Absent while the gateway
    /// has not been looked at.
    pub fn runs_key(&self, gateway: &ObjectKey, key: &str, version: Option<&str>) -> Option<bool> {
        let targets = self.targets();
        let target = targets.get(gateway)?;
        let runs = target.keys.get(key).map(String::as_str) == version && version.is_some();
        Some(runs && target.is_programmed?)
    }

    /// Forgets a gateway that is gone.
    pub fn forget(&self, gateway: &ObjectKey) {
        self.targets().remove(gateway);
    }

    /// Pushes for ever.
    pub async fn run(self: Arc<Self>) {
        let slots = Arc::new(Semaphore::new(MAX_PARALLEL));
        let mut errands = JoinSet::new();
        loop {
            let (due, next) = self.due(Instant::now());
            for errand in due {
                let (push, slots) = (Arc::clone(&self), Arc::clone(&slots));
                errands.spawn(async move {
                    let _slot = slots.acquire().await;
                    push.run_errand(errand).await;
                });
            }
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep_until(next) => {}
                Some(_) = errands.join_next() => {}
            }
        }
    }

    /// What is due now, and when to look again.
    fn due(&self, now: Instant) -> (Vec<Errand>, Instant) {
        let mut errands = Vec::new();
        let mut next = now + ASK_AGAIN_LATER;
        for (gateway, target) in self.targets().iter_mut() {
            let hash = &target.hash;
            // Nothing was decided for this gateway since the start of the operator.
            if hash.is_empty() {
                continue;
            }
            for (life, pod) in &mut target.pods {
                let Some(ip) = pod.ip.clone().filter(|_| pod.is_waited_for(hash)) else {
                    continue;
                };
                if pod.ask_at > now {
                    next = next.min(pod.ask_at);
                    continue;
                }
                pod.is_asked = true;
                errands.push(Errand {
                    gateway: gateway.clone(),
                    life: life.clone(),
                    pod: pod.name.clone(),
                    ip,
                    touch: pod.touch(hash, now),
                });
            }
        }
        (errands, next)
    }

    async fn run_errand(&self, errand: Errand) {
        if let Some(value) = &errand.touch {
            self.metrics.touched();
            let namespace = &errand.gateway.namespace;
            if let Err(error) = self.cluster.touch_pod(namespace, &errand.pod, value).await {
                tracing::warn!(%error, "{error}");
            }
        }
        let report = self.reports.ask(&errand.ip).await;
        let is_news = self.take_report(&errand, report);
        if is_news {
            self.queues.send(Trigger::Gateway(errand.gateway)).await;
        }
    }

    fn take_report(&self, errand: &Errand, report: Report) -> bool {
        let mut targets = self.targets();
        let pod = targets
            .get_mut(&errand.gateway)
            .and_then(|target| target.pods.get_mut(&errand.life));
        let Some(pod) = pod else {
            return false;
        };
        let eager_asks = match report {
            Report::Runs { .. } => EAGER_ASKS,
            Report::Unreachable => EAGER_ASKS_UNREACHABLE,
        };
        let pause = if pod.asks < eager_asks {
            ASK_AGAIN
        } else {
            ASK_AGAIN_LATER
        };
        pod.is_asked = false;
        pod.asks += 1;
        pod.ask_at = Instant::now() + pause;
        let is_news = pod.report.as_ref() != Some(&report);
        pod.has_answered = true;
        pod.report = Some(report);
        is_news
    }

    fn targets(&self) -> MutexGuard<'_, HashMap<ObjectKey, Target>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Target {
    /// Takes over which pods there are, and fills in what each said last.
    fn take_over(&mut self, mut pods: Vec<PodState>) -> Vec<PodState> {
        let now = Instant::now();
        let mut known = std::mem::take(&mut self.pods);
        for state in &mut pods {
            let mut pod = known
                .remove(&state.life)
                .unwrap_or_else(|| Pod::new(state, now));
            pod.ip.clone_from(&state.ip);
            pod.is_ready = state.ready_since.is_some();
            state.report.clone_from(&pod.report);
            self.pods.insert(state.life.clone(), pod);
        }
        pods
    }
}

impl Pod {
    fn new(state: &PodState, now: Instant) -> Self {
        Self {
            name: state.name.clone(),
            ip: None,
            is_ready: false,
            report: None,
            has_answered: false,
            is_asked: false,
            asks: 0,
            ask_at: now,
            touches: 0,
            touch_at: now,
        }
    }

    /// There is a new configuration: ask and touch at once.
    fn start_over(&mut self, hash: &str) {
        let now = Instant::now();
        // It may have left it since it said so.
        if matches!(&self.report, Some(Report::Runs { hash: runs, .. }) if runs == hash) {
            self.report = None;
        }
        (self.asks, self.ask_at) = (0, now);
        (self.touches, self.touch_at) = (0, now);
    }

    fn is_waited_for(&self, hash: &str) -> bool {
        let runs = matches!(&self.report, Some(Report::Runs { hash: runs, .. }) if runs == hash);
        self.is_ready && !self.is_asked && !runs
    }

    /// A pod that has not been asked yet is asked first: a new one has what it needs. One that does
    /// not answer could not tell whether it helped.
    fn touch(&mut self, hash: &str, now: Instant) -> Option<String> {
        if !self.has_answered || self.report == Some(Report::Unreachable) || self.touch_at > now {
            return None;
        }
        let pause = TOUCH_AGAIN
            .saturating_mul(1 << self.touches.min(10))
            .min(TOUCH_AGAIN_MAX);
        self.touches += 1;
        self.touch_at = now + pause;
        Some(format!(
            "{}-{}",
            hash.get(..12).unwrap_or(hash),
            self.touches
        ))
    }
}
