//! What an invite's status says.

use anyray_crds::{
    access,
    conditions::{ConditionType, Reason},
    v1alpha1::invite::{InviteState, InviteStatus},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::validate::{ValidatedInvite, redemption};
use crate::{
    cluster::{
        conditions::{self, Finding, Truth},
        gateway::status::refused,
    },
    fault::Fault,
    metadata::MANAGER,
};

/// The whole status of an invite as it is to be.
pub fn status(invite: &ValidatedInvite, now: Timestamp) -> InviteStatus {
    let seen = &invite.seen;
    let previous = seen.status.clone().unwrap_or_default();
    let generation = seen.metadata.generation;
    InviteStatus {
        observed_generation: generation,
        conditions: conditions::merge(&previous.conditions, &findings(invite), generation, now),
        state: Some(invite.state),
        code_hash: previous.code_hash,
        code_secret_name: invite.secret_name.clone(),
        // As it is stored, so that what is read back is the same.
        expires_at: access::code_expiry(seen)
            .and_then(|end| Timestamp::from_second(end.as_second()).ok())
            .map(Time),
        redemption: previous.redemption,
    }
}

/// The part of a status that this operator writes, by server-side apply.
///
/// A gateway's pods write `redemption` by an update that fails if the object was changed since they
/// read it. Whoever writes the record owns its fields, and it says by whom that was. The operator
/// applies the record only where it is its own: then a later apply must repeat it, since an apply
/// without it would ask for its removal. A record of a pod's is never in what the operator applies,
/// so that the operator does not own it and cannot take it away or change it, whatever has happened
/// between its reading and its writing. Where it completes a record and a pod was quicker, the rule
/// that a record cannot be changed refuses the apply, and the next reconcile finds the pod's.
pub fn own_part(status: &InviteStatus) -> InviteStatus {
    let own = status.redemption.clone();
    InviteStatus {
        redemption: own.filter(|record| record.by == MANAGER),
        ..status.clone()
    }
}

fn findings(invite: &ValidatedInvite) -> Vec<Finding> {
    match (invite.state, &invite.fault) {
        (InviteState::Pending, Some(fault)) => pending(fault),
        (state, fault) => {
            let mut findings = vec![accepted()];
            findings.extend(standing(invite, state));
            findings.extend(fault.as_ref().map(|fault| {
                Finding::yes(ConditionType::Reconciling, fault.reason, &fault.message)
            }));
            findings
        }
    }
}

fn accepted() -> Finding {
    let message = "the spec is valid";
    Finding::yes(ConditionType::Accepted, Reason::Accepted, message)
}

fn pending(fault: &Fault) -> Vec<Finding> {
    let issued = Finding::no(ConditionType::Issued, fault.reason, &fault.message);
    if fault.reason == Reason::NameConflict {
        let mut findings = refused(fault);
        findings.push(issued);
        return findings;
    }
    let mut findings = vec![accepted(), issued.clone()];
    // Without a gateway nobody is at work on it.
    if fault.reason != Reason::GatewayNotFound {
        let reconciling = issued.about(ConditionType::Reconciling);
        findings.push(reconciling.with(Truth::True));
    }
    findings.push(issued.about(ConditionType::Ready));
    findings
}

fn standing(invite: &ValidatedInvite, state: InviteState) -> Vec<Finding> {
    const ISSUED: ConditionType = ConditionType::Issued;
    const READY: ConditionType = ConditionType::Ready;
    match state {
        InviteState::Pending => {
            let message = "the code is being made";
            and_ready(Finding::no(ISSUED, Reason::Progressing, message))
        }
        InviteState::Issued => {
            let ready = Finding::yes(READY, Reason::Issued, ready_message(invite));
            vec![
                Finding::yes(ISSUED, Reason::Issued, where_the_code_is(invite)),
                ready,
            ]
        }
        InviteState::Redeemed => {
            let record = redemption(&invite.seen);
            let name = record.map_or("", |record| record.client_key_name.as_str());
            let message = format!("the code was exchanged for ClientKey {name}");
            and_ready(Finding::yes(ISSUED, Reason::Redeemed, message))
        }
        InviteState::Expired => {
            let message = "the time of the code is over and it was not redeemed: delete this Invite, and create another one if it is still wanted";
            over(Reason::Expired, message)
        }
        InviteState::Revoked => {
            let message = "spec.revoked is true: the code, and the key that it was exchanged for, are refused";
            over(Reason::Revoked, message)
        }
    }
}

/// The same of `Ready` as of `Issued`.
fn and_ready(issued: Finding) -> Vec<Finding> {
    let ready = issued.about(ConditionType::Ready);
    vec![issued, ready]
}

/// Nothing goes on until a person acts.
fn over(reason: Reason, message: &str) -> Vec<Finding> {
    let mut findings = and_ready(Finding::no(ConditionType::Issued, reason, message));
    let stalled = Finding::yes(ConditionType::Stalled, reason, message);
    findings.push(stalled);
    findings
}

fn where_the_code_is(invite: &ValidatedInvite) -> String {
    match &invite.secret_name {
        Some(name) => format!("Secret {name} has the code, and the command to hand out"),
        None if invite.seen.spec.code_hash.is_some() => {
            "the code was made elsewhere; spec.codeHash is its hash".to_owned()
        }
        None => "the Secret with the code was deleted: whoever has the code can redeem it; for another code, delete this Invite and create another one".to_owned(),
    }
}

fn ready_message(invite: &ValidatedInvite) -> String {
    let gateway = &invite.seen.spec.gateway_ref.name;
    if invite.has_gateway {
        format!("the code can be redeemed at AnyrayGateway {gateway}")
    } else {
        format!("the code can be redeemed once there is an AnyrayGateway {gateway}")
    }
}

#[cfg(test)]
mod tests;
