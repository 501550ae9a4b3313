//! The status of an Invite or a `ClientKey` that this operator cannot read, for example after a
//! downgrade.

use k8s_openapi::NamespaceResourceScope;
use kube::{Resource, core::error_boundary::InvalidObject};
use serde_json::{Value, json};

use crate::{
    cluster::{api::CallError, context::Context, gateway::status::unreadable},
    metadata::{MANAGER, ObjectKey},
};

/// Reports that this operator cannot read an object.
///
/// # Errors
/// [`CallError`].
pub async fn report<K>(
    key: &ObjectKey,
    object: &InvalidObject,
    context: &Context,
) -> Result<(), CallError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let stored = context.cluster.get_status::<K>(key).await?;
    let status = status(stored, object);
    context.cluster.apply_status::<K>(key, &status).await
}

/// The stored status with conditions that say so.
///
/// The rest stays, for the hash of a code or key is
/// nowhere else; the record of a redemption only where this operator owns it (see
/// [`crate::cluster::invite::status::own_part`]).
fn status(stored: Value, object: &InvalidObject) -> Value {
    let Value::Object(mut status) = stored else {
        return status(json!({}), object);
    };
    let is_own = |record: &Value| record.get("by").is_some_and(|by| by == MANAGER);
    if !status.get("redemption").is_some_and(is_own) {
        status.remove("redemption");
    }
    let generation = object.metadata.generation;
    status.insert("observedGeneration".to_owned(), json!(generation));
    status.insert("conditions".to_owned(), json!(unreadable(object)));
    Value::Object(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> InvalidObject {
        InvalidObject {
            error: "missing field".to_owned(),
            metadata: kube::core::ObjectMeta::default(),
        }
    }

    #[test]
    fn hashes_stay_and_a_pods_record_is_not_taken_over() {
        let stored = json!({ "codeHash": "sha256:00", "redemption": { "by": "pod-1" } });
        let written = status(stored, &object());
        assert_eq!(written["codeHash"], "sha256:00");
        assert!(written.get("redemption").is_none());
        assert_eq!(written["conditions"][0]["reason"], "Unreadable");
    }

    #[test]
    fn the_operators_own_record_stays() {
        let record = json!({ "by": MANAGER, "keyId": "0123456789ab" });
        let written = status(json!({ "redemption": record }), &object());
        assert_eq!(written["redemption"], record);
    }

    #[test]
    fn an_object_without_a_status_gets_one() {
        let written = status(Value::Null, &object());
        assert!(written["conditions"].is_array());
    }
}
