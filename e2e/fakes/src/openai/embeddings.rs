//! `POST /v1/embeddings`: vectors that depend on nothing but the text.

use serde_json::Value;

use crate::{
    identity::scramble,
    json::{Json, object},
    openai::error::refuse_missing,
    prompt::{count_words_of, find_model},
    refusal::Refusal,
};

/// Length of a vector when the request does not say.
const DIMENSIONS: usize = 1536;

/// Longest vector of the provider's models.
const MAX_DIMENSIONS: usize = 3072;

/// Most inputs in one request, as at the provider.
const MAX_INPUTS: usize = 2048;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Answers a request.
///
/// # Errors
///
/// The provider's 400 for a missing model or input, for too many inputs and for
/// dimensions out of range.
pub(crate) fn build_answer(request: &Value) -> Result<Json, Refusal> {
    let model = find_model(request).ok_or_else(|| refuse_missing("model"))?;
    let inputs = split_inputs(
        request
            .get("input")
            .ok_or_else(|| refuse_missing("input"))?,
    )?;
    let dimensions = find_dimensions(request)?;
    let is_base64 = request.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let data = inputs.iter().enumerate().map(|(index, input)| {
        let vector = build_vector(input, dimensions);
        let embedding = if is_base64 {
            encode_vector(&vector)
        } else {
            list_vector(&vector)
        };
        object! { "object" => "embedding", "index" => index, "embedding" => embedding }
    });
    let words = count_words_of(request, &["input"]);
    Ok(object! {
        "object" => "list",
        "data" => Json::Array(data.collect()),
        "model" => model,
        "usage" => object! { "prompt_tokens" => words, "total_tokens" => words },
    })
}

/// A string is one input, and so is a list of token numbers.
fn split_inputs(input: &Value) -> Result<Vec<String>, Refusal> {
    let inputs = match input {
        Value::Array(inputs) if !inputs.iter().all(Value::is_number) => {
            inputs.iter().map(Value::to_string).collect()
        }
        one => vec![one.to_string()],
    };
    if inputs.len() > MAX_INPUTS {
        let message = format!("'$.input' is invalid: at most {MAX_INPUTS} inputs are allowed.");
        return Err(Refusal::new(400, message).with_param("input"));
    }
    Ok(inputs)
}

fn find_dimensions(request: &Value) -> Result<usize, Refusal> {
    let Some(asked) = request.get("dimensions").filter(|asked| !asked.is_null()) else {
        return Ok(DIMENSIONS);
    };
    let asked = asked.as_u64().and_then(|asked| usize::try_from(asked).ok());
    asked
        .filter(|asked| (1..=MAX_DIMENSIONS).contains(asked))
        .ok_or_else(|| {
            let message = format!("'dimensions' must be between 1 and {MAX_DIMENSIONS}.");
            Refusal::new(400, message).with_param("dimensions")
        })
}

/// A vector of length 1.
fn build_vector(input: &str, dimensions: usize) -> Vec<f32> {
    let seed = input
        .bytes()
        .fold(0, |seed, byte| scramble(seed ^ u64::from(byte)));
    let raw: Vec<f32> = (0..dimensions as u64)
        .map(|at| {
            // 16 bits of a mixed number, between -1 and 1.
            let bits = (scramble(seed ^ at) >> 48).to_le_bytes();
            let [low, high, ..] = bits;
            f32::from(i16::from_le_bytes([low, high])) / 32_768.0
        })
        .collect();
    let length = raw.iter().map(|value| value * value).sum::<f32>().sqrt();
    raw.into_iter()
        .map(|value| if length > 0.0 { value / length } else { value })
        .collect()
}

fn list_vector(vector: &[f32]) -> Json {
    Json::Array(
        vector
            .iter()
            .map(|value| f64::from(*value).into())
            .collect(),
    )
}

/// Little-endian 32 bit floats in base64, which the SDKs ask for by default.
fn encode_vector(vector: &[f32]) -> Json {
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    encode_base64(&bytes).into()
}

fn encode_base64(bytes: &[u8]) -> String {
    bytes.chunks(3).flat_map(encode_chunk).collect()
}

/// One to three bytes as four digits.
fn encode_chunk(chunk: &[u8]) -> [char; 4] {
    let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
    let bits = at(0) << 16 | at(1) << 8 | at(2);
    let digit = |index: u32| {
        let is_padding = index as usize > chunk.len();
        let value = bits >> (18 - 6 * index) & 63;
        let digit = BASE64.get(value as usize).copied().unwrap_or_default();
        if is_padding { '=' } else { char::from(digit) }
    };
    [digit(0), digit(1), digit(2), digit(3)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(request: &Value) -> Value {
        let answer = build_answer(request).expect("an answer").to_text();
        serde_json::from_str(&answer).expect("JSON")
    }

    #[test]
    fn base64_is_padded_as_the_standard_says() {
        for (bytes, digits) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(encode_base64(bytes.as_bytes()), digits);
        }
    }

    #[test]
    fn the_same_text_has_the_same_vector() {
        let answer = answer(&json!({"model": "m", "input": ["a", "b", "a"], "dimensions": 4}));
        let vector = |index: usize| &answer["data"][index]["embedding"];
        assert_eq!(vector(0), vector(2));
        assert_ne!(vector(0), vector(1));
        assert_eq!(vector(0).as_array().map(Vec::len), Some(4));
    }

    #[test]
    fn both_encodings_hold_the_same_vector() {
        let vector = build_vector("a", 2);
        let bytes: Vec<u8> = vector
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let answer = answer(&json!({
            "model": "m", "input": [1, 2], "dimensions": 2, "encoding_format": "base64",
        }));
        assert_eq!(answer["data"].as_array().map(Vec::len), Some(1));
        assert_eq!(bytes.len(), 8);
        assert_eq!(
            answer["data"][0]["embedding"].as_str().map(str::len),
            Some(12)
        );
    }

    #[test]
    fn dimensions_out_of_range_are_refused() {
        let request = json!({"model": "m", "input": "a", "dimensions": 0});
        assert_eq!(build_answer(&request).expect_err("a refusal").status, 400);
    }
}
