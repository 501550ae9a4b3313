//! What Converse asks of a conversation before a model sees it.
//!
//! The rules that a gateway can break when it builds one, in AWS's words.

use serde_json::{Value, json};

use crate::{bedrock::error::refuse_input, refusal::Refusal};

/// Longest name of a tool.
const MAX_NAME_BYTES: usize = 64;

/// Checks a request.
///
/// # Errors
///
/// AWS's 400, which names the place of what is wrong.
pub(super) fn check_request(request: &Value) -> Result<(), Refusal> {
    let messages = request.get("messages").and_then(Value::as_array);
    let messages = messages.ok_or_else(|| {
        refuse_input("The messages field is required. Add messages and try again.")
    })?;
    check_roles(messages)?;
    for (at, message) in messages.iter().enumerate() {
        check_content(at, message)?;
    }
    check_results(messages)?;
    check_tools(request, messages)
}

fn check_roles(messages: &[Value]) -> Result<(), Refusal> {
    let role = |message: &Value| message.get("role").cloned().unwrap_or_default();
    let roles: Vec<Value> = messages.iter().map(role).collect();
    if roles.first() != Some(&json!("user")) {
        return Err(refuse_input(
            "A conversation must start with a user message. Try again with a conversation that \
             starts with a user message.",
        ));
    }
    let is_known = |role: &Value| role == "user" || role == "assistant";
    if let Some(role) = roles.iter().find(|role| !is_known(role)) {
        return Err(refuse_input(format!(
            "Value {role} at 'messages.role' failed to satisfy constraint: Member must satisfy \
             enum value set: [user, assistant]"
        )));
    }
    if roles.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(refuse_input(
            "A conversation must alternate between user and assistant roles. Make sure the \
             conversation alternates between user and assistant roles and try again.",
        ));
    }
    Ok(())
}

fn check_content(at: usize, message: &Value) -> Result<(), Refusal> {
    let blocks = message.get("content").and_then(Value::as_array);
    let blocks = blocks.filter(|blocks| !blocks.is_empty()).ok_or_else(|| {
        refuse_input(format!(
            "The content field in the Message object at messages.{at} is empty. Add a \
             ContentBlock object to the content field and try again."
        ))
    })?;
    for (block_at, block) in blocks.iter().enumerate() {
        let members = block.as_object().map_or(0, serde_json::Map::len);
        // A union: Anthropic's `type` beside it is what a forgetful translator leaves.
        if members != 1 {
            return Err(refuse_input(format!(
                "The value at messages.{at}.content.{block_at} must have exactly one member set."
            )));
        }
        let text = block.get("text").and_then(Value::as_str);
        if text.is_some_and(|text| text.trim().is_empty()) {
            return Err(refuse_input(format!(
                "The text field in the ContentBlock object at messages.{at}.content.{block_at} is \
                 blank. Add text to the text field, and try again."
            )));
        }
    }
    Ok(())
}

/// Each call is answered in the very next message, and nothing else is.
fn check_results(messages: &[Value]) -> Result<(), Refusal> {
    let before = [&Value::Null].into_iter().chain(messages);
    for (at, (before, message)) in before.zip(messages).enumerate() {
        let called = ids(before, "toolUse");
        let answered = ids(message, "toolResult");
        if answered.len() > called.len() {
            return Err(refuse_input(format!(
                "The number of toolResult blocks at messages.{at}.content exceeds the number of \
                 toolUse blocks of previous turn."
            )));
        }
        let missing = called.iter().filter(|id| !answered.contains(id));
        let missing: Vec<&str> = missing.copied().collect();
        if !missing.is_empty() {
            return Err(refuse_input(format!(
                "Expected toolResult blocks at messages.{at}.content for the following Ids: {}",
                missing.join(", ")
            )));
        }
    }
    Ok(())
}

fn ids<'a>(message: &'a Value, kind: &str) -> Vec<&'a str> {
    let blocks = message.get("content").and_then(Value::as_array);
    let blocks = blocks.into_iter().flatten();
    blocks
        .filter_map(|block| block.get(kind)?.get("toolUseId")?.as_str())
        .collect()
}

fn check_tools(request: &Value, messages: &[Value]) -> Result<(), Refusal> {
    let uses_tools = |message| {
        ["toolUse", "toolResult"]
            .iter()
            .any(|kind| !ids(message, kind).is_empty())
    };
    let Some(config) = request.get("toolConfig") else {
        return if messages.iter().any(uses_tools) {
            Err(refuse_input(
                "The toolConfig field must be defined when using toolUse and toolResult content \
                 blocks.",
            ))
        } else {
            Ok(())
        };
    };
    let tools = config.get("tools").and_then(Value::as_array);
    for (at, tool) in tools.into_iter().flatten().enumerate() {
        let Some(spec) = tool.get("toolSpec") else {
            continue;
        };
        let name = spec.get("name").and_then(Value::as_str).unwrap_or_default();
        if !is_name(name) {
            return Err(refuse_input(format!(
                "Value '{name}' at 'toolConfig.tools.{at}.member.toolSpec.name' failed to satisfy \
                 constraint: Member must satisfy regular expression pattern: \
                 [a-zA-Z0-9_-]{{1,{MAX_NAME_BYTES}}}"
            )));
        }
        let schema = spec.pointer("/inputSchema/json");
        if schema.and_then(|schema| schema.get("type")) != Some(&json!("object")) {
            return Err(refuse_input(format!(
                "The value at toolConfig.tools.{at}.toolSpec.inputSchema.json.type must be one of \
                 the following: object."
            )));
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(request: &Value) -> Option<String> {
        let refusal = check_request(request).err()?;
        assert_eq!(
            (refusal.status, refusal.code),
            (400, Some("ValidationException"))
        );
        Some(refusal.message.into_owned())
    }

    fn check(request: &Value, words: &str) {
        let message = refusal(request).expect("a refusal");
        assert!(message.contains(words), "{message}");
    }

    fn text(role: &str, text: &str) -> Value {
        json!({"role": role, "content": [{"text": text}]})
    }

    fn call(id: &str) -> Value {
        json!({"toolUse": {"toolUseId": id, "name": "look", "input": {}}})
    }

    fn result(id: &str) -> Value {
        json!({"toolResult": {"toolUseId": id, "content": [{"text": "seen"}]}})
    }

    fn with_tools(messages: &Value) -> Value {
        let spec = json!({"name": "look", "inputSchema": {"json": {"type": "object"}}});
        json!({"messages": messages, "toolConfig": {"tools": [{"toolSpec": spec}]}})
    }

    #[test]
    fn a_conversation_with_calls_and_their_results_is_taken() {
        let messages = json!([
            text("user", "hi"),
            {"role": "assistant", "content": [call("a"), call("b")]},
            {"role": "user", "content": [result("a"), result("b")]},
        ]);
        assert_eq!(refusal(&with_tools(&messages)), None);
    }

    #[test]
    fn roles_alternate_from_the_user_on() {
        check(&json!({}), "messages field is required");
        check(
            &json!({"messages": [text("assistant", "hi")]}),
            "must start with a user message",
        );
        check(
            &json!({"messages": [text("user", "a"), text("user", "b")]}),
            "must alternate",
        );
        check(
            &json!({"messages": [text("user", "a"), text("tool", "b")]}),
            "enum value set",
        );
    }

    #[test]
    fn blocks_have_one_member_and_some_text() {
        let of = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
        check(&of(json!([])), "messages.0 is empty");
        check(&of(json!("hi")), "messages.0 is empty");
        check(&of(json!([{"text": " "}])), "messages.0.content.0 is blank");
        check(
            &of(json!([{"type": "text", "text": "hi"}])),
            "exactly one member",
        );
    }

    #[test]
    fn calls_are_answered_at_once_and_all_together() {
        let begun = || {
            vec![
                text("user", "hi"),
                json!({"role": "assistant", "content": [call("a"), call("b")]}),
            ]
        };
        let with = |content: Value| {
            let mut messages = begun();
            messages.push(json!({"role": "user", "content": content}));
            with_tools(&messages.into())
        };
        check(&with(json!([result("a")])), "for the following Ids: b");
        check(&with(json!([{"text": "never mind"}])), "Ids: a, b");
        check(
            &with(json!([result("a"), result("b"), result("c")])),
            "exceeds the number",
        );
    }

    #[test]
    fn tools_are_declared_with_names_that_aws_takes() {
        let mut request = with_tools(&json!([text("user", "hi")]));
        request["toolConfig"]["tools"][0]["toolSpec"]["name"] = json!("mcp.look");
        check(&request, "regular expression pattern");
        request["toolConfig"]["tools"][0]["toolSpec"]["name"] = json!("x".repeat(65));
        check(&request, "regular expression pattern");
        let mut request = with_tools(&json!([
            text("user", "hi"),
            {"role": "assistant", "content": [call("a")]},
            {"role": "user", "content": [result("a")]},
        ]));
        request
            .as_object_mut()
            .expect("an object")
            .remove("toolConfig");
        check(&request, "toolConfig field must be defined");
    }
}
