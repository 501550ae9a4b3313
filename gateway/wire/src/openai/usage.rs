//! OpenAI's `usage` objects of chat, completions, embeddings and Responses.
//!
//! Input counts include cached and written tokens.
//! Source: the `usage` field of <https://platform.openai.com/docs/api-reference/chat/object> and
//! <https://platform.openai.com/docs/api-reference/responses/object>.

use serde::Deserialize;

/// Both spellings: chat's `prompt_tokens` and `completion_tokens`, Responses' `input_tokens` and
/// `output_tokens`. Absent fields stay `None`; some servers send both.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Usage {
    /// Tokens in, cached ones included.
    pub prompt_tokens: Option<u64>,
    /// The same in Responses.
    pub input_tokens: Option<u64>,
    /// Tokens out, reasoning included.
    pub completion_tokens: Option<u64>,
    /// The same in Responses.
    pub output_tokens: Option<u64>,
    /// What of the input was cached.
    pub prompt_tokens_details: Option<InputDetails>,
    /// The same in Responses.
    pub input_tokens_details: Option<InputDetails>,
    /// What of the output was reasoning.
    pub completion_tokens_details: Option<OutputDetails>,
    /// The same in Responses.
    pub output_tokens_details: Option<OutputDetails>,
}

/// Shares of the input.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct InputDetails {
    /// Read from the prompt cache.
    pub cached_tokens: Option<u64>,
    /// Written to the prompt cache.
    pub cache_write_tokens: Option<u64>,
}

/// Shares of the output.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct OutputDetails {
    /// Spent on reasoning.
    pub reasoning_tokens: Option<u64>,
}
