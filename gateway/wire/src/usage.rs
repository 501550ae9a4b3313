//! Token counts of one answer, the same for every dialect.

use http::HeaderMap;

use crate::{Dialect, anthropic, bedrock, gemini, openai};

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
            Dialect::OpenAiChat | Dialect::OpenAiResponses => self.updated_by_openai(json),
            Dialect::AnthropicMessages => self.updated_by_anthropic(json),
            Dialect::BedrockConverse => self.updated_by_bedrock(json),
            // AWS's own counts, or those of the model's maker.
            Dialect::BedrockInvoke => self
                .updated_by_bedrock(json)
                .or_else(|| self.updated_by_anthropic(json))
                .or_else(|| self.updated_by_openai(json)),
            Dialect::GeminiGenerate => self.updated_by_gemini(json),
        }
    }

    /// Reads the counts in an answer's headers and lays them over what is known so far.
    ///
    /// Only answers of [`Dialect::BedrockInvoke`] have any, those without a stream.
    /// `None` where there are none.
    pub fn updated_by_headers(self, dialect: Dialect, headers: &HeaderMap) -> Option<Self> {
        (dialect == Dialect::BedrockInvoke)
            .then(|| bedrock::usage::Usage::of_headers(headers))
            .and_then(|usage| self.with_bedrock(usage))
    }

    fn updated_by_anthropic(self, json: &[u8]) -> Option<Self> {
        let usage: anthropic::usage::Usage = serde_json::from_slice(json).ok()?;
        (usage.input_tokens.is_some() || usage.output_tokens.is_some())
            .then(|| self.with_anthropic(usage))
    }

    fn updated_by_openai(self, json: &[u8]) -> Option<Self> {
        let usage: openai::usage::Usage = serde_json::from_slice(json).ok()?;
        let input = usage.prompt_tokens.or(usage.input_tokens);
        let output = usage.completion_tokens.or(usage.output_tokens);
        (input.is_some() || output.is_some()).then(|| self.with_openai(usage, input, output))
    }

    fn updated_by_bedrock(self, json: &[u8]) -> Option<Self> {
        self.with_bedrock(serde_json::from_slice(json).ok()?)
    }

    fn updated_by_gemini(self, json: &[u8]) -> Option<Self> {
        let usage: gemini::usage::Usage = serde_json::from_slice(json).ok()?;
        let prompt = usage.prompt_token_count;
        let candidates = usage.candidates_token_count;
        let thoughts = usage.thoughts_token_count;
        (prompt.is_some() || candidates.is_some() || thoughts.is_some())
            .then(|| self.with_gemini(usage))
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

    fn with_bedrock(self, usage: bedrock::usage::Usage) -> Option<Self> {
        let input = usage.input_tokens.or(usage.input_token_count);
        let output = usage.output_tokens.or(usage.output_token_count);
        let cache_read = usage
            .cache_read_input_tokens
            .or(usage.cache_read_input_token_count);
        let cache_write = usage
            .cache_write_input_tokens
            .or(usage.cache_write_input_token_count);
        (input.is_some() || output.is_some()).then(|| Self {
            input: input.unwrap_or(self.input),
            output: output.unwrap_or(self.output),
            cache_read: cache_read.unwrap_or(self.cache_read),
            cache_write: cache_write.unwrap_or(self.cache_write),
            reasoning: self.reasoning,
        })
    }

    fn with_gemini(self, usage: gemini::usage::Usage) -> Self {
        let cache_read = usage.cached_content_token_count.unwrap_or(self.cache_read);
        let tools = usage.tool_use_prompt_token_count.unwrap_or(0);
        let fresh = |all: u64| all.saturating_sub(cache_read).saturating_add(tools);
        let reasoning = usage.thoughts_token_count.unwrap_or(self.reasoning);
        let spoken = self.output.saturating_sub(self.reasoning);
        let spoken = usage.candidates_token_count.unwrap_or(spoken);
        Self {
            input: usage.prompt_token_count.map_or(self.input, fresh),
            output: spoken.saturating_add(reasoning),
            cache_read,
            cache_write: self.cache_write,
            reasoning,
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
            for dialect in [
                Dialect::OpenAiChat,
                Dialect::AnthropicMessages,
                Dialect::BedrockInvoke,
                Dialect::BedrockConverse,
                Dialect::GeminiGenerate,
            ] {
                assert_eq!(read(dialect, text), None, "{text}");
            }
        }
    }

    #[test]
    fn bedrock_counts_are_read_in_every_spelling() {
        let expected = Some(TokenUsage {
            input: 20,
            output: 7,
            cache_read: 5,
            cache_write: 3,
            ..TokenUsage::default()
        });
        let converse = r#"{"inputTokens":20,"outputTokens":7,"totalTokens":35,"cacheReadInputTokens":5,
            "cacheWriteInputTokens":3,"cacheDetails":[{"ttl":"5m","inputTokens":3}]}"#;
        let metrics = r#"{"inputTokenCount":20,"outputTokenCount":7,"invocationLatency":900,
            "firstByteLatency":100,"cacheReadInputTokenCount":5,"cacheWriteInputTokenCount":3}"#;
        let both = r#"{"inputTokens":20,"outputTokens":7,"cacheReadInputTokens":5,
            "cacheReadInputTokenCount":5,"cacheWriteInputTokens":3,"cacheWriteInputTokenCount":3}"#;
        for text in [converse, metrics, both] {
            assert_eq!(read(Dialect::BedrockConverse, text), expected, "{text}");
            assert_eq!(read(Dialect::BedrockInvoke, text), expected, "{text}");
        }
    }

    #[test]
    fn invoke_model_speaks_as_the_models_maker_does() {
        let expected = Some(TokenUsage {
            input: 20,
            output: 7,
            ..TokenUsage::default()
        });
        for text in [
            r#"{"input_tokens":20,"output_tokens":7,"cache_read_input_tokens":0}"#,
            r#"{"prompt_tokens":20,"completion_tokens":7,"total_tokens":27}"#,
        ] {
            assert_eq!(read(Dialect::BedrockInvoke, text), expected, "{text}");
        }
    }

    #[test]
    fn invoke_model_counts_in_headers() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-amzn-bedrock-input-token-count", "20"),
            ("x-amzn-bedrock-output-token-count", "7"),
            ("x-amzn-bedrock-cache-read-input-token-count", "5"),
            ("x-amzn-bedrock-cache-write-input-token-count", "many"),
        ] {
            headers.insert(name, value.parse().expect("a value"));
        }
        let usage = |dialect| TokenUsage::default().updated_by_headers(dialect, &headers);
        let expected = TokenUsage {
            input: 20,
            output: 7,
            cache_read: 5,
            ..TokenUsage::default()
        };
        assert_eq!(usage(Dialect::BedrockInvoke), Some(expected));
        assert_eq!(usage(Dialect::AnthropicMessages), None);
        let none =
            TokenUsage::default().updated_by_headers(Dialect::BedrockInvoke, &HeaderMap::new());
        assert_eq!(none, None);
    }

    #[test]
    fn gemini_counts_overlap_in_the_input_and_not_in_the_output() {
        let usage = r#"{"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":7,
            "thoughtsTokenCount":30,"toolUsePromptTokenCount":4,"totalTokenCount":141,
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":100}]}"#;
        let expected = TokenUsage {
            input: 44,
            output: 37,
            cache_read: 60,
            cache_write: 0,
            reasoning: 30,
        };
        assert_eq!(read(Dialect::GeminiGenerate, usage), Some(expected));
    }

    #[test]
    fn gemini_events_overwrite_only_what_they_name() {
        let mut usage = TokenUsage::default();
        for event in [
            r#"{"promptTokenCount":9,"thoughtsTokenCount":20,"totalTokenCount":29}"#,
            r#"{"promptTokenCount":9,"candidatesTokenCount":3,"thoughtsTokenCount":20}"#,
            r#"{"promptTokenCount":9,"candidatesTokenCount":8}"#,
        ] {
            let updated = usage.updated_by(Dialect::GeminiGenerate, event.as_bytes());
            usage = updated.expect("counts");
        }
        let expected = TokenUsage {
            input: 9,
            output: 28,
            reasoning: 20,
            ..TokenUsage::default()
        };
        assert_eq!(usage, expected);
    }
}
