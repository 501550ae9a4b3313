//! Where a client key stands and whether its key has to be made.

use anyray_crds::{
    access,
    conditions::Reason,
    v1alpha1::{
        ClientKey, Invite,
        client_key::{ClientKeyState, ClientKeyStatus, KnownKey},
    },
};
use k8s_openapi::jiff::Timestamp;

use crate::{cluster::found::Found, fault::Fault};

/// Everything that a client key names, as it was found.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// Whether there is a gateway of the name.
    pub has_gateway: bool,
    /// The invite that it came from.
    pub invite: Option<Invite>,
    /// The Secret of `secretName`, with what is known of the key there.
    pub secret: Found<KnownKey>,
}

/// A client key with all that is known of it.
#[derive(Clone, Debug)]
pub struct ValidatedClientKey {
    /// The client key; its status has the id and hash of the key that was found.
    pub seen: ClientKey,
    /// Where it stands.
    pub state: ClientKeyState,
    /// Name of the Secret that a key has to be made for.
    pub mint_into: Option<String>,
    /// What keeps the key from use, or from being made.
    pub fault: Option<Fault>,
    /// Whether there is a gateway of the name.
    pub has_gateway: bool,
}

impl ValidatedClientKey {
    /// The same, once a key was made.
    pub fn take_minted(&mut self, known: KnownKey, references: &References, now: Timestamp) {
        status_of(&mut self.seen).key = Some(known);
        self.state = access::client_key_state(&self.seen, references.invite.as_ref(), now);
        self.mint_into = None;
    }
}

/// A client key of which could not be read what it names, or whose step failed.
pub fn failed(key: &ClientKey, message: String, now: Timestamp) -> ValidatedClientKey {
    // Its invite is unknown, too; what is said of it stays.
    let previous = key.status.as_ref().and_then(|status| status.state);
    ValidatedClientKey {
        seen: key.clone(),
        state: previous.unwrap_or_else(|| access::own_state(key, now)),
        mint_into: None,
        fault: Some(Fault::new(Reason::ApplyFailed, message)),
        has_gateway: true,
    }
}

/// Where a client key stands, and whether a key has to be made.
///
/// What is in the Secret is the key; without the Secret there is none: to delete it is how a key is
/// replaced, so the one of before ends with it.
pub fn validate(key: &ClientKey, references: &References, now: Timestamp) -> ValidatedClientKey {
    let mut seen = key.clone();
    status_of(&mut seen).key = references.secret.ours().cloned();
    let state = access::client_key_state(&seen, references.invite.as_ref(), now);
    let is_open = !matches!(state, ClientKeyState::Revoked | ClientKeyState::Expired);
    let wanted = key.spec.secret_name.as_ref().filter(|_| is_open);
    let (mint_into, fault) = match (wanted, &references.secret) {
        (Some(name), Found::Absent) => (Some(name.clone()), None),
        (Some(name), Found::Foreign) => (None, Some(foreign(name))),
        _ => (None, None),
    };
    ValidatedClientKey {
        seen,
        state,
        mint_into,
        fault,
        has_gateway: references.has_gateway,
    }
}

fn foreign(name: &str) -> Fault {
    let message = format!(
        "Secret {name} exists already and was not made for this ClientKey: rename or delete it, or create another ClientKey with another secretName"
    );
    Fault::new(Reason::NameConflict, message)
}

fn status_of(key: &mut ClientKey) -> &mut ClientKeyStatus {
    key.status.get_or_insert_with(ClientKeyStatus::default)
}
