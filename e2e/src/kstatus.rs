//! What Flux and other tools of GitOps make of an object: the algorithm of kstatus, for tests that
//! must know whether such a tool would go on.
//!
//! After `kstatus/status/{status,generic}.go` of <https://github.com/kubernetes-sigs/cli-utils>, as
//! far as it is about custom resources.

use serde_json::Value;

/// What a tool would say of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kstatus {
    /// It is on its way to what its spec says.
    InProgress,
    /// It cannot get there; a tool stops waiting.
    Failed,
    /// It is there; a tool goes on to what depends on it.
    Current,
    /// It is being deleted.
    Terminating,
}

/// Computes what a tool would say of an object of the API server.
pub fn kstatus(object: &Value) -> Kstatus {
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Kstatus::Terminating;
    }
    let observed = object.pointer("/status/observedGeneration");
    if observed.is_some_and(|observed| Some(observed) != object.pointer("/metadata/generation")) {
        return Kstatus::InProgress;
    }
    match (
        condition(object, "Reconciling"),
        condition(object, "Stalled"),
        condition(object, "Ready"),
    ) {
        (Some("True"), _, _) => Kstatus::InProgress,
        (_, Some("True"), _) => Kstatus::Failed,
        (_, _, Some("False" | "Unknown")) => Kstatus::InProgress,
        _ => Kstatus::Current,
    }
}

fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a str> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let is_it = |condition: &&Value| condition.get("type").and_then(Value::as_str) == Some(type_);
    conditions.iter().find(is_it)?.get("status")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    /// An object of generation 2 with this `status`.
    fn object(status: &Value) -> Value {
        json!({ "metadata": { "generation": 2 }, "status": status })
    }

    fn conditions(all: &[(&str, &str)]) -> Value {
        let all = all
            .iter()
            .map(|(type_, status)| json!({ "type": type_, "status": status }));
        json!({ "observedGeneration": 2, "conditions": all.collect::<Vec<_>>() })
    }

    #[test]
    fn conditions_count_in_the_order_of_kstatus() {
        for (all, expected) in [
            (&[("Ready", "True")][..], Kstatus::Current),
            (&[("Ready", "False")], Kstatus::InProgress),
            (&[("Ready", "Unknown")], Kstatus::InProgress),
            (
                &[("Ready", "True"), ("Reconciling", "True")],
                Kstatus::InProgress,
            ),
            (&[("Ready", "False"), ("Stalled", "True")], Kstatus::Failed),
            (
                &[("Stalled", "True"), ("Reconciling", "True")],
                Kstatus::InProgress,
            ),
            (
                &[
                    ("Ready", "True"),
                    ("Reconciling", "False"),
                    ("Stalled", "False"),
                ],
                Kstatus::Current,
            ),
        ] {
            assert_eq!(kstatus(&object(&conditions(all))), expected, "{all:?}");
        }
    }

    #[test]
    fn an_object_that_says_nothing_is_current() {
        for status in [json!({}), json!({ "observedGeneration": 2 }), json!(null)] {
            assert_eq!(kstatus(&object(&status)), Kstatus::Current, "{status}");
        }
        assert_eq!(kstatus(&json!({ "metadata": {} })), Kstatus::Current);
    }

    #[test]
    fn a_status_of_another_generation_does_not_count() {
        for observed in [-1, 1] {
            let mut status = conditions(&[("Ready", "True"), ("Stalled", "True")]);
            status["observedGeneration"] = json!(observed);
            assert_eq!(kstatus(&object(&status)), Kstatus::InProgress, "{observed}");
        }
    }

    #[test]
    fn what_is_being_deleted_is_neither_current_nor_failed() {
        let mut object = object(&conditions(&[("Ready", "True")]));
        object["metadata"]["deletionTimestamp"] = json!("2026-11-22T00:00:00Z");
        assert_eq!(kstatus(&object), Kstatus::Terminating);
    }
}
