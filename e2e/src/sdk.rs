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
        let model = find_model(pair);
        let status = pair.client.status.unwrap_or_default();
        ensure!(
            model == format!("fake-status-{status}"),
            "{model} was answered with {status}"
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
        .filter(|pair| find_model(pair).starts_with("fake-fail-2-"));
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
        let model = find_model(pair);
        let added = &pair.added;
        // An SDK may hang up at the error event, before the end of the body reaches it.
        let may_hang_up = model.starts_with("fake-error-event-");
        let is_complete = pair.client.response.is_complete || may_hang_up;
        let is_clean = is_complete && added.tail.is_empty();
        let is_cut = model.starts_with("fake-cut-") || model.starts_with("fake-end-early-");
        ensure!(
            is_clean != is_cut,
            "{model} ended cleanly: {is_clean}, with {added:?}"
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

/// The model of a request, or nothing.
fn find_model(pair: &Pair) -> String {
    let body: Value = serde_json::from_slice(&pair.provider.body).unwrap_or_default();
    body.get("model")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
