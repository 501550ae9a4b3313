//! A store in memory with the rules of an API server, which fails as it is told to.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use futures::{FutureExt as _, future::BoxFuture};
use serde_json::Value;
use tokio::task::yield_now;

use super::super::*;
use crate::access::{Access, store::Answer};

/// One call of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    GetInvite,
    FindInvite,
    GetKey,
    CreateKey,
    Record,
    DeleteKey,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// It is done, and nobody learns of it.
    Lost,
    /// It is not done.
    Down,
    /// It is not done, as if something were in the way.
    Conflict,
    /// The store will not have it.
    Refused,
    /// It is done later.
    Slow(Duration),
    /// Somebody else does something first.
    After(fn(&mut State)),
}

/// What the store holds.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) invites: BTreeMap<String, Invite>,
    pub(super) keys: BTreeMap<String, ClientKey>,
    /// How many keys were ever stored.
    pub(super) keys_created: usize,
    version: u64,
}

impl State {
    fn next_version(&mut self) -> Option<String> {
        self.version += 1;
        Some(self.version.to_string())
    }

    pub(super) fn create_key(&mut self, key: &ClientKey) -> Result<ClientKey, StoreError> {
        let name = key.name_any();
        if self.keys.contains_key(&name) {
            return Err(StoreError::Conflict);
        }
        let mut key = key.clone();
        key.metadata.resource_version = self.next_version();
        self.keys_created += 1;
        self.keys.insert(name, key.clone());
        Ok(key)
    }

    /// Replaces the status alone. A record that is there is never changed, as CEL sees to it.
    fn record(&mut self, invite: &Invite) -> Result<Invite, StoreError> {
        let version = self.next_version();
        let stored = self.invites.get_mut(&invite.name_any());
        let stored = stored.ok_or(StoreError::NotFound)?;
        if stored.metadata.resource_version != invite.metadata.resource_version {
            return Err(StoreError::Conflict);
        }
        let redemption = |invite: &Invite| invite.status.clone()?.redemption;
        if redemption(stored).is_some() && redemption(stored) != redemption(invite) {
            return Err(StoreError::Refused("written once".to_owned()));
        }
        stored.status.clone_from(&invite.status);
        stored.metadata.resource_version = version;
        Ok(stored.clone())
    }

    /// Changes the only invite, as somebody else would.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Invite)) {
        let version = self.next_version();
        if let Some(invite) = self.invites.values_mut().next() {
            change(invite);
            invite.metadata.resource_version = version;
        }
    }

    /// Stores an invite.
    pub(super) fn put(&mut self, invite: Value) {
        let mut invite: Invite = serde_json::from_value(invite).expect("an invite");
        invite.metadata.resource_version = self.next_version();
        self.invites.insert(invite.name_any(), invite);
    }
}

/// One replica's way to the store, on which things go wrong.
#[derive(Debug, Default)]
pub(super) struct Replica {
    pub(super) shared: Arc<Mutex<State>>,
    /// What becomes of the first calls, in their order.
    pub(super) script: Vec<Option<Fault>>,
    /// What becomes of every call of a kind.
    pub(super) always: Vec<(Call, Fault)>,
    pub(super) calls: Mutex<Vec<Call>>,
}

impl Replica {
    fn fault(&self, call: Call) -> Option<Fault> {
        let mut calls = self.calls.lock().expect("no panic");
        let scripted = self.script.get(calls.len()).copied().flatten();
        calls.push(call);
        let always = self.always.iter().find(|(kind, _)| *kind == call);
        always.map(|(_, fault)| *fault).or(scripted)
    }

    fn call<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        act: impl FnOnce(&mut State) -> Result<T, StoreError> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        async move {
            // Others come in between any two calls.
            yield_now().await;
            let unavailable = Err(StoreError::Unavailable("as scripted".to_owned()));
            let fault = self.fault(call);
            if let Some(Fault::Slow(time)) = fault {
                sleep(time).await;
            }
            let mut state = self.shared.lock().expect("no panic");
            match fault {
                None | Some(Fault::Slow(_)) => act(&mut state),
                Some(Fault::Lost) => act(&mut state).and(unavailable),
                Some(Fault::Down) => unavailable,
                Some(Fault::Conflict) => Err(StoreError::Conflict),
                Some(Fault::Refused) => Err(StoreError::Refused("as scripted".to_owned())),
                Some(Fault::After(change)) => {
                    change(&mut state);
                    act(&mut state)
                }
            }
        }
        .boxed()
    }
}

impl Store for Replica {
    fn kind(&self) -> &'static str {
        "scripted"
    }

    fn follow(self: Arc<Self>, _: Arc<Access>) -> BoxFuture<'static, ()> {
        std::future::pending().boxed()
    }

    fn check(&self) -> Answer<'_, ()> {
        async { Ok(()) }.boxed()
    }

    fn list_invites(&self) -> Answer<'_, Vec<Invite>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn list_keys(&self) -> Answer<'_, Vec<ClientKey>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn get_invite<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Invite>> {
        self.call(Call::GetInvite, |state| {
            Ok(state.invites.get(name).cloned())
        })
    }

    fn get_key<'a>(&'a self, name: &'a str) -> Answer<'a, Option<ClientKey>> {
        self.call(Call::GetKey, |state| Ok(state.keys.get(name).cloned()))
    }

    fn find_invite<'a>(&'a self, code: &'a CredentialDigest) -> Answer<'a, Option<Invite>> {
        self.call(Call::FindInvite, |state| {
            let code = code.to_string();
            let mut invites = state.invites.values();
            let found = invites.find(|invite| access::code_hash(invite) == Some(&*code));
            Ok(found.cloned())
        })
    }

    fn create_invite<'a>(&'a self, _: &'a Invite) -> Answer<'a, Invite> {
        async { Err(StoreError::Conflict) }.boxed()
    }

    fn create_key<'a>(&'a self, key: &'a ClientKey) -> Answer<'a, ClientKey> {
        self.call(Call::CreateKey, |state| state.create_key(key))
    }

    fn record<'a>(&'a self, invite: &'a Invite) -> Answer<'a, Invite> {
        self.call(Call::Record, |state| state.record(invite))
    }

    fn delete_invite<'a>(&'a self, _: &'a str) -> Answer<'a, ()> {
        async { Err(StoreError::NotFound) }.boxed()
    }

    fn delete_key<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.call(Call::DeleteKey, |state| {
            let removed = state.keys.remove(name);
            removed.map(|_| ()).ok_or(StoreError::NotFound)
        })
    }
}
