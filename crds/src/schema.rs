//! The CustomResourceDefinitions, finished: what the derive cannot say.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use crate::v1alpha1::{AnyrayGateway, ProviderKey};

/// Every kind of the group, in the order of their names.
///
/// # Panics
/// Never: the definitions are constants, and a test makes them all.
pub fn all() -> Vec<CustomResourceDefinition> {
    [AnyrayGateway::crd(), ProviderKey::crd()]
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

/// kstatus takes an object without `status.observedGeneration` for finished: Flux would go on
/// before the operator has seen it.
fn default_status(crd: &mut Value) {
    let status = "/spec/versions/0/schema/openAPIV3Schema/properties/status";
    if let Some(Value::Object(status)) = crd.pointer_mut(status) {
        status.insert("default".to_owned(), json!({ "observedGeneration": -1 }));
    }
}
