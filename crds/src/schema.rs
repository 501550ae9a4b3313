//! The CustomResourceDefinitions, finished: what the derive cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use crate::v1alpha1::{AnyrayGateway, ClientKey, Invite, ProviderKey};

/// Every kind of the group, in the order of their names.
///
/// # Panics
/// Never: the definitions are constants, and a test makes them all.
pub fn all() -> Vec<CustomResourceDefinition> {
    [
        AnyrayGateway::crd(),
        ClientKey::crd(),
        Invite::crd(),
        ProviderKey::crd(),
    ]
    .iter()
    .map(finish)
    .collect()
}

/// The OpenAPI schema of a kind's version `v1alpha1`.
pub fn open_api(crd: &CustomResourceDefinition) -> Value {
    let version = crd.spec.versions.first();
    let schema = version
        .and_then(|version| version.schema.as_ref())
        .and_then(|schema| schema.open_api_v3_schema.as_ref());
    serde_json::to_value(schema).unwrap_or_default()
}

fn finish(crd: &CustomResourceDefinition) -> CustomResourceDefinition {
    let edited = serde_json::to_value(crd).map(|mut value| {
        strip_nullable(&mut value);
        join_lines(&mut value);
        bound_quantities(&mut value);
        default_status(&mut value);
        value
    });
    #[expect(clippy::expect_used, reason = "constant input, made by every test run")]
    edited
        .and_then(serde_json::from_value)
        .expect("a definition stays one")
}

/// `field: null` would pass validation and then break rules and the scale subresource.
fn strip_nullable(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.remove("nullable");
            object.values_mut().for_each(strip_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nullable),
        _ => {}
    }
}

/// Line breaks of the source are not those of `kubectl explain`; those between paragraphs and of
/// lists are.
fn join_lines(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(text)) = object.get_mut("description")
                && !text.contains("\n-")
                && !text.contains("\n ")
            {
                let paragraphs = text.split("\n\n").map(|lines| lines.replace('\n', " "));
                *text = paragraphs.collect::<Vec<_>>().join("\n\n");
            }
            object.values_mut().for_each(join_lines);
        }
        Value::Array(items) => items.iter_mut().for_each(join_lines),
        _ => {}
    }
}

/// What the API server demands of a quantity when it is too late to say where it stands.
const QUANTITY: &str =
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$";

fn bound_quantities(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if object.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
                object.insert("pattern".to_owned(), json!(QUANTITY));
            }
            object.values_mut().for_each(bound_quantities);
        }
        Value::Array(items) => items.iter_mut().for_each(bound_quantities),
        _ => {}
    }
}

/// kstatus takes an object without `status.observedGeneration` for finished: Flux would go on
/// before the operator has seen it.
fn default_status(crd: &mut Value) {
    let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status";
    if let Some(Value::Object(status)) = crd.pointer_mut(status) {
        status.insert("default".to_owned(), json!({ "observedGeneration": -1 }));
    }
}
