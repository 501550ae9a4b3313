//! Token counts of one answer, the same for every dialect.

use crate::{Dialect, anthropic, openai};

/// What one answer cost, in tokens, with shares that never overlap.
///
/// `input + cache_read + cache_write` is all that went in; `reasoning` is a share of `output`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Tokens in that were neither read from nor written to a cache.
    pub input: u64,
    /// Tokens out, reasoning included.
    pub output: u64,
    /// Tokens in that a cache provided.
    pub cache_read: u64,
    /// Tokens in that were written to a cache.
    pub cache_write: u64,
    /// What of `output` was reasoning or thinking.
    pub reasoning: u64,
}

impl TokenUsage {
    /// Reads a `usage` object and lays it over what is known so far.
    ///
    /// Fields that the object lacks, or that are null, keep their value, as a stream's last
    /// `usage` may name only what changed.
    /// `None` where `json` is not a `usage` object of the dialect.
    pub fn updated_by(self, dialect: Dialect, json: &[u8]) -> Option<Self> {
        match dialect {
            Dialect::AnthropicMessages => {
                let usage: anthropic::usage::Usage = serde_json::from_slice(json).ok()?;
                (usage.input_tokens.is_some() || usage.output_tokens.is_some())
                    .then(|| self.with_anthropic(usage))
            }
            Dialect::OpenAiChat | Dialect::OpenAiResponses => {
                let usage: openai::usage::Usage = serde_json::from_slice(json).ok()?;
                let input = usage.prompt_tokens.or(usage.input_tokens);
                let output = usage.completion_tokens.or(usage.output_tokens);
                (input.is_some() || output.is_some())
                    .then(|| self.with_openai(usage, input, output))
            }
        }
    }

    fn with_anthropic(self, usage: anthropic::usage::Usage) -> Self {
        let thinking = usage.output_tokens_details.and_then(|d| d.thinking_tokens);
        Self {
            input: usage.input_tokens.unwrap_or(self.input),
            output: usage.output_tokens.unwrap_or(self.output),
            cache_read: usage.cache_read_input_tokens.unwrap_or(self.cache_read),
            cache_write: usage
                .cache_creation_input_tokens
                .unwrap_or(self.cache_write),
            reasoning: thinking.unwrap_or(self.reasoning),
        }
    }

    fn with_openai(
        self,
        usage: openai::usage::Usage,
        input: Option<u64>,
        output: Option<u64>,
    ) -> Self {
        let inputs = usage.prompt_tokens_details.or(usage.input_tokens_details);
        let outputs = usage
            .completion_tokens_details
            .or(usage.output_tokens_details);
        let (inputs, outputs) = (inputs.unwrap_or_default(), outputs.unwrap_or_default());
        let cache_read = inputs.cached_tokens.unwrap_or(self.cache_read);
        let cache_write = inputs.cache_write_tokens.unwrap_or(self.cache_write);
        let fresh = |all: u64| all.saturating_sub(cache_read).saturating_sub(cache_write);
        Self {
            input: input.map_or(self.input, fresh),
            output: output.unwrap_or(self.output),
            cache_read,
            cache_write,
            reasoning: outputs.reasoning_tokens.unwrap_or(self.reasoning),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dialect: Dialect, json: &str) -> Option<TokenUsage> {
        TokenUsage::default().updated_by(dialect, json.as_bytes())
    }

    #[test]
    fn openai_input_is_split_into_fresh_cached_and_written() {
        let chat = r#"{"prompt_tokens":100,"completion_tokens":7,"total_tokens":107,
            "prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":10},
            "completion_tokens_details":{"reasoning_tokens":3}}"#;
        let expected = TokenUsage {
            input: 30,
            output: 7,
            cache_read: 60,
            cache_write: 10,
            reasoning: 3,
        };
        assert_eq!(read(Dialect::OpenAiChat, chat), Some(expected));
        let responses = r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":10},
            "output_tokens":7,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":107}"#;
        assert_eq!(read(Dialect::OpenAiResponses, responses), Some(expected));
    }

    #[test]
    fn anthropic_deltas_overwrite_only_what_they_name() {
        let start = read(
            Dialect::AnthropicMessages,
            r#"{"input_tokens":20,"cache_read_input_tokens":5,"cache_creation_input_tokens":null,"output_tokens":1}"#,
        );
        let end = start.and_then(|usage| {
            usage.updated_by(
                Dialect::AnthropicMessages,
                br#"{"output_tokens":42,"input_tokens":null}"#,
            )
        });
        assert_eq!(
            end,
            Some(TokenUsage {
                input: 20,
                output: 42,
                cache_read: 5,
                ..TokenUsage::default()
            })
        );
    }

    #[test]
    fn embeddings_report_no_output() {
        let usage = read(
            Dialect::OpenAiChat,
            r#"{"prompt_tokens":8,"total_tokens":8}"#,
        );
        assert_eq!(
            usage,
            Some(TokenUsage {
                input: 8,
                ..TokenUsage::default()
            })
        );
    }

    #[test]
    fn servers_that_send_both_spellings_are_understood() {
        let both =
            r#"{"prompt_tokens":8,"input_tokens":8,"completion_tokens":2,"output_tokens":2}"#;
        let expected = TokenUsage {
            input: 8,
            output: 2,
            ..TokenUsage::default()
        };
        assert_eq!(read(Dialect::OpenAiChat, both), Some(expected));
    }

    #[test]
    fn what_is_not_a_usage_object_is_ignored() {
        for text in [
            "null",
            "{}",
            "[]",
            "{\"prompt_tokens\":\"many\"}",
            "{\"prompt_tokens\":",
        ] {
            assert_eq!(read(Dialect::OpenAiChat, text), None, "{text}");
            assert_eq!(read(Dialect::AnthropicMessages, text), None, "{text}");
        }
    }
}
