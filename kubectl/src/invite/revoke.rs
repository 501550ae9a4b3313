//! `invite revoke`: ends codes, and the keys that they were exchanged for.

use anyray_crds::v1alpha1::{
    Invite,
    invite::{DeletionPolicy, Redemption},
};
use serde_json::json;

use crate::{cli::InviteRevoke, failure::Failure, screen::Screen, session::Session};

/// Takes invites out of use, one after the other; what was done before a failure stays done.
///
/// # Errors
/// [`Failure`].
pub async fn revoke(
    session: &Session,
    options: &InviteRevoke,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    for name in &options.names {
        if options.delete {
            let invite: Invite = session.get(name).await?;
            session.delete(&invite).await?;
            screen.print(&format!("invite.anyray.ai/{name} deleted"))?;
            screen.note(&after_delete(&invite));
        } else {
            let part = json!({ "spec": { "revoked": true } });
            let invite: Invite = session.merge(name, &part).await?;
            screen.print(&format!("invite.anyray.ai/{name} revoked"))?;
            screen.note(&after_revoke(&invite));
        }
    }
    Ok(())
}

fn redemption(invite: &Invite) -> Option<&Redemption> {
    invite.status.as_ref()?.redemption.as_ref()
}

fn after_revoke(invite: &Invite) -> String {
    redemption(invite).map_or_else(
        || "Its code was not redeemed, and is refused from now on.".to_owned(),
        |it| {
            format!(
                "Its code was redeemed: the key {} is refused from now on, too.",
                it.key_id
            )
        },
    )
}

fn after_delete(invite: &Invite) -> String {
    match (redemption(invite), invite.spec.key.deletion_policy) {
        (None, _) => after_revoke(invite),
        (Some(it), DeletionPolicy::Keep) => format!(
            "Its code was redeemed, and its key is kept: `kubectl anyray key revoke {}` ends that.",
            it.client_key_name
        ),
        (Some(it), DeletionPolicy::Revoke) => format!(
            "Its code was redeemed: the key {} is refused from now on, for as long as no Invite of this name and code comes back; `kubectl anyray key revoke {}` ends it for good.",
            it.key_id, it.client_key_name
        ),
    }
}
