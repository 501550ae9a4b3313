//! What can be done about client keys.

pub mod list;

use anyray_crds::{
    access,
    v1alpha1::{ClientKey, client_key::ClientKeyState},
};
use anyray_wire::anyray::credential::KeyId;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use crate::{failure::Failure, screen::Screen, session::Session};

/// What is to be done about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Out of use for good.
    Revoke,
    /// Deleted.
    Delete,
    /// Out of use for now.
    Suspend,
    /// Into use again.
    Resume,
}

impl Change {
    /// The part of the object that changes; deleting changes none.
    fn part(self) -> Option<Value> {
        let spec = match self {
            Self::Delete => return None,
            Self::Revoke => json!({ "revoked": true }),
            Self::Suspend => json!({ "suspended": true }),
            Self::Resume => json!({ "suspended": false }),
        };
        Some(json!({ "spec": spec }))
    }

    fn done(self) -> &'static str {
        match self {
            Self::Revoke => "revoked",
            Self::Delete => "deleted",
            Self::Suspend => "suspended",
            Self::Resume => "resumed",
        }
    }
}

/// Does something about keys, one after the other; what was done before a failure stays done.
///
/// # Errors
/// [`Failure`].
pub async fn change(
    session: &Session,
    keys: &[String],
    (change, now): (Change, Timestamp),
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    for text in keys {
        let key = find(session, text).await?;
        let name = key.name_any();
        let after = match change.part() {
            None => {
                session.delete(&key).await?;
                None
            }
            Some(part) => Some(session.merge::<ClientKey>(&name, &part).await?),
        };
        let done = change.done();
        screen.print(&format!("clientkey.anyray.ai/{name} {done}"))?;
        if change == Change::Resume
            && let Some(state) = after.map(|key| access::own_state(&key, now))
            && state != ClientKeyState::Active
        {
            let state = state.as_str();
            screen.note(&format!(
                "It is not in use all the same: its state is {state}."
            ));
        }
    }
    Ok(())
}

/// The key of this name or id. Only what could be an id is looked for in a list of all.
async fn find(session: &Session, text: &str) -> Result<ClientKey, Failure> {
    if text.parse::<KeyId>().is_err() {
        return session.get(text).await;
    }
    let mut found: Vec<ClientKey> = session.list(&[]).await?;
    found.retain(|key| key.name_any() == text || id(key) == Some(text));
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => Err(Failure::Ambiguous(text.to_owned())),
        // For the words of a name that is not there.
        (None, _) => session.get(text).await,
    }
}

/// The public part of a key; a ServiceAccount has none.
fn id(key: &ClientKey) -> Option<&str> {
    access::known_key(key).map(|known| known.id.as_str())
}
