//! Where an invite stands and what is to be done about its code.

use anyray_crds::{
    access,
    conditions::Reason,
    v1alpha1::{
        ClientKey, Invite,
        invite::{InviteState, InviteStatus, Redemption},
    },
};
use anyray_wire::anyray::credential::CredentialDigest;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::ResourceExt as _;

use super::code;
use crate::{cluster::found::Found, fault::Fault, metadata::MANAGER};

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

/// What is to be done about the Secret with the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Keep,
    /// A code is made, for the gateway at this address.
    Mint {
        /// Base URL of the gateway.
        address: String,
    },
    /// The code is of no more use.
    Delete {
        /// The Secret's `metadata.uid`.
        uid: Option<String>,
    },
}

/// An invite with all that is known of it.
#[derive(Clone, Debug)]
pub struct ValidatedInvite {
    /// The invite; its status has the code and the redemption, wherever they were found.
    pub seen: Invite,
    /// Where it stands.
    pub state: InviteState,
    /// What is to be done.
    pub step: Step,
    /// Name of the Secret with the code, where there is one.
    pub secret_name: Option<String>,
    /// What keeps a code from being made, or a step from being done.
    pub fault: Option<Fault>,
    /// Whether there is a gateway of the name.
    pub has_gateway: bool,
}

impl ValidatedInvite {
    /// The same, once a code was made.
    pub fn take_minted(&mut self, hash: &CredentialDigest, now: Timestamp) {
        status_of(&mut self.seen).code_hash = Some(hash.to_string());
        self.state = access::invite_state(&self.seen, now);
        self.secret_name = Some(code::secret_name(&self.seen));
        self.step = Step::Keep;
    }

    /// The same, once the Secret was deleted.
    pub fn take_deleted(&mut self) {
        self.secret_name = None;
        self.step = Step::Keep;
    }
}

/// An invite of which could not be read what it names, or whose step failed.
pub fn failed(invite: &Invite, message: String, now: Timestamp) -> ValidatedInvite {
    let status = invite.status.as_ref();
    ValidatedInvite {
        seen: invite.clone(),
        state: access::invite_state(invite, now),
        step: Step::Keep,
        secret_name: status.and_then(|status| status.code_secret_name.clone()),
        fault: Some(Fault::new(Reason::ApplyFailed, message)),
        // Unknown, which is no news.
        has_gateway: true,
    }
}

/// Where an invite stands, and what is to be done.
pub fn validate(invite: &Invite, references: &References, now: Timestamp) -> ValidatedInvite {
    let mut seen = invite.clone();
    if access::code_hash(&seen).is_none()
        && let Some(hash) = references.secret.ours()
    {
        // The Secret was made, and then the operator ended.
        status_of(&mut seen).code_hash = Some(hash.to_string());
    }
    if redemption(&seen).is_none() {
        status_of(&mut seen).redemption = missing_record(&seen, &references.client_keys);
    }
    let state = access::invite_state(&seen, now);
    let (step, fault) = match state {
        InviteState::Pending => wait_or_mint(&seen, references),
        InviteState::Issued => (Step::Keep, None),
        InviteState::Redeemed | InviteState::Expired | InviteState::Revoked => {
            (end(&references.secret), None)
        }
    };
    let hash = access::code_hash(&seen);
    let has_code = |known: &CredentialDigest| hash == Some(known.to_string().as_str());
    let has_secret = references.secret.ours().is_some_and(has_code);
    ValidatedInvite {
        state,
        step,
        secret_name: has_secret.then(|| code::secret_name(&seen)),
        fault,
        has_gateway: references.gateway != Gateway::Missing,
        seen,
    }
}

fn wait_or_mint(invite: &Invite, references: &References) -> (Step, Option<Fault>) {
    let gateway = &invite.spec.gateway_ref.name;
    let fault = match (&references.secret, &references.gateway) {
        (Found::Foreign, _) => {
            let name = code::secret_name(invite);
            let message = format!(
                "Secret {name} exists already and was not made for this Invite: rename or delete it, or create another Invite with another secretName"
            );
            Fault::new(Reason::NameConflict, message)
        }
        (_, Gateway::At(address)) => {
            let address = address.clone();
            return (Step::Mint { address }, None);
        }
        (_, Gateway::Missing) => {
            let message = format!(
                "there is no AnyrayGateway {gateway} in this namespace: create it, or create another Invite; a code is made once there is one"
            );
            Fault::new(Reason::GatewayNotFound, message)
        }
        (_, Gateway::WithoutAddress) => {
            let message = format!("a code is made once AnyrayGateway {gateway} has an address");
            Fault::new(Reason::Progressing, message)
        }
    };
    (Step::Keep, Some(fault))
}

fn end(secret: &Found<CredentialDigest>) -> Step {
    match secret {
        Found::Ours { uid, .. } => Step::Delete { uid: uid.clone() },
        Found::Absent | Found::Foreign => Step::Keep,
    }
}

/// The record of a redemption that is not in the status, from the key that it made: the gateway's
/// pod ended between the two, or the status was not restored with the objects.
fn missing_record(invite: &Invite, client_keys: &[ClientKey]) -> Option<Redemption> {
    let hash = access::code_hash(invite)?;
    let made = client_keys.iter().find_map(|key| {
        let origin = key.spec.invite.as_ref()?;
        let is_same = origin.name == invite.name_any() && origin.code_hash == hash;
        Some((key, access::known_key(key)?)).filter(|_| is_same)
    });
    let (key, known) = made?;
    Some(Redemption {
        key_id: known.id.clone(),
        client_key_name: key.name_any(),
        at: key
            .creation_timestamp()
            .unwrap_or(Time(Timestamp::UNIX_EPOCH)),
        by: MANAGER.to_owned(),
    })
}

/// The record of an invite's redemption.
pub fn redemption(invite: &Invite) -> Option<&Redemption> {
    invite.status.as_ref()?.redemption.as_ref()
}

fn status_of(invite: &mut Invite) -> &mut InviteStatus {
    invite.status.get_or_insert_with(InviteStatus::default)
}
