//! What the API server does with an object before it stores it, without one: schema, defaults,
//! rules.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::cel::{Validator, apply_defaults};
use serde_json::{Map, Value, json};

use crate::schema;

/// Why the API server would refuse an object: one line per fault, each with the field's path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Refusal(pub Vec<String>);

/// Checks an object as the API server does on create, and fills in the defaults.
///
/// Unknown fields are refused, as `kubectl apply` and server-side apply do.
///
/// # Errors
/// [`Refusal`] with every fault of the schema, else of the rules.
pub fn admit(crd: &CustomResourceDefinition, object: &Value) -> Result<Value, Refusal> {
    let schema = schema::open_api(crd);
    let complete = complete(&schema, object)?;
    check_rules(&schema, &complete, None)?;
    Ok(complete)
}

/// Checks a change of an object as the API server does on update.
///
/// # Errors
/// [`Refusal`] with every fault of the schema, else of the rules.
pub fn admit_update(
    crd: &CustomResourceDefinition,
    object: &Value,
    old: &Value,
) -> Result<Value, Refusal> {
    let schema = schema::open_api(crd);
    let complete = complete(&schema, object)?;
    check_rules(&schema, &complete, Some(&apply_defaults(&schema, old)))?;
    Ok(complete)
}

fn complete(schema: &Value, object: &Value) -> Result<Value, Refusal> {
    let object = drop_nulls(schema, object);
    check_schema(schema, &object)?;
    Ok(apply_defaults(schema, &object))
}

/// A field that is null and has a default gets it; any other null is left to be refused, as
/// server-side apply does.
fn drop_nulls(schema: &Value, object: &Value) -> Value {
    match object {
        Value::Object(fields) => {
            let entry = schema.get("additionalProperties");
            let fields = fields.iter().filter_map(|(name, value)| {
                let field = schema
                    .get("properties")
                    .and_then(|properties| properties.get(name));
                let schema = field.or(entry).unwrap_or(&Value::Null);
                let is_dropped = value.is_null() && schema.get("default").is_some();
                (!is_dropped).then(|| (name.clone(), drop_nulls(schema, value)))
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => {
            let schema = schema.get("items").unwrap_or(&Value::Null);
            Value::Array(items.iter().map(|item| drop_nulls(schema, item)).collect())
        }
        other => other.clone(),
    }
}

fn check_schema(schema: &Value, object: &Value) -> Result<(), Refusal> {
    let strict = closed(schema, true);
    // Times are strings of a format, which a validator leaves alone unless it is told.
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&strict)
        .map_err(|error| Refusal(vec![error.to_string()]))?;
    let faults: Vec<String> = validator
        .iter_errors(object)
        // The value is not quoted: it may be long, or a key in the wrong place.
        .map(|error| {
            let message = error.masked().to_string();
            fault(error.instance_path().as_str(), &message)
        })
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Refusal(faults))
    }
}

fn check_rules(schema: &Value, object: &Value, old: Option<&Value>) -> Result<(), Refusal> {
    Validator::new()
        .validate(schema, object, old)
        .map_err(|errors| {
            let faults = errors
                .iter()
                .map(|error| fault(&error.field_path, &error.message));
            Refusal(faults.collect())
        })
}

fn fault(path: &str, message: &str) -> String {
    let path = path.trim_matches(['/', '.']).replace('/', ".");
    if path.is_empty() {
        message.to_owned()
    } else {
        format!("{path}: {message}")
    }
}

/// The schema with every object closed that lists its properties: an unknown field is a fault.
///
/// Of `metadata`, which the API server checks by rules of its own, only the name is checked.
fn closed(schema: &Value, is_root: bool) -> Value {
    let Value::Object(schema) = schema else {
        return schema.clone();
    };
    let mut out = Map::new();
    for (key, value) in schema {
        let value = match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                let closed = properties
                    .iter()
                    .map(|(name, property)| (name.clone(), closed(property, false)));
                Value::Object(closed.collect())
            }
            ("items" | "additionalProperties", value) => closed(value, false),
            (_, value) => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    let preserves = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if out.contains_key("properties") && !preserves {
        if is_root && let Some(Value::Object(properties)) = out.get_mut("properties") {
            for name in ["apiVersion", "kind"] {
                properties.insert(name.to_owned(), json!({ "type": "string" }));
            }
            properties.insert("metadata".to_owned(), metadata());
        }
        out.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    Value::Object(out)
}

fn metadata() -> Value {
    let label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    let name = json!({
        "type": "string",
        "maxLength": 253,
        "pattern": format!(r"^{label}(\.{label})*$"),
    });
    json!({ "type": "object", "properties": { "name": name }, "required": ["name"] })
}
