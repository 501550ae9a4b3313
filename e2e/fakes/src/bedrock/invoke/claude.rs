//! Claude's bodies under `InvokeModel`: Anthropic's, with the model in the path, the
//! version and the betas in the body, and the stream in the path as well.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html>.

use http::HeaderMap;
use serde_json::Value;

use crate::{
    anthropic::{error::refuse_missing, messages},
    bedrock::{
        error::{refuse_extraneous, refuse_input},
        model::bare_name,
    },
    identity::short_id,
    json::Json,
    prompt::Prompt,
    refusal::Refusal,
    reply::Reply,
    stream::find_data,
};

/// The versions that there are: AWS's own, and the one that new SDKs send.
const VERSIONS: [&str; 2] = ["bedrock-2023-05-31", "2026-10-21"];

/// The betas that AWS takes; any other flag refuses the whole request, and those of
/// Anthropic's own platform are among the others.
///
/// Source: the list of AWS (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html>),
/// trials of people against `InvokeModel`
/// (<https://github.com/envoyproxy/ai-gateway/pull/2512>,
/// <https://github.com/BerriAI/litellm/pull/41203>), and what Claude Code sends there. What only
/// some models take is not among them.
const BETAS: [&str; 21] = [
    "claude-code-20250219",
    "compact-2026-01-12",
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "mcp-client-2025-04-04",
    "mcp-client-2025-11-20",
    "output-128k-2025-02-19",
    "search-results-2025-06-09",
    "thinking-token-count-2026-05-13",
    "token-counting-2024-11-01",
    "token-efficient-tools-2025-02-19",
    "tool-examples-2025-10-29",
    "tool-search-tool-2025-10-19",
    "web-search-2025-03-05",
];

pub(super) fn read_prompt(request: &Value, headers: &HeaderMap) -> Result<Prompt, Refusal> {
    if request.get("stream").is_some() {
        return Err(refuse_extraneous("stream"));
    }
    check_version(request)?;
    check_betas(request, headers)?;
    check_fields(request)?;
    let prompt = messages::read_prompt(request, headers)?;
    Ok(Prompt {
        model: bare_name(&prompt.model).to_owned(),
        ..prompt
    })
}

fn check_version(request: &Value) -> Result<(), Refusal> {
    let version = request.get("anthropic_version");
    let version = version.ok_or_else(|| refuse_missing("anthropic_version"))?;
    if VERSIONS.iter().any(|known| version == known) {
        return Ok(());
    }
    Err(refuse_input("Invalid API version"))
}

/// The header counts as much as the field.
fn check_betas(request: &Value, headers: &HeaderMap) -> Result<(), Refusal> {
    let in_body = match request.get("anthropic_beta") {
        None => &[][..],
        Some(Value::Array(betas)) => betas,
        Some(_) => return Err(refuse_input("anthropic_beta: Input should be a valid list")),
    };
    let is_known = |beta: &str| BETAS.contains(&beta);
    let is_body_known = in_body
        .iter()
        .all(|beta| beta.as_str().is_some_and(is_known));
    let is_header_known = headers.get_all("anthropic-beta").iter().all(|value| {
        let betas = value.to_str().unwrap_or_default().split(',').map(str::trim);
        betas.filter(|beta| !beta.is_empty()).all(is_known)
    });
    if is_body_known && is_header_known {
        return Ok(());
    }
    Err(refuse_input("invalid beta flag"))
}

/// What Anthropic takes with a beta that is not among [`BETAS`], or only has itself.
///
/// Sources: <https://github.com/router-for-me/CLIProxyAPI/pull/5563> for `output_config`,
/// <https://github.com/BerriAI/litellm/pull/29085> for `context_management`.
fn check_fields(request: &Value) -> Result<(), Refusal> {
    let messages = request.get("messages").and_then(Value::as_array);
    for (at, message) in messages.into_iter().flatten().enumerate() {
        if message.get("output_config").is_some() {
            let path = format!("messages.{at}.output_config");
            return Err(refuse_input(format!(
                "{path}: Extra inputs are not permitted"
            )));
        }
        let blocks = message.get("content").and_then(Value::as_array);
        let mut types = blocks
            .into_iter()
            .flatten()
            .filter_map(|block| block["type"].as_str());
        if let Some(unknown) = types.find(|name| ["tool_addition", "tool_removal"].contains(name)) {
            return Err(refuse_input(format!(
                "messages.{at}.content: Input tag '{unknown}' found using 'type' does not match \
                 any of the expected tags"
            )));
        }
    }
    let edits = request.pointer("/context_management/edits");
    let edits = edits.and_then(Value::as_array).into_iter().flatten();
    let mut types = edits.filter_map(|edit| edit["type"].as_str());
    if types.any(|name| name.starts_with("clear_thinking_")) {
        return Err(refuse_input(
            "context_management: Extra inputs are not permitted",
        ));
    }
    Ok(())
}

pub(super) fn build_answer(reply: &Reply) -> Json {
    match messages::build_answer(reply) {
        Json::Object(mut entries) => {
            let id = entries.iter_mut().find(|(key, _)| *key == "id");
            if let Some((_, id)) = id {
                *id = message_id(reply.serial).into();
            }
            Json::Object(entries)
        }
        other => other,
    }
}

/// The events of Anthropic's stream, without its pings, and the place of the last.
pub(super) fn list_events(reply: &Reply) -> (Vec<String>, usize) {
    let events = messages::build_events(reply);
    let events: Vec<String> = events
        .frames
        .iter()
        .filter_map(|frame| find_data(frame))
        .filter(|event| *event != r#"{"type":"ping"}"#)
        .enumerate()
        .map(|(number, event)| match number {
            0 => rename_message(event, reply.serial),
            _ => event.to_owned(),
        })
        .collect();
    let terminal = events.len().saturating_sub(1);
    (events, terminal)
}

fn rename_message(event: &str, serial: u64) -> String {
    event.replacen(&short_id("msg_01", serial), &message_id(serial), 1)
}

fn message_id(serial: u64) -> String {
    short_id("msg_bdrk_01", serial)
}
