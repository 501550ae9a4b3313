//! What an answer needs to know of a request, whatever its dialect.
//!
//! The dialects fill it in; this file has what they share.

use serde_json::Value;

/// Longest text that an answer repeats: enough for a test to know its prompt
/// again, too little for a 50 MB prompt to come back.
pub(crate) const MAX_ECHO_BYTES: usize = 16 * 1024;

/// A request, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prompt {
    /// The model as the request spells it.
    pub(crate) model: String,
    /// The last text of the user, or of a tool that ran after it.
    pub(crate) text: String,
    /// Words of all that the model would read.
    pub(crate) words: u64,
    /// The first function that the request offers.
    pub(crate) function: Option<Function>,
    /// The request ends with what a tool answered.
    pub(crate) ends_with_tool_result: bool,
    /// The schema that the answer's text has to fit.
    pub(crate) text_schema: Option<Value>,
}

/// A function that the model may call.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

impl Function {
    /// From an object that has `name` and, under `schema_key`, its schema.
    pub(crate) fn find(tool: &Value, schema_key: &str) -> Option<Self> {
        let name = tool.get("name")?.as_str()?.to_owned();
        let schema = tool.get(schema_key).cloned().unwrap_or_default();
        Some(Self { name, schema })
    }
}

/// The text of `content`: a string, or the last part that has a `text`, an
/// `output` or a `content` (tool results nest them).
pub(crate) fn last_text(content: &Value) -> Option<&str> {
    match content {
        Value::String(text) => Some(text),
        Value::Array(parts) => parts.iter().rev().find_map(last_text),
        Value::Object(part) => ["text", "content", "output"]
            .iter()
            .find_map(|key| last_text(part.get(*key)?)),
        _ => None,
    }
}

/// The start of a text, cut at a character.
pub(crate) fn cut_text(text: &str, most_bytes: usize) -> &str {
    let end = (0..=most_bytes.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// Words of all strings under `value`: the fake's measure of a token.
pub(crate) fn count_words(value: &Value) -> u64 {
    match value {
        Value::String(text) => text.split_whitespace().count() as u64,
        Value::Array(elements) => elements.iter().map(count_words).sum(),
        Value::Object(entries) => entries.values().map(count_words).sum(),
        _ => 0,
    }
}

/// Words under some keys of a request; a prompt never counts as nothing.
pub(crate) fn count_words_of(request: &Value, keys: &[&str]) -> u64 {
    let words: u64 = keys
        .iter()
        .filter_map(|key| request.get(*key))
        .map(count_words)
        .sum();
    words.max(1)
}

/// The `model` of a request.
pub(crate) fn find_model(request: &Value) -> Option<&str> {
    request.get("model")?.as_str()
}

/// Whether the request asks for a stream.
pub(crate) fn is_streaming(request: &Value) -> bool {
    request
        .get("stream")
        .and_then(Value::as_bool)
        .unwrap_or(false)
}

/// Whether a chat or completion stream is to end with a chunk of usage.
pub(crate) fn wants_usage_chunk(request: &Value) -> bool {
    let asked = request.pointer("/stream_options/include_usage");
    asked.and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_text_is_found_in_strings_and_parts() {
        assert_eq!(last_text(&json!("a")), Some("a"));
        let parts = json!([{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}]);
        assert_eq!(last_text(&parts), Some("a"));
        let result = json!([{"type": "tool_result", "content": [{"type": "text", "text": "b"}]}]);
        assert_eq!(last_text(&result), Some("b"));
        assert_eq!(last_text(&json!({})), None);
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut_text("aü", 2), "a");
        assert_eq!(cut_text("aü", 3), "aü");
        assert_eq!(cut_text("", 3), "");
    }

    #[test]
    fn words_are_counted_in_depth() {
        assert_eq!(
            count_words(&json!([{"content": "one two"}, {"content": [{"text": "three"}]}])),
            3
        );
        assert_eq!(count_words_of(&json!({}), &["messages"]), 1);
    }
}
