//! `InvokeModel` and `InvokeModelWithResponseStream`: bodies of the model's maker in AWS's
//! envelope.
//!
//! Claude's are Anthropic's with a few fields moved, Nova's those of Converse, all
//! others Llama's.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html>.

mod claude;
mod llama;
mod nova;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::{
    bedrock::{
        LATENCY_MS,
        event_stream::event_frame,
        model::{Maker, find_maker},
        padding,
    },
    json::{Json, object},
    prompt::{Prompt, find_model},
    refusal::Refusal,
    reply::{Reply, Usage},
    stream::Events,
};

/// The key under which the last chunk says what the call cost.
const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// Reads a request.
///
/// # Errors
///
/// AWS's 400 if the maker or AWS would not take it.
pub(crate) fn read_prompt(request: &Value, headers: &HeaderMap) -> Result<Prompt, Refusal> {
    match maker_of(request) {
        Maker::Anthropic => claude::read_prompt(request, headers),
        Maker::Amazon => Ok(nova::read_prompt(request)),
        Maker::Other => Ok(llama::read_prompt(request)),
    }
}

/// The answer in one piece.
pub(crate) fn build_answer(reply: &Reply, request: &Value) -> Json {
    match maker_of(request) {
        Maker::Anthropic => claude::build_answer(reply),
        Maker::Amazon => nova::build_answer(reply),
        Maker::Other => llama::build_answer(reply),
    }
}

/// The answer as a stream: the maker's events, each in a chunk of AWS's.
pub(crate) fn build_events(reply: &Reply, request: &Value) -> Events {
    let (mut events, terminal) = match maker_of(request) {
        Maker::Anthropic => claude::list_events(reply),
        Maker::Amazon => nova::list_events(reply),
        Maker::Other => llama::list_events(reply),
    };
    if let (Some(last), Some(usage)) = (events.last_mut(), &reply.usage) {
        *last = with_metrics(last, usage);
    }
    let events = events.iter().enumerate();
    let frames = events.map(|(number, event)| build_chunk(event, padding(reply.serial, number)));
    Events {
        frames: frames.collect(),
        terminal,
    }
}

/// What an answer in one piece cost, in headers.
pub(crate) fn build_headers(usage: Option<&Usage>) -> Vec<(HeaderName, HeaderValue)> {
    let latency = ("x-amzn-bedrock-invocation-latency", LATENCY_MS);
    let counts = usage.map(|usage| {
        [
            ("x-amzn-bedrock-input-token-count", usage.uncached()),
            ("x-amzn-bedrock-output-token-count", usage.output),
            ("x-amzn-bedrock-cache-read-input-token-count", usage.cached),
            (
                "x-amzn-bedrock-cache-write-input-token-count",
                usage.written,
            ),
        ]
    });
    let headers = [latency].into_iter().chain(counts.into_iter().flatten());
    headers
        .map(|(name, count)| (HeaderName::from_static(name), count.into()))
        .collect()
}

fn maker_of(request: &Value) -> Maker {
    let model = find_model(request).unwrap_or_default();
    find_maker(model, request.get("anthropic_version").is_some())
}

fn build_chunk(event: &str, padding: &'static str) -> Bytes {
    let payload = object! { "bytes" => STANDARD.encode(event), "p" => padding };
    event_frame("chunk", &payload.to_bytes())
}

/// Writes the metrics into an event, whoever wrote the event.
fn with_metrics(event: &str, usage: &Usage) -> String {
    let metrics = object! {
        "inputTokenCount" => usage.uncached(),
        "outputTokenCount" => usage.output,
        "invocationLatency" => LATENCY_MS,
        "firstByteLatency" => LATENCY_MS / 2,
        "cacheReadInputTokenCount" => usage.cached,
        "cacheWriteInputTokenCount" => usage.written,
    };
    let open = event.strip_suffix('}').unwrap_or(event);
    format!("{open},\"{METRICS}\":{}}}", metrics.to_text())
}

#[cfg(test)]
mod tests;
