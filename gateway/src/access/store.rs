//! Where invites and client keys are kept: custom resources of a cluster, or files.
//!
//! [`redeem`] is the protocol by which a code becomes a key exactly once, whatever the store.

use std::{fmt::Debug, sync::Arc};

use anyray_crds::v1alpha1::{ClientKey, Invite};
use anyray_wire::anyray::credential::CredentialDigest;
use futures::future::BoxFuture;

use crate::access::Access;

pub mod files;
pub mod redeem;
pub mod snapshot;

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// An object of the name exists, or the object has changed since it was read.
    #[error("another object, or another version of it, is in the way")]
    Conflict,
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// The store will not have the object as it is.
    #[error("the store refused the object: {0}")]
    Refused(String),
    /// No answer, or none that says what was done: it may have been, or not.
    #[error("the store of client keys does not answer: {0}")]
    Unavailable(String),
}

/// Whether a text can be the name of an object (RFC 1123 subdomain): it then leads out of no
/// folder, and into no other path of an API.
pub fn is_object_name(text: &str) -> bool {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|byte| is_end(*byte))
            && bytes.last().is_some_and(|byte| is_end(*byte))
            && bytes.iter().all(|byte| is_end(*byte) || *byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

/// What comes of asking a store.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// A store of invites and client keys, shared by all replicas of a gateway.
///
/// Every read is of the newest state. Creating is refused with [`StoreError::Conflict`] where an
/// object of the name exists; [`Store::record`] where the object has changed since it was read.
pub trait Store: Debug + Send + Sync {
    /// What it is, for `GET /admin/health`.
    fn kind(&self) -> &'static str;

    /// Keeps `access` as the store has it, for as long as the process runs.
    fn follow(self: Arc<Self>, access: Arc<Access>) -> BoxFuture<'static, ()>;

    /// Whether the store answers.
    fn check(&self) -> Answer<'_, ()>;

    /// All invites.
    fn list_invites(&self) -> Answer<'_, Vec<Invite>>;

    /// All client keys.
    fn list_keys(&self) -> Answer<'_, Vec<ClientKey>>;

    /// The invite of this name.
    fn get_invite<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Invite>>;

    /// The client key of this name.
    fn get_key<'a>(&'a self, name: &'a str) -> Answer<'a, Option<ClientKey>>;

    /// The invite with this code; slower than by name.
    fn find_invite<'a>(&'a self, code: &'a CredentialDigest) -> Answer<'a, Option<Invite>>;

    /// Stores a new invite.
    fn create_invite<'a>(&'a self, invite: &'a Invite) -> Answer<'a, Invite>;

    /// Stores a new client key.
    fn create_key<'a>(&'a self, key: &'a ClientKey) -> Answer<'a, ClientKey>;

    /// Writes an invite's status over the version that was read.
    fn record<'a>(&'a self, invite: &'a Invite) -> Answer<'a, Invite>;

    /// Deletes an invite.
    fn delete_invite<'a>(&'a self, name: &'a str) -> Answer<'a, ()>;

    /// Deletes a client key.
    fn delete_key<'a>(&'a self, name: &'a str) -> Answer<'a, ()>;
}
