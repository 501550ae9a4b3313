//! Secrets that the operator makes once and never changes: the code of an Invite, the key of a
//! `ClientKey`.
//!
//! Of what is in them only the hash leaves this module and those that make them.

use k8s_openapi::api::core::v1::Secret;
use kube::{Resource, ResourceExt as _};

use crate::{
    cluster::{
        api::{CallError, Cluster},
        found::Found,
    },
    metadata::{self, ObjectKey},
    provider_key::material::SecretEntries,
};

/// Looks for the Secret of an object; `read` says what is known of its content, or `None` where
/// that was not made here.
///
/// # Errors
/// [`CallError`].
pub async fn find<K: Resource<DynamicType = ()>, T>(
    cluster: &Cluster,
    owner: &K,
    name: &str,
    read: impl Fn(&SecretEntries) -> Option<T>,
) -> Result<Found<T>, CallError> {
    let namespace = ObjectKey::of(owner).namespace;
    let secret = cluster.get::<Secret>(&namespace, name).await?;
    Ok(secret.map_or(Found::Absent, |secret| classify(owner, secret, read)))
}

/// What a Secret is to an object. By the uid, an earlier object of the name is another one.
pub fn classify<K: Resource<DynamicType = ()>, T>(
    object: &K,
    secret: Secret,
    read: impl Fn(&SecretEntries) -> Option<T>,
) -> Found<T> {
    let owner = metadata::owner::<K>(&secret.metadata);
    let is_ours = owner.is_some_and(|owner| Some(&owner.uid) == object.meta().uid.as_ref());
    let uid = secret.uid();
    match read(&SecretEntries::from_secret(secret)).filter(|_| is_ours) {
        Some(content) => Found::Ours { uid, content },
        None => Found::Foreign,
    }
}

/// Random bytes from the system.
///
/// # Errors
/// [`CallError::Draw`].
pub fn draw<const COUNT: usize>() -> Result<[u8; COUNT], CallError> {
    let mut bytes = [0; COUNT];
    getrandom::fill(&mut bytes).map_err(CallError::Draw)?;
    Ok(bytes)
}
