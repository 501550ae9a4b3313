//! What all requests share, and what each worker has for itself.

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyray_wire::{
    anyray::credential::CredentialDigest,
    gateway_config::{ClientKeys, Limits},
};
use arc_swap::ArcSwap;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    access::callers::Callers,
    accounting::{log_buffer::LogBuffer, metrics::Metrics},
    config::{ConfigError, Snapshot},
    error::GatewayError,
    outbound::{credential::token::TokenSources, upstream::Upstreams},
    permit::{Budget, Permit},
};

/// How long a replaced admin token is still good.
const REPLACED_TOKEN_LIFE: SignedDuration = SignedDuration::from_mins(15);

/// Answers per minute that say that an admin token is wrong; more say nothing of it.
const ADMIN_FAILURES_PER_MINUTE: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);

/// Most replaced tokens that are remembered.
const MAX_REPLACED_TOKENS: usize = 4;

/// Shared by every worker of the process.
#[derive(Debug)]
pub struct App {
    /// The configuration in force.
    pub config: ArcSwap<Snapshot>,
    /// How the configuration came to be in force, and what was refused since.
    pub config_status: Mutex<ConfigStatus>,
    /// Who may call; absent where the gateway has no store of client keys.
    pub callers: Option<Callers>,
    /// Admin tokens that were replaced, with the time until which they are good.
    replaced_tokens: Mutex<Vec<(CredentialDigest, Timestamp)>>,
    /// Bounds refusals for want of the admin token.
    pub admin_failures: DefaultDirectRateLimiter,
    /// Tokens for providers that take neither keys nor signatures.
    pub tokens: TokenSources,
    /// Everything that is counted.
    pub metrics: Metrics,
    /// Where the process stands on its way out.
    pub drain: Drain,
    /// A worker's thread has ended, be it by a panic.
    pub worker_ended: CancellationToken,
    /// Requests being served.
    pub in_flight: Arc<AtomicU64>,
    /// Bytes of request bodies being held.
    pub buffered_bytes: Arc<AtomicU64>,
    /// Random per process, so that request ids of two replicas never meet.
    pub id_prefix: u32,
    /// Requests so far.
    pub id_count: AtomicU64,
}

/// The configuration's history, for the ops port.
#[derive(Clone, Debug)]
pub struct ConfigStatus {
    /// When the configuration in force was accepted.
    pub loaded_at: Timestamp,
    /// The last refusal, unless a later change was accepted.
    pub rejected: Option<Rejection>,
}

/// A configuration that was not accepted; the one before stays in force.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// When.
    pub at: Timestamp,
    /// Which field or file, and why.
    pub reason: String,
}

/// The steps of a shutdown, each irrevocable.
#[derive(Debug, Default)]
pub struct Drain {
    /// Readiness is gone and every answer closes its connection.
    pub announced: AtomicBool,
    /// No new connections, and idle ones close.
    pub closing: CancellationToken,
    /// What still runs ends now.
    pub cutoff: CancellationToken,
}

/// One core's share: a runtime, its connection pools and its log.
#[derive(Debug)]
pub struct Worker {
    /// What is shared.
    pub app: Arc<App>,
    /// This worker's pools of connections to providers.
    pub upstreams: Upstreams,
    /// This worker's access log.
    pub log: Arc<LogBuffer>,
    /// How many workers there are.
    pub count: usize,
    /// A connection of this worker closed.
    pub connection_closed: Notify,
}

impl App {
    /// The state of a process that starts with this configuration.
    pub fn new(
        config: Snapshot,
        callers: Option<Callers>,
        metrics: Metrics,
        id_prefix: u32,
        now: Timestamp,
    ) -> Arc<Self> {
        metrics.set_config_hash(&config.hash);
        let in_flight = Arc::clone(&metrics.in_flight);
        let buffered_bytes = Arc::clone(&metrics.buffered_bytes);
        Arc::new(Self {
            config: ArcSwap::from_pointee(config),
            config_status: Mutex::new(ConfigStatus {
                loaded_at: now,
                rejected: None,
            }),
            callers,
            tokens: TokenSources::default(),
            replaced_tokens: Mutex::default(),
            admin_failures: RateLimiter::direct(Quota::per_minute(ADMIN_FAILURES_PER_MINUTE)),
            metrics,
            drain: Drain::default(),
            worker_ended: CancellationToken::new(),
            in_flight,
            buffered_bytes,
            id_prefix,
            id_count: AtomicU64::new(0),
        })
    }

    /// The configuration's history as it stands.
    pub fn config_status(&self) -> ConfigStatus {
        self.config_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether this process can serve a configuration.
    ///
    /// # Errors
    /// Where callers need client keys and there is no store of them.
    pub fn check_config(&self, config: &Snapshot) -> Result<(), ConfigError> {
        if self.callers.is_some() || config.client_keys == ClientKeys::Optional {
            return Ok(());
        }
        Err(ConfigError::CheckField {
            field: "auth.clientKeys".to_owned(),
            message: "is Required, and the gateway was started without a store of client keys: set --client-keys-dir or --kubernetes-gateway, or say Optional".to_owned(),
        })
    }

    /// Whether this is the admin token, or was until a short while ago.
    pub fn is_admin(&self, token: &CredentialDigest, now: Timestamp) -> bool {
        let config = self.config.load();
        let is_current = config
            .admin
            .as_ref()
            .is_some_and(|admin| admin.token.matches(token));
        let replaced = self.replaced_tokens.lock();
        let replaced = replaced.unwrap_or_else(PoisonError::into_inner);
        let mut replaced = replaced.iter();
        is_current || replaced.any(|(old, end)| *end > now && old.matches(token))
    }

    fn note_replaced_token(&self, config: &Snapshot, now: Timestamp) {
        let before = self.config.load();
        let (Some(old), Some(new)) = (&before.admin, &config.admin) else {
            return;
        };
        let mut replaced = self
            .replaced_tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        replaced.retain(|(token, end)| *end > now && *token != new.token);
        if old.token != new.token
            && let Ok(end) = now.checked_add(REPLACED_TOKEN_LIFE)
        {
            replaced.push((old.token, end));
            let surplus = replaced.len().saturating_sub(MAX_REPLACED_TOKENS);
            replaced.drain(..surplus);
        }
    }

    /// Takes in a changed configuration.
    pub fn accept_config(&self, config: Snapshot, now: Timestamp) {
        self.note_replaced_token(&config, now);
        self.tokens.retain(&config);
        self.metrics.set_config_hash(&config.hash);
        self.metrics.config_reloads(true);
        self.config.store(Arc::new(config));
        *self
            .config_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = ConfigStatus {
            loaded_at: now,
            rejected: None,
        };
    }

    /// Notes a configuration that was refused.
    pub fn reject_config(&self, reason: String, now: Timestamp) {
        self.metrics.config_reloads(false);
        self.config_status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .rejected = Some(Rejection { at: now, reason });
    }

    /// The id of the next request: `req_`, then 24 hexadecimal digits.
    pub fn next_request_id(&self) -> String {
        let count = self.id_count.fetch_add(1, Ordering::Relaxed);
        format!("req_{:08x}{count:016x}", self.id_prefix)
    }

    /// Counts one more request in, unless too many are.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`] at `limits.maxConcurrentRequests`.
    pub fn admit(&self, limits: &Limits) -> Result<Permit, GatewayError> {
        let limit = u64::from(limits.max_concurrent_requests);
        let mut permit = Permit::new(&self.in_flight);
        if permit.take(1, limit) {
            Ok(permit)
        } else {
            Err(GatewayError::Overloaded)
        }
    }

    /// What request bodies may take.
    pub fn body_budget(&self, limits: &Limits) -> Budget {
        Budget {
            used: Arc::clone(&self.buffered_bytes),
            max_bytes: limits.max_buffered_bytes,
        }
    }

    /// Whether a shutdown has begun.
    pub fn is_draining(&self) -> bool {
        self.drain.announced.load(Ordering::Relaxed)
    }
}
