//! Where an invite or a key stands at a moment: the one rule that gateways decide by, operators
//! report and people are told.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::{Resource as _, ResourceExt as _};
use serde::{Deserialize, Serialize};

use crate::v1alpha1::{
    ClientKey, Invite,
    client_key::{ClientKeyState, KnownKey},
    invite::{DEFAULT_TTL_HOURS, DeletionPolicy, InviteState},
};

/// The hash of an invite's code, made elsewhere or by the operator.
pub fn code_hash(invite: &Invite) -> Option<&str> {
    let made = invite.status.as_ref().and_then(|s| s.code_hash.as_deref());
    invite.spec.code_hash.as_deref().or(made)
}

/// When an invite's code ends; `None` where that is beyond all calendars.
pub fn code_expiry(invite: &Invite) -> Option<Timestamp> {
    if let Some(at) = &invite.spec.expires_at {
        return Some(at.0);
    }
    let life = invite.spec.ttl.map_or(
        SignedDuration::from_hours(i64::from(DEFAULT_TTL_HOURS)),
        |ttl| SignedDuration::try_from(std::time::Duration::from(ttl)).unwrap_or_default(),
    );
    let created = invite.creation_timestamp()?.0;
    created.checked_add(life).ok()
}

/// Where an invite stands.
pub fn invite_state(invite: &Invite, now: Timestamp) -> InviteState {
    let redemption = invite.status.as_ref().and_then(|s| s.redemption.as_ref());
    if invite.spec.revoked {
        InviteState::Revoked
    } else if redemption.is_some() {
        InviteState::Redeemed
    } else if code_expiry(invite).is_none_or(|end| end <= now) {
        InviteState::Expired
    } else if code_hash(invite).is_none() {
        InviteState::Pending
    } else {
        InviteState::Issued
    }
}

/// The id and hash of a key, made elsewhere or by the operator; a ServiceAccount has none.
pub fn known_key(key: &ClientKey) -> Option<&KnownKey> {
    let made = key.status.as_ref().and_then(|s| s.key.as_ref());
    let made = made.filter(|_| key.spec.secret_name.is_some());
    key.spec.key.as_ref().or(made)
}

/// Where a key stands, given the Invite of the name that it came from, if there is one.
pub fn client_key_state(
    key: &ClientKey,
    invite: Option<&Invite>,
    now: Timestamp,
) -> ClientKeyState {
    let origin = key.spec.invite.as_ref();
    let is_locked_out = origin.is_some_and(|origin| {
        let same = invite.filter(|invite| {
            invite.name_any() == origin.name && code_hash(invite) == Some(origin.code_hash.as_str())
        });
        locks_out(same.map(invite_fate), origin.deletion_policy)
    });
    if is_locked_out {
        ClientKeyState::Revoked
    } else {
        own_state(key, now)
    }
}

/// Where a key stands, whatever became of the invite that it came from.
pub fn own_state(key: &ClientKey, now: Timestamp) -> ClientKeyState {
    let spec = &key.spec;
    if spec.revoked || key.meta().deletion_timestamp.is_some() {
        ClientKeyState::Revoked
    } else if spec.expires_at.as_ref().is_some_and(|end| end.0 <= now) {
        ClientKeyState::Expired
    } else if spec.suspended {
        ClientKeyState::Suspended
    } else if spec.service_account.is_none() && known_key(key).is_none() {
        ClientKeyState::Pending
    } else {
        ClientKeyState::Active
    }
}

/// What became of an invite, as far as its key is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub enum InviteFate {
    /// It is there.
    Live,
    /// It is being deleted.
    Deleted,
    /// It was taken out of use.
    Revoked,
}

/// What became of an invite.
pub fn invite_fate(invite: &Invite) -> InviteFate {
    if invite.spec.revoked {
        InviteFate::Revoked
    } else if invite.meta().deletion_timestamp.is_some() {
        InviteFate::Deleted
    } else {
        InviteFate::Live
    }
}

/// Whether a key is out of use because of its invite: the one of the same name and code, or none.
pub fn locks_out(invite: Option<InviteFate>, policy: DeletionPolicy) -> bool {
    match invite {
        Some(InviteFate::Live) => false,
        Some(InviteFate::Revoked) => true,
        Some(InviteFate::Deleted) | None => policy == DeletionPolicy::Revoke,
    }
}

#[cfg(test)]
mod tests;
