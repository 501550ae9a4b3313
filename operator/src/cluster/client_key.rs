//! `ClientKey`: makes the key where the spec asks for one in a Secret, and says where it stands.
//! Gateways decide whom they serve by the spec.

pub mod dereference;
pub mod key;
pub mod status;
pub mod validate;

use anyray_crds::{
    conditions::Reason,
    v1alpha1::{ClientKey, client_key::ClientKeyState},
};
use k8s_openapi::jiff::Timestamp;
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
use key::Random;
use validate::{References, ValidatedClientKey};

impl Reconcile for ClientKey {
    const KIND: &'static str = "ClientKey";

    /// Validates, makes the key where there is none, and reports.
    async fn reconcile(self, key: &ObjectKey, context: &Context) -> Result<Action, CallError> {
        let now = Timestamp::now();
        let references = match dereference::dereference(&self, context).await {
            Ok(references) => references,
            Err(error) => return fail(&self, error, context).await,
        };
        let mut validated = validate::validate(&self, &references, now);
        if let Err(error) = apply(&mut validated, &references, &context.cluster).await {
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

/// Makes the key. Its Secret comes before the status: an operator that ends between the two finds it and
/// goes on.
async fn apply(
    validated: &mut ValidatedClientKey,
    references: &References,
    cluster: &Cluster,
) -> Result<(), CallError> {
    let Some(name) = &validated.mint_into else {
        return Ok(());
    };
    let random = Random {
        id: minted::draw()?,
        secret: minted::draw()?,
    };
    let minted = key::mint(&validated.seen, name, &random);
    cluster.create(&minted.secret).await?;
    validated.take_minted(minted.known, references, Timestamp::now());
    Ok(())
}

/// At the end of the key at the latest: no change tells of it.
fn look_again(key: &ObjectKey, client_key: &ValidatedClientKey, now: Timestamp) -> Action {
    let conflict = |fault: &Fault| fault.reason == Reason::NameConflict;
    if client_key.fault.as_ref().is_some_and(conflict) {
        // A foreign object may go without the operator hearing of it.
        return Action::requeue(LOOK_FOR_FOREIGN_AGAIN);
    }
    let is_over = client_key.state == ClientKeyState::Expired;
    let end = client_key.seen.spec.expires_at.as_ref();
    let end = end.map(|end| end.0).filter(|_| !is_over);
    controller::resync_until(key, end, now)
}

/// Says what the API server refused. Where it is in trouble it takes no status either, and where
/// somebody was quicker the next reconcile sees what they did.
async fn fail(
    client_key: &ClientKey,
    error: CallError,
    context: &Context,
) -> Result<Action, CallError> {
    if !error.is_outage() && !error.is_conflict() {
        let failed = validate::failed(client_key, error.to_string(), Timestamp::now());
        report(client_key, &failed, context).await?;
    }
    Err(error)
}

async fn report(
    client_key: &ClientKey,
    validated: &ValidatedClientKey,
    context: &Context,
) -> Result<(), CallError> {
    let previous = client_key.status.clone().unwrap_or_default();
    let status = status::status(validated, Timestamp::now());
    if status == previous {
        return Ok(());
    }
    let conditions = [&previous.conditions, &status.conditions];
    context
        .cluster
        .report(client_key, &status, conditions)
        .await
}
