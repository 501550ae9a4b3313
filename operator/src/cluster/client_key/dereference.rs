//! Reads what a client key names: its gateway, its invite, the Secret that the key is to be in.

use anyray_crds::v1alpha1::ClientKey;
use kube::Resource as _;

use super::{key, validate::References};
use crate::{
    cluster::{api::CallError, context::Context, found::Found, minted},
    metadata::ObjectKey,
};

/// Reads everything that a client key names. That something is missing is no error.
///
/// # Errors
/// [`CallError`].
pub async fn dereference(
    client_key: &ClientKey,
    context: &Context,
) -> Result<References, CallError> {
    let namespace = ObjectKey::of(client_key).namespace;
    let named = |name: &str| ObjectKey {
        namespace: namespace.clone(),
        name: name.to_owned(),
    };
    let secret = match &client_key.spec.secret_name {
        Some(name) => minted::find(&context.cluster, client_key, name, key::read).await?,
        None => Found::Absent,
    };
    let gateway = named(&client_key.spec.gateway_ref.name);
    let gateway = context.stores.gateway(&gateway);
    let origin = client_key.spec.invite.as_ref();
    Ok(References {
        has_gateway: gateway.is_some_and(|found| found.meta().deletion_timestamp.is_none()),
        invite: origin.and_then(|origin| context.stores.invite(&named(&origin.name))),
        secret,
    })
}
