//! Nova's bodies under `InvokeModel`: those of Converse, its events under their names.
//!
//! Source: <https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html>.

use serde_json::Value;

use crate::{
    bedrock::converse,
    json::{Json, object},
    prompt::Prompt,
    reply::{Reply, Usage},
};

/// Any body is taken.
pub(super) fn read_prompt(request: &Value) -> Prompt {
    converse::read_conversation(request)
}

pub(super) fn build_answer(reply: &Reply) -> Json {
    let answer = object! {
        "output" => converse::build_output(reply),
        "stopReason" => converse::stop_reason(reply),
    };
    match &reply.usage {
        Some(usage) => answer.with("usage", build_usage(usage)),
        None => answer,
    }
}

/// The events, and the place of the one without which there is no answer.
pub(super) fn list_events(reply: &Reply) -> (Vec<String>, usize) {
    let (events, terminal) = converse::list_events(reply);
    let events = events
        .into_iter()
        .map(|(name, event)| object! {}.with(name, event).to_text());
    (events.collect(), terminal)
}

fn build_usage(usage: &Usage) -> Json {
    object! {
        "inputTokens" => usage.uncached(),
        "outputTokens" => usage.output,
        "totalTokens" => usage.input + usage.output,
        "cacheReadInputTokenCount" => usage.cached,
        "cacheWriteInputTokenCount" => usage.written,
    }
}
