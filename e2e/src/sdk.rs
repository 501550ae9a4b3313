//! What both ends must have seen of an SDK's script, the same for each SDK.
//!
//! What the SDK itself must see is in the scripts, `clients/python` and `clients/node`.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::{
    config::Config,
    ends::{Ends, Pair},
};

/// Endpoints that the answers of an OpenAI SDK must have reached.
pub const OPENAI_PATHS: [&str; 5] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/models",
    "/v1/models/acme%2Ftuned-v1",
];

/// Endpoints that the answers of an Anthropic SDK must have reached.
pub const ANTHROPIC_PATHS: [&str; 4] = [
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/models",
    "/v1/models/acme%2Ftuned-v1",
];

/// Silence after which the gateway pings where a test waits for pings: a fraction
/// of the silence in the scripts.
const PING_AFTER: Duration = Duration::from_millis(200);

/// Makes the gateway ping within the silences of the scripts.
#[must_use]
pub fn ping_often(config: Config) -> Config {
    let ping_ms = u64::try_from(PING_AFTER.as_millis()).unwrap_or(u64::MAX);
    config.with("timeouts", json!({ "pingMs": ping_ms }))
}

/// How the paths end that the answers of a client of Bedrock's Claude must have reached.
pub const BEDROCK_INVOKE_PATHS: [&str; 2] = ["/invoke", "/invoke-with-response-stream"];

/// The same, of a client of Bedrock's Messages API.
pub const BEDROCK_MESSAGES_PATHS: [&str; 2] = [
    "/anthropic/v1/messages",
    "/anthropic/v1/messages/count_tokens",
];

/// The same, of a client of Vertex AI's Claude.
pub const VERTEX_CLAUDE_PATHS: [&str; 3] = [
    ":rawPredict",
    ":streamRawPredict",
    "/count-tokens:rawPredict",
];

/// The same, of a client of Vertex AI's Gemini.
pub const VERTEX_GEMINI_PATHS: [&str; 3] =
    [":generateContent", ":streamGenerateContent", ":countTokens"];

/// Endpoints of Azure OpenAI that the answers of a client must have reached: those with a
/// deployment, and those that are never below one.
pub const AZURE_DEPLOYMENT_PATHS: [&str; 4] = [
    "/openai/deployments/our-gpt-5.6/chat/completions?api-version=2024-10-21",
    "/openai/deployments/our-embeddings/embeddings?api-version=2024-10-21",
    "/openai/responses?api-version=2024-10-21",
    "/openai/models?api-version=2024-10-21",
];

/// The same, of a client of Azure's `v1`.
pub const AZURE_V1_PATHS: [&str; 4] = [
    "/openai/v1/chat/completions",
    "/openai/v1/embeddings",
    "/openai/v1/responses",
    "/openai/v1/models",
];

/// Every operation was used, every answer is the provider's and has nothing added;
/// `expected` are the ends of paths, without their queries.
///
/// # Errors
///
/// An operation is missing, or an answer is more or less than the provider's.
pub fn check_operations(ends: &Ends, expected: &[&str]) -> Result<()> {
    let paths: Vec<_> = ends.paths();
    let paths: Vec<_> = paths
        .iter()
        .filter_map(|path| path.split('?').next())
        .collect();
    for end in expected {
        let is_there = paths.iter().any(|path| path.ends_with(end));
        ensure!(is_there, "nothing with {end} was called: {paths:?}");
    }
    check_private_headers(ends)
}

/// Every endpoint was used, every answer is the provider's and has nothing added.
///
/// # Errors
///
/// An endpoint is missing, or an answer is more or less than the provider's.
pub fn check_paths(ends: &Ends, expected: &[&str]) -> Result<()> {
    let paths = ends.paths();
    for path in expected {
        ensure!(paths.contains(path), "{path} was not called: {paths:?}");
    }
    check_private_headers(ends)
}

/// Every answer is the provider's and has nothing added, and clients sent what must
/// not pass.
///
/// # Errors
///
/// An answer is the gateway's, or no client sent it.
fn check_private_headers(ends: &Ends) -> Result<()> {
    ensure!(
        ends.own_answers.is_empty(),
        "the gateway answered {:?} itself",
        ends.own_answers
    );
    // Without these the checks on what must not pass would check nothing.
    for name in ["x-anyray-metadata", "cookie"] {
        let is_sent = |pair: &Pair| pair.client.request.header(name).is_some();
        ensure!(ends.pairs.iter().any(is_sent), "no client sent {name}");
    }
    check_whole(ends)
}

/// Every status is the one that the model name asked for.
///
/// # Errors
///
/// A status was changed, or an answer is more or less than the provider's.
pub fn check_statuses(ends: &Ends) -> Result<()> {
    for pair in &ends.pairs {
        let scenario = find_scenario(pair);
        let status = pair.client.status.unwrap_or_default();
        ensure!(
            scenario == format!("fake-status-{status}"),
            "{scenario} was answered with {status}"
        );
    }
    check_whole(ends)
}

/// Each attempt of the SDK is one request upstream, and says which one it is.
///
/// # Errors
///
/// There were other attempts, or their header did not pass.
pub fn check_retry_counts(ends: &Ends) -> Result<()> {
    let failing = ends
        .pairs
        .iter()
        .filter(|pair| find_scenario(pair).starts_with("fake-fail-2-"));
    let counts: Vec<_> = failing
        .map(|pair| pair.provider.header("x-stainless-retry-count"))
        .collect();
    ensure!(
        counts == [Some("0"), Some("1"), Some("2")],
        "retry counts upstream: {counts:?}"
    );
    check_whole(ends)
}

/// A stream that lacks its end is given an error event or cut, a stream that the
/// provider ended itself, be it with an error, passes as it is.
///
/// # Errors
///
/// One of the streams does not.
pub fn check_broken_streams(ends: &Ends) -> Result<()> {
    for pair in &ends.pairs {
        let scenario = find_scenario(pair);
        let added = &pair.added;
        // An SDK may hang up at the error event, before the end of the body reaches it.
        let may_hang_up = scenario.starts_with("fake-error-event-");
        let is_complete = pair.client.response.is_complete || may_hang_up;
        let is_clean = is_complete && added.tail.is_empty();
        let is_cut = scenario.starts_with("fake-cut-") || scenario.starts_with("fake-end-early-");
        ensure!(
            is_clean != is_cut,
            "{scenario} ended cleanly: {is_clean}, with {added:?}"
        );
    }
    Ok(())
}

/// Pings came, and nothing else that the provider did not send.
///
/// # Errors
///
/// A stream had no ping.
pub fn check_pings(ends: &Ends) -> Result<()> {
    for pair in &ends.pairs {
        let added = &pair.added;
        ensure!(
            added.pings > 0 && added.tail.is_empty(),
            "{:?}: {added:?}",
            pair.client
        );
        ensure!(
            pair.client.response.is_complete,
            "{:?} was cut",
            pair.client
        );
    }
    Ok(())
}

/// Every answer came whole and with nothing added.
///
/// # Errors
///
/// One did not.
pub fn check_whole(ends: &Ends) -> Result<()> {
    ensure!(!ends.pairs.is_empty(), "nothing reached the provider");
    for pair in &ends.pairs {
        let added = &pair.added;
        ensure!(
            added.pings == 0 && added.tail.is_empty(),
            "{:?}: {added:?}",
            pair.client
        );
        ensure!(
            pair.client.response.is_complete,
            "{:?} was cut",
            pair.client
        );
    }
    Ok(())
}

/// What the request told the fake to do, by the name of its model in the body or the
/// path; nothing if it told it to answer.
fn find_scenario(pair: &Pair) -> String {
    let body: Value = serde_json::from_slice(&pair.provider.body).unwrap_or_default();
    let model = body.get("model").and_then(Value::as_str);
    let named = model.unwrap_or(&pair.provider.path_and_query);
    let scenario = named.find("fake-").and_then(|at| named.get(at..));
    let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    scenario
        .unwrap_or_default()
        .chars()
        .take_while(is_part)
        .collect()
}
