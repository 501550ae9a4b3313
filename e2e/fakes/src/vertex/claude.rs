//! Claude on Google Vertex AI: how requests differ from Anthropic's own, and which
//! ones are refused for it.
//!
//! <https://docs.anthropic.com/en/api/claude-on-vertex-ai>

use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::{
    anthropic::error::refuse_missing, identity::short_id, prompt::find_model, refusal::Refusal,
    vertex::build_headers as build_front_headers,
};

/// What `anthropic_version` may be: the first is the cloud's own, the second is sent
/// by SDKs since it became Anthropic's default.
const VERSIONS: [&str; 2] = ["vertex-2023-10-16", "2026-10-21"];

/// Betas that are taken; a beta that Anthropic itself offers need not be among them, and what
/// only some models take is not.
///
/// Source: what Claude Code sends there, and for the others the trials behind
/// <https://github.com/BerriAI/litellm/blob/main/litellm/anthropic_beta_headers_config.json>.
const BETAS: [&str; 12] = [
    "claude-code-20250219",
    "compact-2026-01-12",
    "compact-2026-09-04",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "effort-2025-11-24",
    "interleaved-thinking-2025-05-14",
    "thinking-token-count-2026-05-13",
    "tool-search-tool-2025-10-19",
    "web-search-2025-03-05",
];

/// Fields of Anthropic's own service that the cloud does not have.
const UNKNOWN_FIELDS: [&str; 1] = ["output_format"];

/// The `request-id` of an answer, also in the body of an error.
pub(crate) fn request_id(serial: u64) -> String {
    short_id("req_vrtx_01", serial)
}

/// Headers of every answer.
pub(crate) fn build_headers(serial: u64) -> HeaderMap {
    let mut headers = build_front_headers();
    if let Ok(id) = HeaderValue::try_from(request_id(serial)) {
        headers.insert("request-id", id);
    }
    headers
}

/// Makes Anthropic's request of one for the model that the path names; without a
/// model in the path, tokens are counted and the body names it.
///
/// # Errors
///
/// The provider's 400 for a version, a field or a beta that it does not know.
pub(crate) fn admit(
    request: Value,
    headers: &HeaderMap,
    model: Option<&str>,
) -> Result<Value, Refusal> {
    check_version(&request)?;
    check_betas(headers)?;
    if let Some(field) = UNKNOWN_FIELDS
        .iter()
        .find(|field| request.get(field).is_some())
    {
        return Err(refuse_extra(field));
    }
    if let Some(path) = find_scope(&request, "").or_else(|| find_turn_field(&request)) {
        return Err(refuse_extra(&path));
    }
    let Some(model) = model else {
        find_model(&request).ok_or_else(|| refuse_missing("model"))?;
        return Ok(request);
    };
    if request.get("model").is_some() {
        return Err(refuse_extra("model"));
    }
    Ok(name_model(request, model))
}

fn check_version(request: &Value) -> Result<(), Refusal> {
    let version = request.get("anthropic_version").and_then(Value::as_str);
    let Some(version) = version else {
        return Err(refuse_missing("anthropic_version"));
    };
    if VERSIONS.contains(&version) {
        return Ok(());
    }
    let message = format!("anthropic_version: {version:?} is not a valid version");
    Err(Refusal::new(400, message))
}

fn check_betas(headers: &HeaderMap) -> Result<(), Refusal> {
    let values = headers.get_all("anthropic-beta").iter();
    let betas = values.filter_map(|value| value.to_str().ok());
    let betas = betas.flat_map(|value| value.split(',')).map(str::trim);
    let unknown: Vec<String> = betas
        .filter(|beta| !beta.is_empty() && !BETAS.contains(beta))
        .map(|beta| format!("`{beta}`"))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Unexpected value(s) {} for the `anthropic-beta` header. Please consult our documentation \
         at docs.anthropic.com or try again without the header.",
        unknown.join(", ")
    );
    Err(Refusal::new(400, message))
}

fn refuse_extra(path: &str) -> Refusal {
    Refusal::new(400, format!("{path}: Extra inputs are not permitted"))
}

/// The path of the first `cache_control` with a scope, as the provider writes it.
fn find_scope(value: &Value, path: &str) -> Option<String> {
    let below = |key: &str, value: &Value| {
        let path = if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        };
        if key == "cache_control" && value.get("scope").is_some() {
            return Some(format!("{path}.ephemeral.scope"));
        }
        find_scope(value, &path)
    };
    match value {
        Value::Object(entries) => entries.iter().find_map(|(key, value)| below(key, value)),
        Value::Array(elements) => {
            let mut elements = elements.iter().enumerate();
            elements.find_map(|(at, value)| below(&at.to_string(), value))
        }
        _ => None,
    }
}

/// The path of the first field of a message, or of a block of it, that takes a beta which is
/// not among [`BETAS`].
fn find_turn_field(request: &Value) -> Option<String> {
    let messages = request.get("messages")?.as_array()?;
    messages.iter().enumerate().find_map(|(at, message)| {
        if message.get("output_config").is_some() {
            return Some(format!("messages.{at}.output_config"));
        }
        let mut blocks = message.get("content")?.as_array()?.iter();
        let changes_tools =
            |block: &Value| block["type"] == "tool_addition" || block["type"] == "tool_removal";
        let block = blocks.position(changes_tools)?;
        Some(format!("messages.{at}.content.{block}.tool"))
    })
}

/// Answers name the model as Anthropic does: its date is behind a hyphen.
fn name_model(mut request: Value, model: &str) -> Value {
    if let Some(fields) = request.as_object_mut() {
        fields.insert("model".to_owned(), model.replace('@', "-").into());
    }
    request
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request() -> Value {
        json!({
            "anthropic_version": "vertex-2023-10-16",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "hi"}],
        })
    }

    fn admit_with(key: &str, value: Value) -> Result<Value, Refusal> {
        let mut request = request();
        request[key] = value;
        admit(request, &HeaderMap::new(), Some("claude-a@20250929"))
    }

    fn message(result: Result<Value, Refusal>) -> String {
        let refusal = result.expect_err("a refusal");
        assert_eq!(refusal.status, 400);
        refusal.message.into_owned()
    }

    #[test]
    fn the_path_names_the_model_and_the_answer_names_anthropics() {
        let request = admit(request(), &HeaderMap::new(), Some("claude-a@20250929"));
        assert_eq!(request.expect("a request")["model"], "claude-a-20250929");
    }

    #[test]
    fn a_model_in_the_body_is_refused() {
        assert_eq!(
            message(admit_with("model", json!("claude-a"))),
            "model: Extra inputs are not permitted"
        );
    }

    #[test]
    fn the_body_names_a_version_that_there_is() {
        for version in ["vertex-2023-10-16", "2026-10-21"] {
            assert!(
                admit_with("anthropic_version", json!(version)).is_ok(),
                "{version}"
            );
        }
        for version in ["2023-06-01", "bedrock-2023-05-31"] {
            let message = message(admit_with("anthropic_version", json!(version)));
            assert!(message.starts_with("anthropic_version: "), "{message}");
        }
        let mut without = request();
        without["anthropic_version"] = Value::Null;
        assert_eq!(
            message(admit(without, &HeaderMap::new(), Some("m"))),
            "anthropic_version: Field required"
        );
    }

    #[test]
    fn unknown_betas_are_all_named() {
        let with_betas = |betas: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in betas {
                headers.append("anthropic-beta", HeaderValue::from_static(value));
            }
            admit(request(), &headers, Some("m"))
        };
        assert!(with_betas(&["context-1m-2025-08-07, claude-code-20250219"]).is_ok());
        assert!(with_betas(&[""]).is_ok());
        let message = message(with_betas(&[
            "x-2025,context-1m-2025-08-07",
            "oauth-2025-04-20",
        ]));
        assert!(
            message.starts_with(
                "Unexpected value(s) `x-2025`, `oauth-2025-04-20` for the `anthropic-beta` header."
            ),
            "{message}"
        );
    }

    #[test]
    fn a_scope_of_a_cache_is_refused_where_it_stands() {
        let scoped = json!({"type": "ephemeral", "scope": "global"});
        let system =
            json!([{"type": "text", "text": "a"}, {"type": "text", "cache_control": scoped}]);
        assert_eq!(
            message(admit_with("system", system)),
            "system.1.cache_control.ephemeral.scope: Extra inputs are not permitted"
        );
        let plain = json!([{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]);
        assert!(admit_with("system", plain).is_ok());
    }

    #[test]
    fn what_anthropic_has_in_messages_alone_is_refused() {
        for (messages, path) in [
            (
                json!([{"role": "system", "content": [], "output_config": {}}]),
                "messages.0.output_config",
            ),
            (
                json!([{"role": "system", "content": [{"type": "tool_removal"}]}]),
                "messages.0.content.0.tool",
            ),
        ] {
            let expected = format!("{path}: Extra inputs are not permitted");
            assert_eq!(message(admit_with("messages", messages)), expected);
        }
    }

    #[test]
    fn what_became_output_config_is_refused() {
        assert!(admit_with("output_config", json!({"effort": "low"})).is_ok());
        assert_eq!(
            message(admit_with("output_format", json!({}))),
            "output_format: Extra inputs are not permitted"
        );
    }

    #[test]
    fn counting_names_its_model_in_the_body() {
        let mut request = request();
        let count = |request: &Value| admit(request.clone(), &HeaderMap::new(), None);
        assert_eq!(message(count(&request)), "model: Field required");
        request["model"] = json!("claude-a@20250929");
        assert!(count(&request).is_ok());
    }
}
