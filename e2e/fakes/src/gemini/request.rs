//! What a request to Gemini holds, and what it may hold.
//!
//! Google reads JSON as protocol buffers do: names are in camel or in snake case,
//! and a field that there is not is an error.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::{
    prompt::{Function, Prompt, count_words_of, find_model, last_text},
    refusal::Refusal,
    vertex::error::refuse_field,
};

/// The fields of a request, less the model, which the path names.
const FIELDS: [&str; 9] = [
    "cachedContent",
    "contents",
    "generationConfig",
    "labels",
    "modelArmorConfig",
    "safetySettings",
    "systemInstruction",
    "toolConfig",
    "tools",
];

/// Whether the model thinks, and tells.
pub(super) struct Thinking {
    pub(super) is_off: bool,
    pub(super) is_told: bool,
}

impl Thinking {
    pub(super) fn find(request: &Value) -> Self {
        let config = find(request, "generationConfig");
        let config = config.and_then(|config| find(config, "thinkingConfig"));
        let field = |name| config.and_then(|config| find(config, name));
        let is_off = field("thinkingBudget") == Some(&json!(0));
        Self {
            is_off,
            is_told: !is_off && field("includeThoughts") == Some(&json!(true)),
        }
    }
}

/// Puts the model of the path where the other dialects have it.
///
/// # Errors
///
/// The provider's 400 for a field that there is not.
pub(crate) fn admit(mut request: Value, model: &str) -> Result<Value, Refusal> {
    let fields = request.as_object_mut();
    let fields = fields.ok_or_else(|| Refusal::new(400, "Invalid JSON payload received."))?;
    let unknown = fields.keys().find(|key| {
        !FIELDS
            .iter()
            .any(|field| *key == field || **key == to_snake_case(field))
    });
    if let Some(unknown) = unknown {
        return Err(refuse_field(unknown));
    }
    fields.insert("model".to_owned(), model.into());
    Ok(request)
}

/// Reads a request to answer, or to count.
///
/// # Errors
///
/// The provider's 400 if there are no contents, or if one has no good role or no
/// parts.
pub(crate) fn read_prompt(request: &Value) -> Result<Prompt, Refusal> {
    let contents = request.get("contents").and_then(Value::as_array);
    let contents = contents.map(Vec::as_slice).unwrap_or_default();
    if contents.is_empty() {
        let message = "Unable to submit request because at least one contents field is required. \
                       Learn more: https://cloud.google.com/vertex-ai/generative-ai/docs/\
                       model-reference/gemini";
        return Err(Refusal::new(400, message));
    }
    contents.iter().try_for_each(check_content)?;
    let result = contents.last().and_then(find_result);
    let user = contents.iter().rev().find(|content| is_of(content, "user"));
    let spoken = user.and_then(|content| last_text(content.get("parts")?));
    Ok(Prompt {
        model: find_model(request).unwrap_or_default().to_owned(),
        text: result.as_deref().or(spoken).unwrap_or_default().to_owned(),
        words: count_words_of(
            request,
            &[
                "systemInstruction",
                "system_instruction",
                "contents",
                "tools",
            ],
        ),
        function: find_function(request),
        ends_with_tool_result: result.is_some(),
        text_schema: find_text_schema(request),
    })
}

fn check_content(content: &Value) -> Result<(), Refusal> {
    if !is_of(content, "user") && !is_of(content, "model") {
        return Err(Refusal::new(400, "Please use a valid role: user, model."));
    }
    let parts = content.get("parts").and_then(Value::as_array);
    if parts.is_some_and(|parts| !parts.is_empty()) {
        return Ok(());
    }
    let message = "Unable to submit request because it must include at least one parts field, \
                   which describes the prompt input.";
    Err(Refusal::new(400, message))
}

fn is_of(content: &Value, role: &str) -> bool {
    content.get("role") == Some(&Value::from(role))
}

/// What a function answered, if the content says that.
fn find_result(content: &Value) -> Option<Cow<'_, str>> {
    let mut parts = content.get("parts")?.as_array()?.iter().rev();
    let response = parts.find_map(|part| find(part, "functionResponse")?.get("response"))?;
    let named = response
        .as_object()
        .and_then(|fields| fields.values().find_map(last_text));
    Some(named.map_or_else(|| response.to_string().into(), Cow::Borrowed))
}

fn find_function(request: &Value) -> Option<Function> {
    let tools = request.get("tools")?.as_array()?;
    let declarations = tools
        .iter()
        .filter_map(|tool| find(tool, "functionDeclarations")?.as_array())
        .flatten();
    declarations.into_iter().find_map(|declaration| {
        let schema = find(declaration, "parametersJsonSchema");
        let schema = schema.or_else(|| declaration.get("parameters"));
        let name = declaration.get("name")?.as_str()?.to_owned();
        Some(Function {
            name,
            schema: schema.map(to_json_schema).unwrap_or_default(),
        })
    })
}

fn find_text_schema(request: &Value) -> Option<Value> {
    let config = find(request, "generationConfig")?;
    let schema = find(config, "responseJsonSchema").or_else(|| find(config, "responseSchema"));
    schema.map(to_json_schema)
}

/// Google's own schemas name types in upper case.
fn to_json_schema(schema: &Value) -> Value {
    match schema {
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| match value {
                Value::String(kind) if key == "type" => (key.clone(), kind.to_lowercase().into()),
                other => (key.clone(), to_json_schema(other)),
            });
            Value::Object(entries.collect())
        }
        Value::Array(elements) => elements.iter().map(to_json_schema).collect(),
        other => other.clone(),
    }
}

/// A field by its name in camel case, in either case.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.get(name).or_else(|| value.get(to_snake_case(name)))
}

fn to_snake_case(name: &str) -> String {
    let words = name.chars().map(|character| {
        let before = if character.is_ascii_uppercase() {
            "_"
        } else {
            ""
        };
        format!("{before}{}", character.to_ascii_lowercase())
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(request: &Value) -> Prompt {
        read_prompt(&admit(request.clone(), "m").expect("known fields")).expect("a prompt")
    }

    fn user(parts: &Value) -> Value {
        json!({"contents": [{"role": "user", "parts": parts}]})
    }

    #[test]
    fn the_path_names_the_model_and_the_last_user_speaks() {
        let prompt = read(&json!({"contents": [
            {"role": "user", "parts": [{"text": "first"}]},
            {"role": "model", "parts": [{"text": "x"}]},
            {"role": "user", "parts": [{"text": "a"}, {"text": "second"}]},
        ]}));
        assert_eq!(
            (prompt.model.as_str(), prompt.text.as_str()),
            ("m", "second")
        );
        assert!(!prompt.ends_with_tool_result);
    }

    #[test]
    fn what_a_function_answered_is_the_text() {
        for response in [json!({"result": "sunny"}), json!({"output": "sunny"})] {
            let part = json!({"functionResponse": {"name": "f", "response": response}});
            let prompt = read(&user(&json!([part])));
            assert_eq!(prompt.text, "sunny");
            assert!(prompt.ends_with_tool_result);
        }
    }

    #[test]
    fn functions_are_found_with_schemas_of_either_kind() {
        for declaration in [
            json!({"name": "f", "parameters": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}}),
            json!({"name": "f", "parametersJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}}}),
        ] {
            let mut request = user(&json!([{"text": "hi"}]));
            request["tools"] =
                json!([{"googleSearch": {}}, {"functionDeclarations": [declaration]}]);
            let function = read(&request).function.expect("a function");
            assert_eq!(function.name, "f");
            assert_eq!(function.schema["properties"]["a"]["type"], "string");
        }
    }

    #[test]
    fn fields_in_snake_case_are_read_and_unknown_ones_refused() {
        let mut request = user(&json!([{"text": "hi"}]));
        request["generation_config"] = json!({"response_schema": {"type": "OBJECT"}});
        assert!(read(&request).text_schema.is_some());
        for unknown in ["stream", "model", "stream_options"] {
            let mut request = request.clone();
            request[unknown] = json!(true);
            let refusal = admit(request, "m").expect_err("a refusal");
            let words = format!("Unknown name \"{unknown}\": Cannot find field.");
            assert!(refusal.message.contains(&words), "{}", refusal.message);
        }
    }

    #[test]
    fn contents_need_a_role_and_parts() {
        for request in [
            json!({"model": "m"}),
            json!({"contents": []}),
            json!({"contents": [{"parts": [{"text": "hi"}]}]}),
            json!({"contents": [{"role": "assistant", "parts": [{"text": "hi"}]}]}),
            user(&json!([])),
        ] {
            assert_eq!(
                read_prompt(&request).expect_err("a refusal").status,
                400,
                "{request}"
            );
        }
    }

    #[test]
    fn thinking_is_told_when_asked_for_and_off_without_a_budget() {
        for (config, is_off, is_told) in [
            (json!({}), false, false),
            (json!({"includeThoughts": true}), false, true),
            (
                json!({"include_thoughts": true, "thinkingBudget": 0}),
                true,
                false,
            ),
        ] {
            let request = json!({"generationConfig": {"thinkingConfig": config}});
            let thinking = Thinking::find(&request);
            assert_eq!(
                (thinking.is_off, thinking.is_told),
                (is_off, is_told),
                "{request}"
            );
        }
    }
}
