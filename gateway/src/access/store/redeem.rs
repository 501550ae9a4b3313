//! From an invite's code to a client key: once, whatever fails.
//!
//! The key's object is named after the code, so that only one can ever be made of a code; the
//! record in the invite's status, written over the version that was read, then makes sure that the
//! invite was still good. Only then is the key given out. Until then nobody has it, so that a
//! replica which dies on the way leaves a key behind that opens nothing to anyone.

use std::time::Duration;

use anyray_crds::{
    access,
    v1alpha1::{
        ClientKey, ClientKeySpec, Invite, InviteStatus,
        access::GatewayRef,
        client_key::{KeyOrigin, KnownKey},
        invite::{InviteState, Redemption},
    },
};
use anyray_wire::anyray::credential::{
    self, CredentialDigest, KeyId, SECRET_BYTES, write_client_key,
};
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::Time,
    jiff::{SignedDuration, Timestamp},
};
use kube::{Resource as _, ResourceExt as _};
use secrecy::SecretString;
use tokio::time::{Instant, sleep};

use super::{Store, StoreError};

/// How often anything is done again, be it because something else changed the object.
const MAX_TRIES: usize = 64;

/// How long a store that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pauses between two tries, the last one from then on.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
];

/// Why a code was not redeemed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedeemError {
    /// No invite of this gateway has the code.
    #[error("this gateway knows no such invite: check the code and the gateway's address")]
    Unknown,
    /// The code was redeemed before.
    #[error("the invite has been redeemed already: ask for a new one")]
    Redeemed,
    /// The code's time is over.
    #[error("the invite has expired: ask for a new one")]
    Expired,
    /// The invite was taken out of use.
    #[error("the invite has been revoked: ask for a new one")]
    Revoked,
    /// The store did not answer in time; nothing was given out and the code may be tried again.
    #[error("the store of invites does not answer: try again shortly")]
    Unavailable,
    /// Too many codes that this replica does not know.
    #[error("too many unknown invites are tried at this gateway: try again shortly")]
    Busy,
    /// The store will not have the key.
    #[error("the gateway may not store the key; its log says why, to its administrator")]
    Refused(String),
}

/// A new key, for the one answer that carries it.
#[derive(Debug)]
pub struct Redeemed {
    /// The key itself.
    pub key: SecretString,
    /// Its object.
    pub object: ClientKey,
    /// The invite, with the record.
    pub invite: Invite,
}

/// What a redemption happens with.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Name of the gateway.
    pub gateway: &'a str,
    /// Name of this replica, for the record.
    pub replica: &'a str,
    /// The code.
    pub code: CredentialDigest,
    /// For the key.
    pub random: [u8; SECRET_BYTES],
}

/// Redeems the code of the invite that is named, or found by its code.
///
/// # Errors
/// [`RedeemError`].
///
/// # Cancel safety
/// Not cancel safe: dropped half-way it may leave a key that nobody holds, which its code cannot
/// be redeemed past. Run it in a task of its own.
pub async fn redeem(
    store: &dyn Store,
    known_as: Option<&str>,
    attempt: &Attempt<'_>,
) -> Result<Redeemed, RedeemError> {
    let mut tries = Tries::new();
    let invite = find(store, known_as, attempt, &mut tries).await?;
    check(&invite, attempt)?;
    let name = invite.name_any();
    let (key, object) = make_key(&invite, attempt, Timestamp::now());
    let claimed = match claim(store, &object, &mut tries).await {
        Ok(claimed) => record(store, invite, &claimed, attempt, &mut tries)
            .await
            .map(|invite| (claimed, invite)),
        // The one in the way is somebody else's.
        Err(RedeemError::Redeemed) => return Err(RedeemError::Redeemed),
        Err(error) => Err(error),
    };
    match claimed {
        Ok((object, invite)) => Ok(Redeemed {
            key,
            object,
            invite,
        }),
        Err(error) => match recorded(store, &name, &object).await {
            // The answer to the record was lost, and it is there.
            Some(invite) => Ok(Redeemed {
                key,
                object,
                invite,
            }),
            None => {
                give_back(store, &object).await;
                Err(error)
            }
        },
    }
}

/// The invite as the store has it now.
async fn find(
    store: &dyn Store,
    known_as: Option<&str>,
    attempt: &Attempt<'_>,
    tries: &mut Tries,
) -> Result<Invite, RedeemError> {
    loop {
        let found = match known_as {
            Some(name) => store.get_invite(name).await,
            None => store.find_invite(&attempt.code).await,
        };
        match found {
            Ok(Some(invite)) => return Ok(invite),
            Ok(None) => return Err(RedeemError::Unknown),
            Err(error) => tries.after(error).await?,
        }
    }
}

/// Whether the code of this invite can be redeemed now.
fn check(invite: &Invite, attempt: &Attempt<'_>) -> Result<(), RedeemError> {
    let code: Option<CredentialDigest> = access::code_hash(invite).and_then(|c| c.parse().ok());
    let is_meant = code.is_some_and(|code| code.matches(&attempt.code));
    if !is_meant || invite.spec.gateway_ref.name != attempt.gateway {
        return Err(RedeemError::Unknown);
    }
    if invite.meta().deletion_timestamp.is_some() {
        return Err(RedeemError::Revoked);
    }
    match access::invite_state(invite, Timestamp::now()) {
        InviteState::Issued => Ok(()),
        InviteState::Redeemed => Err(RedeemError::Redeemed),
        InviteState::Expired => Err(RedeemError::Expired),
        InviteState::Revoked => Err(RedeemError::Revoked),
        InviteState::Pending => Err(RedeemError::Unknown),
    }
}

/// Name of the object of the key of this id.
pub fn key_name(id: KeyId) -> String {
    format!("ck-{id}")
}

fn make_key(invite: &Invite, attempt: &Attempt<'_>, now: Timestamp) -> (SecretString, ClientKey) {
    let id = KeyId::of_code(&attempt.code);
    let secret = write_client_key(id, &attempt.random);
    let template = &invite.spec.key;
    let life = template.expires_after.map(std::time::Duration::from);
    let life = life.and_then(|life| SignedDuration::try_from(life).ok());
    let spec = ClientKeySpec {
        gateway_ref: GatewayRef {
            name: attempt.gateway.to_owned(),
        },
        user: invite.spec.user.clone(),
        team: invite.spec.team.clone(),
        key: Some(KnownKey {
            id: id.to_string(),
            hash: credential::CredentialDigest::of(&secret).to_string(),
        }),
        secret_name: None,
        service_account: None,
        invite: Some(KeyOrigin {
            name: invite.name_any(),
            code_hash: attempt.code.to_string(),
            deletion_policy: template.deletion_policy,
        }),
        description: None,
        expires_at: life.and_then(|life| now.checked_add(life).ok()).map(Time),
        permissions: template.permissions.clone(),
        suspended: false,
        revoked: false,
    };
    (secret.into(), ClientKey::new(&key_name(id), spec))
}

/// Stores the key. Who finds another one of the name has lost.
async fn claim(
    store: &dyn Store,
    key: &ClientKey,
    tries: &mut Tries,
) -> Result<ClientKey, RedeemError> {
    let name = key.name_any();
    loop {
        let error = match store.create_key(key).await {
            Ok(created) => return Ok(created),
            Err(error @ StoreError::Refused(_)) => {
                tries.after(error).await?;
                continue;
            }
            Err(error) => error,
        };
        // After an answer that was lost the object in the way may be this one.
        match store.get_key(&name).await {
            Ok(Some(found)) if found.spec.key == key.spec.key => return Ok(found),
            Ok(Some(_)) => return Err(RedeemError::Redeemed),
            Ok(None) => tries.again(error).await?,
            Err(error) => tries.again(error).await?,
        }
    }
}

/// Notes in the invite that it was redeemed, unless it is not good any more.
async fn record(
    store: &dyn Store,
    mut invite: Invite,
    key: &ClientKey,
    attempt: &Attempt<'_>,
    tries: &mut Tries,
) -> Result<Invite, RedeemError> {
    let id = KeyId::of_code(&attempt.code).to_string();
    let name = invite.name_any();
    loop {
        let status = invite.status.get_or_insert_with(InviteStatus::default);
        status.redemption = Some(Redemption {
            key_id: id.clone(),
            client_key_name: key.name_any(),
            at: Time(Timestamp::now()),
            by: attempt.replica.to_owned(),
        });
        match store.record(&invite).await {
            Ok(recorded) => return Ok(recorded),
            Err(StoreError::NotFound) => return Err(RedeemError::Revoked),
            // The record may be there by now, which the store then refuses to see changed.
            Err(error) => tries.again(error).await?,
        }
        invite = find(store, Some(&name), attempt, tries).await?;
        let status = invite.status.as_ref();
        match status.and_then(|status| status.redemption.as_ref()) {
            Some(redemption) if redemption.key_id == id => return Ok(invite),
            _ => check(&invite, attempt)?,
        }
    }
}

/// The invite, if it has the record of this key and the key is there.
async fn recorded(store: &dyn Store, invite: &str, key: &ClientKey) -> Option<Invite> {
    let invite = store.get_invite(invite).await.ok().flatten()?;
    let redemption = invite.status.as_ref()?.redemption.as_ref()?;
    let id = &key.spec.key.as_ref()?.id;
    let stored = store.get_key(&key.name_any()).await.ok().flatten()?;
    (redemption.key_id == *id && stored.spec.key == key.spec.key).then_some(invite)
}

/// Takes back a key that was not given out, so that the code, if it is still good, is.
///
/// Another one of the same name stays: whoever holds it may have got it for good.
async fn give_back(store: &dyn Store, key: &ClientKey) {
    let name = key.name_any();
    let deleted = match store.get_key(&name).await {
        Ok(Some(found)) if found.spec.key == key.spec.key => store.delete_key(&name).await,
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    match deleted {
        Ok(()) | Err(StoreError::NotFound) => {}
        Err(error) => tracing::warn!(
            client_key.name = name,
            "left a key behind that nobody holds: {error}; delete it, and make another invite"
        ),
    }
}

/// Bounds on doing things again.
struct Tries {
    deadline: Instant,
    count: usize,
}

impl Tries {
    fn new() -> Self {
        Self {
            deadline: Instant::now() + PATIENCE,
            count: 0,
        }
    }

    /// Waits before another try, unless the very first one was refused.
    ///
    /// Later refusals are not final: an API server that has just started refuses whom it does not
    /// know yet, and what it was sent before it stopped may be stored.
    async fn after(&mut self, error: StoreError) -> Result<(), RedeemError> {
        match error {
            StoreError::Refused(why) if self.count == 0 => Err(RedeemError::Refused(why)),
            error => self.again(error).await,
        }
    }

    /// Waits before another try, if there is time for one.
    async fn again(&mut self, error: StoreError) -> Result<(), RedeemError> {
        let pause = PAUSES.get(self.count).or(PAUSES.last());
        let pause = pause.copied().unwrap_or_default();
        self.count += 1;
        if Instant::now() + pause > self.deadline || self.count > MAX_TRIES {
            return Err(match error {
                StoreError::Refused(why) => RedeemError::Refused(why),
                _ => RedeemError::Unavailable,
            });
        }
        sleep(pause).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
