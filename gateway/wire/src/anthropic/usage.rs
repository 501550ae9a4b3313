//! Anthropic's `usage` object.
//!
//! `input_tokens` excludes what the cache gave or took.
//! In a stream `message_start` opens the count and `message_delta` has the last word, field by
//! field.
//! Source: <https://docs.anthropic.com/en/api/messages> and
//! <https://docs.anthropic.com/en/docs/build-with-claude/streaming>.

use serde::Deserialize;

/// Counts of one message; absent and null fields stay `None`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Usage {
    /// Tokens in, cache excluded.
    pub input_tokens: Option<u64>,
    /// Tokens out, thinking included.
    pub output_tokens: Option<u64>,
    /// Tokens written to the cache.
    pub cache_creation_input_tokens: Option<u64>,
    /// Tokens read from the cache.
    pub cache_read_input_tokens: Option<u64>,
    /// What of the output was thinking.
    pub output_tokens_details: Option<OutputDetails>,
}

/// Shares of the output.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct OutputDetails {
    /// Spent on thinking.
    pub thinking_tokens: Option<u64>,
}
