//! The token counts of Amazon Bedrock: in bodies, in the last frame of a stream and in headers.
//!
//! Input counts exclude what the cache gave or took.
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html>;
//! the metrics and the headers are in no reference, and every answer has them.

use http::HeaderMap;
use serde::Deserialize;

/// Both spellings: `usage` of Converse, and `amazon-bedrock-invocationMetrics`, which end a stream
/// of `InvokeModel`. Absent fields stay `None`; some models send both.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens in, cache excluded.
    pub input_tokens: Option<u64>,
    /// The same in the metrics.
    pub input_token_count: Option<u64>,
    /// Tokens out, reasoning included.
    pub output_tokens: Option<u64>,
    /// The same in the metrics.
    pub output_token_count: Option<u64>,
    /// Tokens read from the cache.
    pub cache_read_input_tokens: Option<u64>,
    /// The same in the metrics.
    pub cache_read_input_token_count: Option<u64>,
    /// Tokens written to the cache.
    pub cache_write_input_tokens: Option<u64>,
    /// The same in the metrics.
    pub cache_write_input_token_count: Option<u64>,
}

impl Usage {
    /// The counts in the headers of an answer of `InvokeModel`, whoever made the model.
    pub fn of_headers(headers: &HeaderMap) -> Self {
        let count = |name| -> Option<u64> { headers.get(name)?.to_str().ok()?.parse().ok() };
        Self {
            input_tokens: count("x-amzn-bedrock-input-token-count"),
            output_tokens: count("x-amzn-bedrock-output-token-count"),
            cache_read_input_tokens: count("x-amzn-bedrock-cache-read-input-token-count"),
            cache_write_input_tokens: count("x-amzn-bedrock-cache-write-input-token-count"),
            ..Self::default()
        }
    }
}
