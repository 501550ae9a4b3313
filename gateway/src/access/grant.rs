//! One client key: whose it is, what it may do, and how much it is doing.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use anyray_crds::{
    access,
    v1alpha1::{ClientKey, client_key::ClientKeyState, invite::DeletionPolicy},
};
use anyray_providers as providers;
use anyray_wire::{
    anyray::credential::{CredentialDigest, KeyId},
    gateway_config::model_pattern,
};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use serde::{Deserialize, Serialize};

use crate::{error::GatewayError, permit::Permit};

/// A `ServiceAccount` of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct Account {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
}

/// Whether a key would be accepted, but for time and invite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum Standing {
    /// It would.
    Active,
    /// It was taken out of use for now.
    Suspended,
    /// It was taken out of use for good, or is being deleted.
    Revoked,
}

/// The invite that a key came from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Origin {
    /// Name of the `Invite`.
    pub invite: Box<str>,
    /// SHA-256 of its code.
    pub code: CredentialDigest,
    /// What becomes of the key with it.
    pub policy: DeletionPolicy,
}

/// What a key may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Permissions {
    /// Patterns of models; all, if empty.
    pub models: Vec<Box<str>>,
    /// Slugs of providers; all, if empty.
    pub providers: Vec<Box<str>>,
    /// Requests per minute.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Requests at once.
    pub concurrent_requests: Option<u32>,
}

/// What is remembered of a `ClientKey`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct KeyFacts {
    /// Public part of the key; a `ServiceAccount` has none.
    pub id: Option<KeyId>,
    /// SHA-256 of the key.
    pub digest: Option<CredentialDigest>,
    /// The `ServiceAccount` that needs no key.
    pub account: Option<Account>,
    /// Whose key it is.
    pub user: Box<str>,
    /// Their team.
    pub team: Option<Box<str>>,
    /// Whether it would be accepted, but for time and invite.
    pub standing: Standing,
    /// When it ends, in seconds since 1970.
    pub expires_at: Option<i64>,
    /// The invite that it came from.
    pub origin: Option<Origin>,
    /// What it may do; nothing is kept of a key that may do everything.
    pub permissions: Option<Box<Permissions>>,
}

/// A client key as requests meet it.
#[derive(Debug)]
pub struct Grant {
    /// Name of the `ClientKey`.
    pub name: Box<str>,
    /// What is remembered of it.
    pub facts: KeyFacts,
    /// Its invite takes it out of use.
    pub is_locked_out: bool,
    /// Of a key with a limit on requests per minute.
    rate: Option<Arc<DefaultDirectRateLimiter>>,
    usage: Arc<Usage>,
}

/// What outlives a change of the key.
#[derive(Debug, Default)]
struct Usage {
    in_flight: Arc<AtomicU64>,
    /// Seconds since 1970; 0 where it was not used.
    last_used: AtomicI64,
}

impl KeyFacts {
    /// What is to be remembered of a key.
    pub fn of(key: &ClientKey) -> Self {
        let spec = &key.spec;
        let known = access::known_key(key);
        let account = spec.service_account.as_ref().map(|account| Account {
            namespace: account
                .namespace
                .clone()
                .or_else(|| key.namespace())
                .unwrap_or_default()
                .into(),
            name: account.name.as_str().into(),
        });
        let origin = spec.invite.as_ref().and_then(|origin| {
            Some(Origin {
                invite: origin.name.as_str().into(),
                code: origin.code_hash.parse().ok()?,
                policy: origin.deletion_policy,
            })
        });
        // An end in the past is judged by each request, as any other.
        let standing = match access::own_state(key, Timestamp::MIN) {
            ClientKeyState::Active | ClientKeyState::Expired => Standing::Active,
            ClientKeyState::Suspended | ClientKeyState::Pending => Standing::Suspended,
            ClientKeyState::Revoked => Standing::Revoked,
        };
        let has_bad_origin = spec.invite.is_some() && origin.is_none();
        Self {
            id: known.and_then(|known| known.id.parse().ok()),
            digest: known.and_then(|known| known.hash.parse().ok()),
            account,
            user: spec.user.as_str().into(),
            team: spec.team.as_deref().map(Into::into),
            standing: if has_bad_origin {
                Standing::Revoked
            } else {
                standing
            },
            expires_at: spec.expires_at.as_ref().map(|end| end.0.as_second()),
            origin,
            permissions: Permissions::of(&spec.permissions).map(Box::new),
        }
    }
}

impl Permissions {
    fn of(spec: &anyray_crds::v1alpha1::access::Permissions) -> Option<Self> {
        let permissions = Self {
            models: spec.models.iter().map(|m| m.as_str().into()).collect(),
            providers: spec
                .providers
                .iter()
                .map(|name| slug(name).into())
                .collect(),
            requests_per_minute: spec
                .requests_per_minute
                .and_then(|rate| u32::try_from(rate).ok())
                .and_then(NonZeroU32::new),
            concurrent_requests: spec
                .concurrent_requests
                .and_then(|count| u32::try_from(count).ok()),
        };
        (permissions != Self::default()).then_some(permissions)
    }
}

/// The slug of a provider that may be named by an alias.
fn slug(name: &str) -> &str {
    providers::find(name).map_or(name, |provider| provider.slug())
}

impl Grant {
    /// A key; of the one of the same object before it remains what it was doing.
    pub fn new(
        name: Box<str>,
        facts: KeyFacts,
        is_locked_out: bool,
        before: Option<&Self>,
    ) -> Self {
        let quota = |facts: &KeyFacts| facts.permissions.as_ref()?.requests_per_minute;
        let rate = quota(&facts);
        let kept = before.filter(|before| quota(&before.facts) == rate);
        Self {
            name,
            is_locked_out,
            rate: match kept {
                Some(before) => before.rate.clone(),
                None => rate.map(|rate| Arc::new(RateLimiter::direct(Quota::per_minute(rate)))),
            },
            usage: before.map_or_else(Arc::default, |before| Arc::clone(&before.usage)),
            facts,
        }
    }

    /// The name by which logs know the key: its id, or that of its object.
    pub fn label(&self) -> &str {
        self.facts.id.as_ref().map_or(&self.name, KeyId::as_str)
    }

    /// Whether the key may be used now.
    ///
    /// # Errors
    /// [`GatewayError::KeyRevoked`], [`GatewayError::KeyExpired`] or
    /// [`GatewayError::KeySuspended`].
    pub fn check(&self, now: i64) -> Result<(), GatewayError> {
        if self.is_locked_out || self.facts.standing == Standing::Revoked {
            return Err(GatewayError::KeyRevoked);
        }
        if self.facts.expires_at.is_some_and(|end| end <= now) {
            return Err(GatewayError::KeyExpired);
        }
        if self.facts.standing == Standing::Suspended {
            return Err(GatewayError::KeySuspended);
        }
        Ok(())
    }

    /// Counts one more request of this key in, within its limits.
    ///
    /// # Errors
    /// [`GatewayError::TooManyRequests`] or [`GatewayError::TooManyAtOnce`].
    pub fn admit(&self, now: i64) -> Result<Option<Permit>, GatewayError> {
        self.usage.last_used.store(now, Ordering::Relaxed);
        let Some(permissions) = &self.facts.permissions else {
            return Ok(None);
        };
        let permit = match permissions.concurrent_requests {
            Some(limit) => {
                let mut permit = Permit::new(&self.usage.in_flight);
                if !permit.take(1, u64::from(limit)) {
                    return Err(GatewayError::TooManyAtOnce { limit });
                }
                Some(permit)
            }
            None => None,
        };
        if let (Some(rate), Some(limit)) = (&self.rate, permissions.requests_per_minute)
            && let Err(full) = rate.check()
        {
            let wait = full.wait_time_from(rate.clock().now());
            return Err(GatewayError::TooManyRequests {
                limit: limit.get(),
                wait_seconds: wait.as_secs() + 1,
            });
        }
        Ok(permit)
    }

    /// Whether the key is for certain models only.
    pub fn limits_models(&self) -> bool {
        let permissions = self.facts.permissions.as_ref();
        permissions.is_some_and(|permissions| !permissions.models.is_empty())
    }

    /// Whether the key may ask for a model.
    pub fn allows_model(&self, model: &str) -> bool {
        self.facts.permissions.as_ref().is_none_or(|permissions| {
            let mut models = permissions.models.iter();
            permissions.models.is_empty() || models.any(|m| model_pattern::matches(m, model))
        })
    }

    /// Whether the key may use a provider.
    pub fn allows_provider(&self, slug: &str) -> bool {
        self.facts.permissions.as_ref().is_none_or(|permissions| {
            let mut providers = permissions.providers.iter();
            permissions.providers.is_empty() || providers.any(|provider| **provider == *slug)
        })
    }

    /// When the key was last used here, in seconds since 1970.
    pub fn last_used(&self) -> Option<i64> {
        Some(self.usage.last_used.load(Ordering::Relaxed)).filter(|at| *at > 0)
    }
}
