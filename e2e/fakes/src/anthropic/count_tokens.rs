//! `POST /v1/messages/count_tokens`: words stand for tokens, as in the usage.

use serde_json::Value;

use crate::{
    anthropic::messages::read_messages,
    json::{Json, object},
    refusal::Refusal,
};

/// Answers a request.
///
/// # Errors
///
/// The provider's 400 if there is no model or there are no messages.
pub(crate) fn build_answer(request: &Value) -> Result<Json, Refusal> {
    Ok(object! { "input_tokens" => read_messages(request)?.words })
}
