//! Reads what an invite names: its gateway, the Secret with its code, the keys that came from it.

use anyray_crds::v1alpha1::{Invite, invite::InviteState};
use kube::Resource as _;

use super::{
    code,
    validate::{Gateway, References},
};
use crate::{
    cluster::{api::CallError, context::Context, found::Found, minted},
    metadata::ObjectKey,
};

/// Reads everything that an invite names. That something is missing is no error.
///
/// # Errors
/// [`CallError`].
pub async fn dereference(invite: &Invite, context: &Context) -> Result<References, CallError> {
    let key = ObjectKey::of(invite);
    let secret = match needs_secret(invite) {
        true => {
            let name = code::secret_name(invite);
            minted::find(&context.cluster, invite, &name, code::read).await?
        }
        false => Found::Absent,
    };
    Ok(References {
        gateway: gateway(invite, context),
        secret,
        client_keys: context.stores.client_keys_of(&key),
    })
}

/// Whether there may be a Secret of the operator's: not where the code was made elsewhere, and not
/// where its end was written down, since that is done after it is gone.
fn needs_secret(invite: &Invite) -> bool {
    let status = invite.status.as_ref();
    let is_over = status.is_some_and(|status| {
        let state = status.state;
        let is_end = matches!(
            state,
            Some(InviteState::Redeemed | InviteState::Expired | InviteState::Revoked)
        );
        is_end && status.code_secret_name.is_none()
    });
    invite.spec.code_hash.is_none() && !is_over
}

fn gateway(invite: &Invite, context: &Context) -> Gateway {
    let key = ObjectKey {
        namespace: ObjectKey::of(invite).namespace,
        name: invite.spec.gateway_ref.name.clone(),
    };
    let found = context.stores.gateway(&key);
    let Some(found) = found.filter(|found| found.meta().deletion_timestamp.is_none()) else {
        return Gateway::Missing;
    };
    let status = found.status.unwrap_or_default();
    let address = status.external_address.or(status.address);
    address.map_or(Gateway::WithoutAddress, Gateway::At)
}
