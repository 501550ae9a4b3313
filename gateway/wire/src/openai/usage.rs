//! OpenAI's `usage` objects of chat, completions, embeddings and Responses.
//!
//! Input counts include cached and written tokens.
//! Source: the `usage` field of <https://platform.openai.com/docs/api-reference/chat/object> and
//! <https://platform.openai.com/docs/api-reference/responses/object>.

use serde::Deserialize;

/// The union of both spellings; absent fields stay `None`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Usage {
    /// Tokens in, cached ones included. Responses says `input_tokens`.
    #[serde(alias = "input_tokens")]
    pub prompt_tokens: Option<u64>,
    /// Tokens out, reasoning included. Responses says `output_tokens`.
    #[serde(alias = "output_tokens")]
    pub completion_tokens: Option<u64>,
    /// What of the input was cached.
    #[serde(alias = "input_tokens_details")]
    pub prompt_tokens_details: Option<InputDetails>,
    /// What of the output was reasoning.
    #[serde(alias = "output_tokens_details")]
    pub completion_tokens_details: Option<OutputDetails>,
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
