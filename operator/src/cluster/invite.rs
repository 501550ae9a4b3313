//! `Invite`: makes its code where nobody else does, says where it stands, and puts the code away
//! once it is of no more use. Gateways redeem it.

pub mod code;
pub mod dereference;
pub mod status;
pub mod validate;

use anyray_crds::{
    access,
    conditions::Reason,
    v1alpha1::{Invite, invite::InviteState},
};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kube::{core::error_boundary::InvalidObject, runtime::controller::Action};

use crate::{
    cluster::{
        api::{CallError, Cluster},
        context::Context,
        controller,
        gateway::dereference::LOOK_FOR_FOREIGN_AGAIN,
        minted,
        reconcile::Reconcile,
        unreadable,
    },
    fault::Fault,
    metadata::ObjectKey,
};
use validate::{Step, ValidatedInvite};

impl Reconcile for Invite {
    const KIND: &'static str = "Invite";

    /// Validates, makes or deletes the code, and reports.
    async fn reconcile(self, key: &ObjectKey, context: &Context) -> Result<Action, CallError> {
        let now = Timestamp::now();
        let references = match dereference::dereference(&self, context).await {
            Ok(references) => references,
            Err(error) => return fail(&self, error, context).await,
        };
        let mut validated = validate::validate(&self, &references, now);
        if let Err(error) = apply(&mut validated, &context.cluster, now).await {
            return fail(&self, error, context).await;
        }
        report(&self, &validated, context).await?;
        Ok(look_again(key, &validated, now))
    }

    async fn report_unreadable(
        key: &ObjectKey,
        unreadable: &InvalidObject,
        context: &Context,
    ) -> Result<(), CallError> {
        unreadable::report::<Self>(key, unreadable, context).await
    }
}

/// Does what is to be done about the Secret. It comes before the status: an operator that ends between
/// the two finds the Secret and goes on.
async fn apply(
    validated: &mut ValidatedInvite,
    cluster: &Cluster,
    now: Timestamp,
) -> Result<(), CallError> {
    let invite = &validated.seen;
    match &validated.step {
        Step::Keep => {}
        Step::Mint { address } => {
            let minted = code::mint(invite, address, &minted::draw()?);
            cluster.create(&minted.secret).await?;
            validated.take_minted(&minted.hash, now);
        }
        Step::Delete { uid } => {
            let key = ObjectKey {
                namespace: ObjectKey::of(invite).namespace,
                name: code::secret_name(invite),
            };
            cluster.delete::<Secret>(&key, uid.clone()).await?;
            validated.take_deleted();
        }
    }
    Ok(())
}

/// At the end of the code at the latest: no change tells of it.
fn look_again(key: &ObjectKey, invite: &ValidatedInvite, now: Timestamp) -> Action {
    let conflict = |fault: &Fault| fault.reason == Reason::NameConflict;
    if invite.fault.as_ref().is_some_and(conflict) {
        // A foreign object may go without the operator hearing of it.
        return Action::requeue(LOOK_FOR_FOREIGN_AGAIN);
    }
    let is_open = matches!(invite.state, InviteState::Pending | InviteState::Issued);
    let end = access::code_expiry(&invite.seen).filter(|_| is_open);
    controller::resync_until(key, end, now)
}

/// Says what the API server refused. Where it is in trouble it takes no status either, and where
/// somebody was quicker the next reconcile sees what they did.
async fn fail(invite: &Invite, error: CallError, context: &Context) -> Result<Action, CallError> {
    if !error.is_outage() && !error.is_conflict() {
        let failed = validate::failed(invite, error.to_string(), Timestamp::now());
        report(invite, &failed, context).await?;
    }
    Err(error)
}

async fn report(
    invite: &Invite,
    validated: &ValidatedInvite,
    context: &Context,
) -> Result<(), CallError> {
    let previous = invite.status.clone().unwrap_or_default();
    let status = status::status(validated, Timestamp::now());
    if status == previous {
        return Ok(());
    }
    let conditions = [&previous.conditions, &status.conditions];
    let written = status::own_part(&status);
    context.cluster.report(invite, &written, conditions).await
}
