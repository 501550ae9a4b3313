//! `POST /model/{id}/count-tokens`: words stand for tokens, as in the usage.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html>.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;

use crate::{
    bedrock::{converse, error::refuse_input},
    json::{Json, object},
    prompt::count_words,
    refusal::Refusal,
};

/// Answers a request.
///
/// # Errors
///
/// AWS's 400 if there is no input, or one that cannot be read.
pub(crate) fn build_answer(request: &Value) -> Result<Json, Refusal> {
    let words = if let Some(conversation) = request.pointer("/input/converse") {
        converse::read_conversation(conversation).words
    } else if let Some(body) = request.pointer("/input/invokeModel/body") {
        let body = decode(body).ok_or_else(|| {
            refuse_input("The body of the InvokeModel request is not valid JSON in base64.")
        })?;
        count_words(&body).max(1)
    } else {
        return Err(refuse_input(
            "The input field must have exactly one member set: converse or invokeModel.",
        ));
    };
    Ok(object! { "inputTokens" => words })
}

fn decode(body: &Value) -> Option<Value> {
    serde_json::from_slice(&STANDARD.decode(body.as_str()?).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn count(input: &Value) -> Option<String> {
        let answer = build_answer(&json!({ "input": input })).ok()?;
        Some(answer.to_text())
    }

    #[test]
    fn both_kinds_of_input_are_counted() {
        let messages = json!([{"role": "user", "content": [{"text": "three small words"}]}]);
        let tokens = Some(r#"{"inputTokens":4}"#.to_owned());
        assert_eq!(count(&json!({"converse": {"messages": messages}})), tokens);
        let body = STANDARD.encode(r#"{"prompt":"four words for you"}"#);
        assert_eq!(count(&json!({"invokeModel": {"body": body}})), tokens);
    }

    #[test]
    fn an_input_of_neither_kind_is_refused() {
        for input in [
            json!({}),
            json!({"invokeModel": {"body": "{}"}}),
            json!({"invokeModel": {"body": {}}}),
        ] {
            assert_eq!(count(&input), None, "{input}");
        }
    }
}
