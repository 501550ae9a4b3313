//! Who calls: the credential of a request, checked against what the replica knows and, where that
//! is not enough, against the store.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use anyray_crds::v1alpha1::{ClientKey, Invite};
use anyray_wire::{
    anyray::credential::{CredentialDigest, SECRET_BYTES},
    gateway_config::ClientKeys,
};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::Timestamp;
use kube::ResourceExt as _;
use tokio::{runtime::Handle, sync::Semaphore, time::sleep};

use crate::{
    access::{
        Access,
        grant::{Account, Grant},
        issuer::Accounts,
        random,
        store::{
            Store, StoreError,
            redeem::{self, Attempt, RedeemError, Redeemed, key_name},
        },
    },
    error::{GatewayError, fault::TokenFault},
    inbound::auth::{Presented, PresentedKey},
    inbound::service_account::{self, ServiceAccount},
};

/// Look-ups in the store per second for keys and codes that this replica does not know: enough for
/// those that were made a moment ago, too few to press the store.
const LOOKUPS_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);

/// The same for codes, where each look-up reads all invites.
const CODE_LOOKUPS_PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

/// And so many at first, for a code that was made a moment ago and that many reach for.
const CODE_LOOKUPS_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(63);

/// When to look again at what was not told by the store itself: within the 5 seconds in which a
/// deleted key must be refused.
const CONFIRM_AFTER: Duration = Duration::from_secs(3);

/// Redemptions at once; more wait.
const MAX_REDEMPTIONS: usize = 32;

/// All that is needed to tell who calls.
#[derive(Debug)]
pub struct Callers {
    /// What the replica knows.
    pub access: Arc<Access>,
    /// Where it knows it from.
    pub store: Arc<dyn Store>,
    /// The runtime on which the store is used, whichever worker asks.
    runtime: Handle,
    names: Names,
    lookups: DefaultDirectRateLimiter,
    code_lookups: DefaultDirectRateLimiter,
    redemptions: Arc<Semaphore>,
    accounts: Option<Accounts>,
}

/// Names of the gateway and of this replica of it.
#[derive(Clone, Debug)]
pub struct Names {
    /// Of the gateway.
    pub gateway: String,
    /// Of the replica.
    pub replica: String,
}

impl Callers {
    /// With a store that is used on `runtime`.
    pub fn new(
        store: Arc<dyn Store>,
        access: Arc<Access>,
        names: Names,
        accounts: Option<Accounts>,
        runtime: Handle,
    ) -> Self {
        let code_lookups = Quota::per_second(CODE_LOOKUPS_PER_SECOND);
        let code_lookups = code_lookups.allow_burst(CODE_LOOKUPS_AT_ONCE);
        Self {
            access,
            store,
            runtime,
            names,
            lookups: RateLimiter::direct(Quota::per_second(LOOKUPS_PER_SECOND)),
            code_lookups: RateLimiter::direct(code_lookups),
            redemptions: Arc::new(Semaphore::new(MAX_REDEMPTIONS)),
            accounts,
        }
    }

    /// Name of the gateway.
    pub fn gateway(&self) -> &str {
        &self.names.gateway
    }

    /// The key that a request comes with, if it may be used.
    ///
    /// # Errors
    /// One of the refusals of keys, or [`GatewayError::StoreUnavailable`].
    pub async fn authenticate(
        &self,
        presented: &mut Presented,
    ) -> Result<Option<Arc<Grant>>, GatewayError> {
        let account = self.take_account(presented)?;
        let grant = match (presented.key, account) {
            (Some(key), _) => Some(self.find(key).await?),
            (None, Some(account)) => Some(self.find_account(account)?),
            (None, None) => None,
        };
        if let Some(grant) = &grant {
            grant.check(Timestamp::now().as_second())?;
        }
        Ok(grant)
    }

    async fn find(&self, key: PresentedKey) -> Result<Arc<Grant>, GatewayError> {
        if let Some(grant) = self.access.find(key.id) {
            let grant = check_digest(grant, key)?;
            if !self.access.is_orphan(&grant) {
                return Ok(grant);
            }
        }
        if self.lookups.check().is_err() {
            // It may have been made a moment ago.
            return Err(GatewayError::StoreUnavailable);
        }
        self.look_up(key_name(key.id))
            .await
            .map_err(|_| GatewayError::StoreUnavailable)?;
        let grant = self.access.find(key.id).ok_or(GatewayError::KeyUnknown)?;
        check_digest(grant, key)
    }

    /// Takes in a key, and the invite that it came from, as the store has them.
    async fn look_up(&self, name: String) -> Result<(), StoreError> {
        let (store, access) = (Arc::clone(&self.store), Arc::clone(&self.access));
        self.run(async move {
            let Some(key) = store.get_key(&name).await? else {
                return Ok(());
            };
            let origin = key.spec.invite.as_ref();
            let origin = origin.map(|origin| origin.name.clone());
            if let Some(origin) = &origin
                && let Some(invite) = store.get_invite(origin).await?
            {
                access.put_invite(&invite);
            }
            access.put_key(&key);
            confirm(store, access, name, origin);
            Ok(())
        })
        .await
    }

    /// What a token of the cluster says, if the request carries one; it goes nowhere else then.
    fn take_account(
        &self,
        presented: &mut Presented,
    ) -> Result<Option<Result<ServiceAccount, TokenFault>>, GatewayError> {
        let (Some(accounts), Some((header, token))) = (&self.accounts, &presented.token) else {
            return Ok(None);
        };
        // Others are somebody else's, for example those of subscriptions.
        if !service_account::claims_to_be_one(token) {
            return Ok(None);
        }
        let checked = match accounts.verify(token, Timestamp::now().as_second()) {
            Some(Err(TokenFault::UnknownKey)) | None => {
                return Err(GatewayError::StoreUnavailable);
            }
            Some(checked) => checked,
        };
        let own = presented.own.as_ref();
        if own.is_some_and(|own| own.header == *header) {
            presented.own = None;
        }
        Ok(Some(checked))
    }

    /// The key of the `ServiceAccount` whose token it is.
    fn find_account(
        &self,
        checked: Result<ServiceAccount, TokenFault>,
    ) -> Result<Arc<Grant>, GatewayError> {
        let found = checked.map_err(|fault| GatewayError::InvalidToken { fault })?;
        let account = Account {
            namespace: found.namespace.into(),
            name: found.name.into(),
        };
        let grant = self.access.find_account(&account);
        grant.ok_or(GatewayError::AccountUnknown)
    }

    /// Redeems a code.
    ///
    /// # Errors
    /// [`RedeemError`].
    ///
    /// # Cancel safety
    /// What was begun goes on to its end when the future is dropped.
    pub async fn redeem(&self, code: CredentialDigest) -> Result<Redeemed, RedeemError> {
        let known_as = self.access.find_invite(&code);
        if known_as.is_none() && self.code_lookups.check().is_err() {
            return Err(RedeemError::Busy);
        }
        let random: [u8; SECRET_BYTES] = random::bytes();
        let permit = Arc::clone(&self.redemptions).acquire_owned().await;
        let permit = permit.map_err(|_| RedeemError::Unavailable)?;
        let (store, names) = (Arc::clone(&self.store), self.names.clone());
        let access = Arc::clone(&self.access);
        let redeemed = self.run(async move {
            // Held to the end, also where the caller does not wait for it.
            let _permit = permit;
            let attempt = Attempt {
                gateway: &names.gateway,
                replica: &names.replica,
                code,
                random,
            };
            let redeemed = redeem::redeem(&*store, known_as.as_deref(), &attempt).await;
            if let Ok(redeemed) = &redeemed {
                access.put_invite(&redeemed.invite);
                access.put_key(&redeemed.object);
                let invite = Some(redeemed.invite.name_any());
                confirm(store, access, redeemed.object.name_any(), invite);
            }
            Ok(redeemed)
        });
        redeemed.await.map_err(|_| RedeemError::Unavailable)?
    }

    /// Stores a new invite.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_invite(&self, invite: Invite) -> Result<Invite, StoreError> {
        let store = Arc::clone(&self.store);
        let created = self
            .run(async move { store.create_invite(&invite).await })
            .await?;
        self.access.put_invite(&created);
        Ok(created)
    }

    /// Stores a new key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_key(&self, key: ClientKey) -> Result<ClientKey, StoreError> {
        let (store, access) = (Arc::clone(&self.store), Arc::clone(&self.access));
        self.run(async move {
            let created = store.create_key(&key).await?;
            access.put_key(&created);
            confirm(store, access, created.name_any(), None);
            Ok(created)
        })
        .await
    }

    /// Deletes an invite.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_invite(&self, name: String) -> Result<(), StoreError> {
        let (store, access) = (Arc::clone(&self.store), Arc::clone(&self.access));
        self.run(async move {
            store.delete_invite(&name).await?;
            access.remove_invite(&name);
            Ok(())
        })
        .await
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_key(&self, name: String) -> Result<(), StoreError> {
        let (store, access) = (Arc::clone(&self.store), Arc::clone(&self.access));
        self.run(async move {
            store.delete_key(&name).await?;
            access.remove_key(&name);
            Ok(())
        })
        .await
    }

    /// Everything that the store holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self) -> Result<(Vec<Invite>, Vec<ClientKey>), StoreError> {
        let store = Arc::clone(&self.store);
        self.run(async move { Ok((store.list_invites().await?, store.list_keys().await?)) })
            .await
    }

    /// The invite of this name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get_invite(&self, name: String) -> Result<Option<Invite>, StoreError> {
        let store = Arc::clone(&self.store);
        self.run(async move { store.get_invite(&name).await }).await
    }

    /// Whether the store answers.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn check(&self) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        self.run(async move { store.check().await }).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self.runtime.spawn(work).await;
        done.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }
}

/// Looks once more at what was taken in apart from what the store tells by itself, and which may
/// be older than that: a key that was deleted meanwhile must not stay.
fn confirm(store: Arc<dyn Store>, access: Arc<Access>, key: String, invite: Option<String>) {
    tokio::spawn(async move {
        sleep(CONFIRM_AFTER).await;
        if let Some(invite) = invite {
            match store.get_invite(&invite).await {
                Ok(Some(found)) => access.put_invite(&found),
                Ok(None) => access.remove_invite(&invite),
                Err(error) => tracing::warn!("cannot look at an invite once more: {error}"),
            }
        }
        match store.get_key(&key).await {
            Ok(Some(found)) => access.put_key(&found),
            Ok(None) => access.remove_key(&key),
            Err(error) => tracing::warn!("cannot look at a client key once more: {error}"),
        }
    });
}

/// The key, if it is the one that was presented.
fn check_digest(grant: Arc<Grant>, key: PresentedKey) -> Result<Arc<Grant>, GatewayError> {
    let digest = grant.facts.digest;
    if digest.is_some_and(|digest| digest.matches(&key.digest)) {
        Ok(grant)
    } else {
        Err(GatewayError::KeyUnknown)
    }
}

/// Whether a caller without a client key is served.
///
/// # Errors
/// [`GatewayError::KeyMissing`].
pub fn admit_stranger(client_keys: ClientKeys) -> Result<(), GatewayError> {
    match client_keys {
        ClientKeys::Optional => Ok(()),
        ClientKeys::Required => Err(GatewayError::KeyMissing),
    }
}

#[cfg(test)]
mod tests;
