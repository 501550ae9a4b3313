//! Reads what an invite names: its gateway, the Secret with its code, the keys that came from it.

use anyray_crds::v1alpha1::{ClientKey, Invite, invite::InviteState};
use anyray_wire::anyray::credential::CredentialDigest;
use kube::Resource as _;

use super::code;
use crate::{
    cluster::{
        api::CallError,
        context::Context,
        minted::{self, Found},
    },
    metadata::ObjectKey,
};

/// Everything that an invite names, as it was found.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// Its gateway.
    pub gateway: Gateway,
    /// The Secret that its code is to be in, with the hash of the code there.
    pub secret: Found<CredentialDigest>,
    /// The keys that came from an invite of this name.
    pub client_keys: Vec<ClientKey>,
}

/// The gateway of an invite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Gateway {
    /// There is none of the name.
    #[default]
    Missing,
    /// It has no address yet.
    WithoutAddress,
    /// Its base URL, for callers outside the cluster where it has one.
    At(String),
}

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
