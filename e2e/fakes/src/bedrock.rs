//! Amazon Bedrock: AWS's front, its own operations and the bodies of the makers in it.
//!
//! Anthropic's Messages API, which Bedrock has as well, is answered by `anthropic`
//! behind this front. The keys that open it are in [`aws_keys`](crate::aws_keys).

pub(crate) mod control_plane;
pub(crate) mod converse;
pub(crate) mod count_tokens;
pub(crate) mod credentials;
pub(crate) mod error;
pub(crate) mod event_stream;
pub(crate) mod invoke;
pub(crate) mod model;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::{
    bedrock::error::refuse_extraneous,
    identity::{guid, scramble, short_id},
    json::Json,
    prompt::Prompt,
    refusal::Refusal,
    reply::Reply,
    stream::Events,
};

/// How long each answer claims to have taken, in milliseconds.
const LATENCY_MS: u64 = 420;

/// What a padding is the start of.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The operations that generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `InvokeModel`.
    Invoke,
    /// `InvokeModelWithResponseStream`.
    InvokeStream,
    /// Converse.
    Converse,
    /// `ConverseStream`.
    ConverseStream,
}

impl Operation {
    pub(crate) fn is_streaming(self) -> bool {
        matches!(self, Self::InvokeStream | Self::ConverseStream)
    }

    /// Reads a request that names its model.
    ///
    /// # Errors
    ///
    /// AWS's 400 if the body is not what it takes.
    pub(crate) fn read_prompt(
        self,
        request: &Value,
        headers: &HeaderMap,
    ) -> Result<Prompt, Refusal> {
        match self {
            Self::Invoke | Self::InvokeStream => invoke::read_prompt(request, headers),
            Self::Converse | Self::ConverseStream => converse::read_prompt(request),
        }
    }

    /// The answer in one piece.
    pub(crate) fn build_answer(self, reply: &Reply, request: &Value) -> Json {
        match self {
            Self::Invoke | Self::InvokeStream => invoke::build_answer(reply, request),
            Self::Converse | Self::ConverseStream => converse::build_answer(reply),
        }
    }

    /// The answer as a stream.
    pub(crate) fn build_events(self, reply: &Reply, request: &Value) -> Events {
        match self {
            Self::Invoke | Self::InvokeStream => invoke::build_events(reply, request),
            Self::Converse | Self::ConverseStream => converse::build_events(reply),
        }
    }

    /// Headers of its answers besides those of every answer.
    pub(crate) fn build_headers(self, reply: &Reply) -> Vec<(HeaderName, HeaderValue)> {
        match self {
            Self::Invoke => invoke::build_headers(reply.usage.as_ref()),
            Self::InvokeStream => {
                let name = HeaderName::from_static("x-amzn-bedrock-content-type");
                vec![(name, HeaderValue::from_static("application/json"))]
            }
            Self::Converse | Self::ConverseStream => Vec::new(),
        }
    }
}

/// Turns a request for the model that the path names into one that names it itself.
///
/// # Errors
///
/// AWS's 400 if the model's id is none, or if one of the maker's own bodies names a
/// model already.
pub(crate) fn admit(mut request: Value, model: &str) -> Result<Value, Refusal> {
    model::check_model(model)?;
    if request.get("model").is_some() && request.get("anthropic_version").is_some() {
        return Err(refuse_extraneous("model"));
    }
    if let Some(fields) = request.as_object_mut() {
        fields.insert("model".to_owned(), model.into());
    }
    Ok(request)
}

/// Headers of every answer.
pub(crate) fn build_headers(serial: u64) -> HeaderMap {
    let id = HeaderValue::try_from(guid(serial)).ok();
    let id = id.map(|id| (HeaderName::from_static("x-amzn-requestid"), id));
    id.into_iter().collect()
}

/// Headers of every answer of the Messages API.
pub(crate) fn build_messages_headers(serial: u64) -> HeaderMap {
    let id = HeaderValue::try_from(request_id(serial)).ok();
    let id = id.map(|id| (HeaderName::from_static("request-id"), id));
    let mut headers = build_headers(serial);
    headers.extend(id);
    headers
}

/// The id of a request to the Messages API, also in the body of an error.
pub(crate) fn request_id(serial: u64) -> String {
    short_id("req_bdrk_01", serial)
}

/// Text of a length that tells nothing about the length of an event.
fn padding(serial: u64, number: usize) -> &'static str {
    let length = scramble(serial.wrapping_add(number as u64)) % PADDING.len() as u64;
    PADDING.get(..=length as usize).unwrap_or_default()
}
