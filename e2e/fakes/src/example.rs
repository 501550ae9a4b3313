//! An example value for a JSON schema: arguments of a tool call, structured text.

use serde_json::{Map, Value, json};

/// Deepest schema that is followed: deeper ones refer to themselves.
const MAX_DEPTH: usize = 8;

/// A value with every required property of the schema.
pub(crate) fn example_value(schema: &Value) -> Value {
    example(schema, schema, MAX_DEPTH)
}

fn example(schema: &Value, root: &Value, depth: usize) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Null;
    };
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(target.trim_start_matches('#'));
        return target.map_or(Value::Null, |schema| example(schema, root, depth));
    }
    if let Some(fixed) = schema.get("const") {
        return fixed.clone();
    }
    for key in ["enum", "anyOf", "oneOf", "allOf"] {
        let Some(first) = schema.get(key).and_then(|choices| choices.get(0)) else {
            continue;
        };
        return if key == "enum" {
            first.clone()
        } else {
            example(first, root, depth)
        };
    }
    match find_type(schema) {
        Some("string") => json!("Zürich"),
        Some("integer") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("number") => schema.get("minimum").cloned().unwrap_or(json!(0.5)),
        Some("boolean") => json!(true),
        Some("array") => {
            let item = schema.get("items").map(|items| example(items, root, depth));
            item.into_iter().collect()
        }
        Some("object") => required_properties(schema, root, depth).into(),
        _ => Value::Null,
    }
}

fn find_type(schema: &Value) -> Option<&str> {
    match schema.get("type") {
        Some(Value::Array(types)) => types.first()?.as_str(),
        Some(one) => one.as_str(),
        None => schema.get("properties").map(|_| "object"),
    }
}

fn required_properties(schema: &Value, root: &Value, depth: usize) -> Map<String, Value> {
    let names = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let properties = names.filter_map(Value::as_str).map(|name| {
        let property = schema.get("properties").and_then(|all| all.get(name));
        let value = property.map_or(Value::Null, |property| example(property, root, depth));
        (name.to_owned(), value)
    });
    properties.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_properties_are_filled_by_type() {
        let schema = json!({
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["c", "f"]},
                "days": {"type": ["integer", "null"]},
                "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
                "free": {"type": "string"}
            },
            "required": ["city", "unit", "days", "tags"],
            "$defs": {"tag": {"type": "boolean"}}
        });
        assert_eq!(
            example_value(&schema),
            json!({"city": "Zürich", "unit": "c", "days": 1, "tags": [true]})
        );
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"properties": {"next": {"$ref": "#"}}, "required": ["next"]});
        assert!(example_value(&schema).is_object());
    }
}
