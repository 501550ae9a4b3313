//! Who may call: every client key of this gateway, as small as can be, for look-ups by each
//! request.
//!
//! `store` fills it; `auth` asks it. What a key may do, and whether it may do so at a moment, is in
//! [`grant`].

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use anyray_crds::{
    access::{self, InviteFate},
    v1alpha1::{ClientKey, Invite},
};
use anyray_wire::anyray::credential::{CredentialDigest, KeyId};
use kube::ResourceExt as _;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

pub mod callers;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod grant;
pub mod identity;
pub mod issuer;
pub mod random;
pub mod store;
#[cfg(test)]
pub(crate) mod timing;

use grant::{Account, Grant, KeyFacts};

/// All that one replica knows of invites and client keys.
#[derive(Debug, Default)]
pub struct Access {
    index: RwLock<Index>,
    is_complete: AtomicBool,
    /// Rung at each change, for whoever writes the snapshot.
    pub changed: Notify,
}

#[derive(Debug, Default)]
struct Index {
    /// By the name of the `ClientKey`.
    keys: HashMap<Box<str>, Arc<Grant>>,
    by_id: HashMap<KeyId, Arc<Grant>>,
    by_account: HashMap<Account, Arc<Grant>>,
    /// By the name of the `Invite`.
    invites: HashMap<Box<str>, InviteFacts>,
    /// Names of invites by their code.
    codes: HashMap<CredentialDigest, Box<str>>,
}

/// What is remembered of an invite.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct InviteFacts {
    /// SHA-256 of its code; absent while it has none.
    pub code: Option<CredentialDigest>,
    /// What became of it.
    pub fate: InviteFate,
}

/// Everything, in the form in which it survives a restart.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Contents {
    /// Keys by the names of their objects.
    pub keys: Vec<(Box<str>, KeyFacts)>,
    /// Invites by the names of their objects.
    pub invites: Vec<(Box<str>, InviteFacts)>,
}

impl Access {
    /// Whether everything that the store holds has been read once.
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Relaxed)
    }

    /// Notes that everything has been read.
    pub fn set_complete(&self) {
        self.is_complete.store(true, Ordering::Relaxed);
    }

    /// The key of this id.
    pub fn find(&self, id: KeyId) -> Option<Arc<Grant>> {
        self.read().by_id.get(&id).map(Arc::clone)
    }

    /// The key of this `ServiceAccount`.
    pub fn find_account(&self, account: &Account) -> Option<Arc<Grant>> {
        self.read().by_account.get(account).map(Arc::clone)
    }

    /// The key that this object holds.
    pub fn find_named(&self, name: &str) -> Option<Arc<Grant>> {
        self.read().keys.get(name).map(Arc::clone)
    }

    /// Name of the invite that has this code.
    pub fn find_invite(&self, code: &CredentialDigest) -> Option<Box<str>> {
        self.read().codes.get(code).cloned()
    }

    /// Whether the key is out of use because the invite that it came from is not known, which may
    /// be for a moment only.
    pub fn is_orphan(&self, grant: &Grant) -> bool {
        let origin = grant.facts.origin.as_ref();
        grant.is_locked_out
            && origin.is_some_and(|origin| !self.read().invites.contains_key(&origin.invite))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.read().keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes in a new or changed key.
    pub fn put_key(&self, key: &ClientKey) {
        self.put_facts(key.name_any().into(), KeyFacts::of(key));
    }

    /// Takes in a new or changed key, as it was remembered.
    pub fn put_facts(&self, name: Box<str>, facts: KeyFacts) {
        self.write(|index| {
            let before = index.remove_key(&name);
            index.insert_key(name, facts, before.as_deref());
        });
    }

    /// Forgets a key.
    pub fn remove_key(&self, name: &str) {
        self.write(|index| {
            index.remove_key(name);
        });
    }

    /// Takes in a new or changed invite.
    pub fn put_invite(&self, invite: &Invite) {
        let code = access::code_hash(invite).and_then(|code| code.parse().ok());
        let fate = access::invite_fate(invite);
        self.put_invite_facts(invite.name_any().into(), InviteFacts { code, fate });
    }

    /// Takes in a new or changed invite, as it was remembered.
    pub fn put_invite_facts(&self, name: Box<str>, facts: InviteFacts) {
        self.write(|index| {
            index.remove_invite(&name);
            let known_as = name.clone();
            if let Some(code) = facts.code {
                index.codes.insert(code, known_as.clone());
            }
            index.invites.insert(name, facts);
            index.settle_keys_of(&known_as);
        });
    }

    /// Forgets an invite.
    pub fn remove_invite(&self, name: &str) {
        self.write(|index| {
            index.remove_invite(name);
            index.settle_keys_of(name);
        });
    }

    /// Forgets the keys that are not among these.
    pub fn keep_keys(&self, is_kept: impl Fn(&str) -> bool) {
        self.write(|index| {
            let gone = index.keys.keys().filter(|name| !is_kept(name));
            for name in gone.cloned().collect::<Vec<_>>() {
                index.remove_key(&name);
            }
        });
    }

    /// Forgets the invites that are not among these.
    pub fn keep_invites(&self, is_kept: impl Fn(&str) -> bool) {
        self.write(|index| {
            let gone = index.invites.keys().filter(|name| !is_kept(name));
            for name in gone.cloned().collect::<Vec<_>>() {
                index.remove_invite(&name);
                index.settle_keys_of(&name);
            }
        });
    }

    /// A copy of everything.
    pub fn contents(&self) -> Contents {
        let index = self.read();
        let keys = index.keys.iter();
        let invites = index.invites.iter();
        Contents {
            keys: keys
                .map(|(name, grant)| (name.clone(), grant.facts.clone()))
                .collect(),
            invites: invites
                .map(|(name, facts)| (name.clone(), facts.clone()))
                .collect(),
        }
    }

    /// Takes in everything that was remembered. It counts as all there is, until the store says
    /// more.
    pub fn restore(&self, contents: Contents) {
        for (name, facts) in contents.invites {
            self.put_invite_facts(name, facts);
        }
        for (name, facts) in contents.keys {
            self.put_facts(name, facts);
        }
        self.set_complete();
    }

    fn read(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, change: impl FnOnce(&mut Index)) {
        change(&mut self.index.write().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
    }
}

impl Index {
    fn insert_key(&mut self, name: Box<str>, facts: KeyFacts, before: Option<&Grant>) {
        let is_locked_out = self.locks_out(&facts);
        let grant = Arc::new(Grant::new(name.clone(), facts, is_locked_out, before));
        if let Some(id) = grant.facts.id {
            self.by_id.insert(id, Arc::clone(&grant));
        }
        if let Some(account) = &grant.facts.account {
            self.by_account.insert(account.clone(), Arc::clone(&grant));
        }
        self.keys.insert(name, grant);
    }

    fn remove_key(&mut self, name: &str) -> Option<Arc<Grant>> {
        let grant = self.keys.remove(name)?;
        let is_same = |found: &Arc<Grant>| Arc::ptr_eq(found, &grant);
        if let Some(id) = grant.facts.id
            && self.by_id.get(&id).is_some_and(is_same)
        {
            self.by_id.remove(&id);
        }
        if let Some(account) = &grant.facts.account
            && self.by_account.get(account).is_some_and(is_same)
        {
            self.by_account.remove(account);
        }
        Some(grant)
    }

    fn remove_invite(&mut self, name: &str) {
        let code = self.invites.remove(name).and_then(|facts| facts.code);
        if let Some(code) = code
            && self.codes.get(&code).is_some_and(|of| **of == *name)
        {
            self.codes.remove(&code);
        }
    }

    /// Decides again about the keys that came from an invite.
    fn settle_keys_of(&mut self, invite: &str) {
        let is_of_invite = |grant: &&Arc<Grant>| {
            let origin = grant.facts.origin.as_ref();
            origin.is_some_and(|origin| *origin.invite == *invite)
                && grant.is_locked_out != self.locks_out(&grant.facts)
        };
        let changed: Vec<_> = self.keys.values().filter(is_of_invite).cloned().collect();
        for grant in changed {
            self.remove_key(&grant.name);
            self.insert_key(grant.name.clone(), grant.facts.clone(), Some(&grant));
        }
    }

    fn locks_out(&self, facts: &KeyFacts) -> bool {
        let Some(origin) = &facts.origin else {
            return false;
        };
        let invite = self.invites.get(&origin.invite);
        let same = invite.filter(|invite| invite.code == Some(origin.code));
        access::locks_out(same.map(|invite| invite.fate), origin.policy)
    }
}

#[cfg(test)]
mod tests;
