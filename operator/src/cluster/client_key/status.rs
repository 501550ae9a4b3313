//! What a client key's status says.

use anyray_crds::{
    access,
    conditions::{ConditionType, Reason},
    v1alpha1::{
        ClientKey,
        client_key::{ClientKeyState, ClientKeyStatus},
    },
};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt as _;

use super::{key::KEY_ENTRY, validate::ValidatedClientKey};
use crate::cluster::{
    conditions::{self, Finding, Truth},
    gateway::status::refused,
};

/// The new status of a client key.
pub fn status(key: &ValidatedClientKey, now: Timestamp) -> ClientKeyStatus {
    let previous = key.seen.status.clone().unwrap_or_default();
    let generation = key.seen.metadata.generation;
    ClientKeyStatus {
        observed_generation: generation,
        conditions: conditions::merge(&previous.conditions, &findings(key), generation, now),
        state: Some(key.state),
        key: previous.key.filter(|_| key.seen.spec.secret_name.is_some()),
    }
}

fn findings(key: &ValidatedClientKey) -> Vec<Finding> {
    let issued = issued(key);
    match &key.fault {
        Some(fault) if fault.reason == Reason::NameConflict => {
            let mut findings = refused(fault);
            findings.push(issued);
            return findings;
        }
        _ => {}
    }
    let message = "the spec is valid";
    let accepted = Finding::yes(ConditionType::Accepted, Reason::Accepted, message);
    let mut findings = vec![accepted, issued];
    findings.extend(
        key.fault
            .as_ref()
            .map(|fault| Finding::yes(ConditionType::Reconciling, fault.reason, &fault.message)),
    );
    let ready = ready(key);
    // Suspended is what its owner wants it to be, and it ends the same way; these two do not.
    if matches!(ready.reason, Reason::Expired | Reason::Revoked) {
        findings.push(ready.about(ConditionType::Stalled).with(Truth::True));
    }
    findings.push(ready);
    findings
}

fn issued(key: &ValidatedClientKey) -> Finding {
    const TYPE: ConditionType = ConditionType::Issued;
    let spec = &key.seen.spec;
    if let Some(account) = &spec.service_account {
        let namespace = account.namespace.clone().or(key.seen.namespace());
        let message = format!(
            "pods of the ServiceAccount {}/{} need no key: they send a projected token",
            namespace.unwrap_or_default(),
            account.name
        );
        return Finding::yes(TYPE, Reason::Issued, message);
    }
    match (&spec.secret_name, &key.fault) {
        (None, _) => {
            let message = "the key was made elsewhere; spec.key has its hash";
            Finding::yes(TYPE, Reason::Issued, message)
        }
        (Some(name), _) if access::known_key(&key.seen).is_some() => {
            let message = format!("Secret {name} has the key in its entry {KEY_ENTRY}");
            Finding::yes(TYPE, Reason::Issued, message)
        }
        (Some(_), Some(fault)) => Finding::no(TYPE, fault.reason, &fault.message),
        (Some(_), None) => {
            let why = over(key).unwrap_or_else(|| being_made(TYPE));
            why.about(TYPE)
        }
    }
}

fn being_made(type_: ConditionType) -> Finding {
    Finding::no(type_, Reason::Progressing, "the key is being made")
}

fn ready(key: &ValidatedClientKey) -> Finding {
    const TYPE: ConditionType = ConditionType::Ready;
    if let Some(over) = over(key) {
        return over;
    }
    match (key.state, &key.fault) {
        (ClientKeyState::Suspended, _) => {
            let message = "spec.suspended is true: set it to false to use the key again";
            Finding::no(TYPE, Reason::Suspended, message)
        }
        (ClientKeyState::Active, _) if key.has_gateway => {
            let message = "the key is accepted";
            Finding::yes(TYPE, Reason::Ready, message)
        }
        (ClientKeyState::Active, _) => {
            let message = format!(
                "there is no AnyrayGateway {} in this namespace: create it, or create another ClientKey",
                key.seen.spec.gateway_ref.name
            );
            Finding::no(TYPE, Reason::GatewayNotFound, message)
        }
        (_, Some(fault)) => Finding::no(TYPE, fault.reason, &fault.message),
        (_, None) => being_made(TYPE),
    }
}

/// Why a key will not be accepted again, unless a person acts.
fn over(key: &ValidatedClientKey) -> Option<Finding> {
    let (reason, message) = match key.state {
        ClientKeyState::Expired => (
            Reason::Expired,
            "the time of the key is over: set another spec.expiresAt, or delete this ClientKey"
                .to_owned(),
        ),
        ClientKeyState::Revoked => (Reason::Revoked, why_revoked(&key.seen)),
        ClientKeyState::Pending | ClientKeyState::Active | ClientKeyState::Suspended => {
            return None;
        }
    };
    Some(Finding::no(ConditionType::Ready, reason, message))
}

fn why_revoked(key: &ClientKey) -> String {
    match &key.spec.invite {
        Some(origin) if !key.spec.revoked => format!(
            "Invite {} was revoked, or was deleted and the key was to go with it: delete this ClientKey",
            origin.name
        ),
        _ => "spec.revoked is true: delete this ClientKey".to_owned(),
    }
}

#[cfg(test)]
mod tests;
