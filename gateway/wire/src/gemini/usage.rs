//! Google's `usageMetadata`.
//!
//! Source: <https://ai.google.dev/api/generate-content#UsageMetadata>.

use serde::Deserialize;

/// Counts of one answer; absent fields stay `None`.
///
/// In a stream every event may carry them, and the last has the last word, field by field.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Tokens in, cached ones included, results of tools excluded.
    pub prompt_token_count: Option<u64>,
    /// Tokens in that a cache provided.
    pub cached_content_token_count: Option<u64>,
    /// Tokens in that tools of the provider brought, such as search results.
    pub tool_use_prompt_token_count: Option<u64>,
    /// Tokens out, thoughts excluded.
    pub candidates_token_count: Option<u64>,
    /// Tokens out that were thoughts.
    pub thoughts_token_count: Option<u64>,
}
