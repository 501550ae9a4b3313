//! What reconciling has in common for all kinds: the object is read again, and one that is gone,
//! being deleted or unreadable is not reconciled.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use kube::{Resource, core::error_boundary::InvalidObject, runtime::controller::Action};
use serde::de::DeserializeOwned;

use crate::{
    cluster::{api::CallError, context::Context, controller::Reconciler, scope::Guarded},
    metadata::ObjectKey,
};

/// A kind of custom resource that the operator reconciles.
pub trait Reconcile:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// The kind's name.
    const KIND: &'static str;

    /// Brings the cluster to what the object says, and reports in its status. Returns when to look
    /// at it again.
    ///
    /// # Errors
    /// [`CallError`]; it is tried again after a pause.
    fn reconcile(
        self,
        key: &ObjectKey,
        context: &Context,
    ) -> impl Future<Output = Result<Action, CallError>> + Send;

    /// Reports that this operator cannot read the object.
    ///
    /// # Errors
    /// [`CallError`].
    fn report_unreadable(
        key: &ObjectKey,
        unreadable: &InvalidObject,
        context: &Context,
    ) -> impl Future<Output = Result<(), CallError>> + Send;

    /// Drops what is known of an object that is gone. Default: nothing is known.
    fn forget(_key: &ObjectKey, _context: &Context) {}
}

/// What the controller of a kind runs.
pub fn reconciler<K: Reconcile>() -> Reconciler<Guarded<K>> {
    Reconciler {
        kind: K::KIND,
        reconcile: |object, context| {
            Box::pin(async move {
                let key = ObjectKey::of(object.as_ref());
                Box::pin(reconcile::<K>(&key, &context)).await
            })
        },
        forget: K::forget,
    }
}

/// Reads the object again, so that a status is never derived from one that was overtaken.
async fn reconcile<K: Reconcile>(key: &ObjectKey, context: &Context) -> Result<Action, CallError> {
    match context.cluster.get_guarded::<K>(key).await? {
        Some(Ok(object)) if object.meta().deletion_timestamp.is_none() => {
            object.reconcile(key, context).await
        }
        Some(Err(unreadable)) => {
            K::report_unreadable(key, &unreadable, context).await?;
            Ok(Action::await_change())
        }
        Some(Ok(_)) | None => Ok(Action::await_change()),
    }
}
