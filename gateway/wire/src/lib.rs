//! Everything that crosses a process boundary of Anyray as bytes has its one definition here.
//!
//! All of it is pure: no I/O, no clock, no runtime.
//! What a program does with these shapes lives in that program's crate.
//!
//! | Dialect | Documented upstream |
//! |---|---|
//! | [`Dialect::OpenAiChat`] | <https://platform.openai.com/docs/api-reference/chat> |
//! | [`Dialect::OpenAiResponses`] | <https://platform.openai.com/docs/api-reference/responses> |
//! | [`Dialect::AnthropicMessages`] | <https://docs.anthropic.com/en/api/messages> |
//! | [`Dialect::BedrockInvoke`] | <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html> |
//! | [`Dialect::BedrockConverse`] | <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html> |
//! | [`Dialect::GeminiGenerate`] | <https://ai.google.dev/api/generate-content> |

pub mod anthropic;
pub mod anyray;
pub mod aws_event_stream;
pub mod bedrock;
pub mod error;
pub mod gateway_config;
pub mod gemini;
pub mod json_edit;
pub mod key_scan;
pub mod model_list;
pub mod openai;
pub mod sse;
pub mod usage;

/// What a body looks like, as opposed to where it goes.
///
/// Equal dialects pass bytes through; only different ones need a translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI's bodies other than Responses: chat completions, legacy completions, embeddings,
    /// models and files share one error envelope and one stream grammar (`data:` frames, then
    /// `[DONE]`).
    OpenAiChat,
    /// OpenAI's Responses: named events that end in `response.completed`, `.incomplete` or
    /// `.failed`.
    OpenAiResponses,
    /// Anthropic's Messages: named events that end in `message_stop`.
    ///
    /// Claude on Vertex and Bedrock's own Messages path speak it, too.
    AnthropicMessages,
    /// Amazon Bedrock's `InvokeModel` and `InvokeModelWithResponseStream`: bodies of the model's
    /// maker, with AWS's errors; a stream carries the maker's events inside frames of
    /// [`aws_event_stream`].
    BedrockInvoke,
    /// Amazon Bedrock's `Converse` and `ConverseStream`: one shape for every model; a stream is
    /// frames of [`aws_event_stream`] that end in `messageStop`, then `metadata`.
    BedrockConverse,
    /// Google's `generateContent`, `streamGenerateContent` and `countTokens`: unnamed `data:`
    /// events without a last word; the stream's end is the answer's end.
    GeminiGenerate,
}

impl Dialect {
    /// The dialect's name in messages, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::OpenAiResponses => "openai-responses",
            Self::AnthropicMessages => "anthropic-messages",
            Self::BedrockInvoke => "bedrock-invoke",
            Self::BedrockConverse => "bedrock-converse",
            Self::GeminiGenerate => "gemini-generate",
        }
    }
}
