//! Checks tokens of `ServiceAccount`s by what is known of the cluster that signs them.
//!
//! Where a process learns it is in `cluster/service_account_keys.rs`.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::Notify;

use crate::{
    error::fault::TokenFault,
    inbound::service_account::{Expected, Keys, ServiceAccount, verify},
};

/// Checks tokens of the cluster's `ServiceAccount`s.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    known: RwLock<Option<Known>>,
    /// Rung where a token names a key that is not known.
    wanted: Notify,
}

/// The cluster that signs tokens: its name and its keys.
#[derive(Debug)]
pub struct Known {
    /// What a token must say.
    pub expected: Expected,
    /// What it must be signed with.
    pub keys: Keys,
}

impl Accounts {
    /// Whose token it is; `None` where nothing is known of the cluster yet.
    pub fn verify(&self, token: &str, now: i64) -> Option<Result<ServiceAccount, TokenFault>> {
        let known = self.state.known.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref()?;
        let verified = verify(token, &known.keys, &known.expected, now);
        if verified == Err(TokenFault::UnknownKey) {
            self.state.wanted.notify_one();
        }
        Some(verified)
    }

    /// Replaces what is known of the cluster.
    pub fn learn(&self, known: Known) {
        let slot = self.state.known.write();
        *slot.unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    /// Waits until a token names a key that is not known.
    pub async fn wanted(&self) {
        self.state.wanted.notified().await;
    }
}
