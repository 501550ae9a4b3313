//! What a path asks for: the operations, and the paths that OpenAI's and Anthropic's SDKs use.
//!
//! Paths that only one provider has are in that provider's file.

use anyray_wire::Dialect;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What a request does, for routing, accounting and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// OpenAI chat completions.
    ChatCompletions,
    /// OpenAI legacy completions.
    Completions,
    /// OpenAI Responses: a new response.
    Responses,
    /// OpenAI Responses: reading, cancelling or deleting one.
    StoredResponses,
    /// OpenAI embeddings.
    Embeddings,
    /// The list of models, or one of them, in either API.
    Models,
    /// Anthropic messages, whoever serves them.
    Messages,
    /// Token counting, in any API.
    CountTokens,
    /// Bedrock's `InvokeModel` and `InvokeModelWithResponseStream`.
    InvokeModel,
    /// Bedrock's `Converse` and `ConverseStream`.
    Converse,
    /// Gemini's `generateContent` and `streamGenerateContent`.
    GenerateContent,
    /// A path of `passthroughPaths`.
    Passthrough,
}

impl Operation {
    /// The operation's name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::StoredResponses => "stored_responses",
            Self::Embeddings => "embeddings",
            Self::Models => "models",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::InvokeModel => "invoke_model",
            Self::Converse => "converse",
            Self::GenerateContent => "generate_content",
            Self::Passthrough => "passthrough",
        }
    }

    /// Whether the request names a model: in its path, if that has one, else in its body.
    pub fn has_model(self) -> bool {
        self.is_metered() || self == Self::CountTokens
    }

    /// Whether a successful answer must say how many tokens it cost.
    pub fn is_metered(self) -> bool {
        matches!(
            self,
            Self::ChatCompletions
                | Self::Completions
                | Self::Responses
                | Self::Embeddings
                | Self::Messages
                | Self::InvokeModel
                | Self::Converse
                | Self::GenerateContent
        )
    }
}

/// The methods that a path takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Methods {
    list: &'static [Method],
    /// Value of the header `allow`.
    pub allow: &'static str,
}

impl Methods {
    /// GET alone.
    pub const GET: Self = Self {
        list: &[Method::GET],
        allow: "GET",
    };
    /// POST alone.
    pub const POST: Self = Self {
        list: &[Method::POST],
        allow: "POST",
    };
    /// GET, POST and DELETE.
    pub const GET_POST_DELETE: Self = Self {
        list: &[Method::GET, Method::POST, Method::DELETE],
        allow: "GET, POST, DELETE",
    };
    /// All but CONNECT and TRACE, which mean something else to a proxy than to a provider.
    pub const ANY: Self = Self {
        list: &[
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ],
        allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    };

    /// Whether a method is among them.
    pub fn contain(self, method: &Method) -> bool {
        self.list.contains(method)
    }
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The methods that it takes.
    pub methods: Methods,
    /// What a request of it does.
    pub operation: Operation,
    /// What its body looks like; `None` where the header `anthropic-version` decides.
    pub dialect: Option<Dialect>,
    /// The model that the path names, percent-decoded. Where there is one, a body's counts for
    /// nothing.
    pub model: Option<String>,
}

impl Route {
    /// A path for POST whose body, if anything, names the model.
    pub fn post(operation: Operation, dialect: Dialect) -> Self {
        Self {
            methods: Methods::POST,
            operation,
            dialect: Some(dialect),
            model: None,
        }
    }

    /// The same with a model in the path; none where that is not UTF-8 or not a name.
    #[must_use]
    pub fn with_model(self, encoded: &str) -> Option<Self> {
        let model = decode(encoded)?;
        Some(Self {
            model: Some(model),
            ..self
        })
    }
}

/// One row of the table of plain paths.
#[derive(Clone, Copy, Debug)]
struct Row {
    /// Without `/v1`; a trailing `/*` stands for everything below.
    pattern: &'static str,
    methods: Methods,
    operation: Operation,
    dialect: Option<Dialect>,
}

const CHAT: Option<Dialect> = Some(Dialect::OpenAiChat);
const RESPONSES: Option<Dialect> = Some(Dialect::OpenAiResponses);
const MESSAGES: Option<Dialect> = Some(Dialect::AnthropicMessages);

/// Every plain path; the most frequent ones first.
const TABLE: &[Row] = &[
    post("/chat/completions", Operation::ChatCompletions, CHAT),
    post("/messages", Operation::Messages, MESSAGES),
    post("/responses", Operation::Responses, RESPONSES),
    post("/messages/count_tokens", Operation::CountTokens, MESSAGES),
    post("/embeddings", Operation::Embeddings, CHAT),
    post("/completions", Operation::Completions, CHAT),
    post("/responses/compact", Operation::Responses, RESPONSES),
    Row {
        methods: Methods::GET,
        ..post("/models", Operation::Models, None)
    },
    Row {
        methods: Methods::GET,
        ..post("/models/*", Operation::Models, None)
    },
    Row {
        methods: Methods::GET_POST_DELETE,
        ..post("/responses/*", Operation::StoredResponses, RESPONSES)
    },
];

const fn post(pattern: &'static str, operation: Operation, dialect: Option<Dialect>) -> Row {
    Row {
        pattern,
        methods: Methods::POST,
        operation,
        dialect,
    }
}

/// What a path of OpenAI's or Anthropic's API leads to. `path` is without `/v1`.
pub fn find_plain(path: &str) -> Option<Route> {
    let row = TABLE
        .iter()
        .find(|row| matches_pattern(row.pattern, path))?;
    Some(Route {
        methods: row.methods,
        operation: row.operation,
        dialect: row.dialect,
        model: None,
    })
}

/// Whether a path fits a pattern, in which a trailing `/*` stands for everything below.
pub fn matches_pattern(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path
            .strip_prefix(prefix)
            .is_some_and(|rest| !rest.is_empty()),
        None => pattern == path,
    }
}

/// What stays as it is in a segment: `@` is part of Vertex' names of models.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'@');

/// Writes a name as one segment of a path.
pub(crate) fn push_segment(url: &mut String, name: &str) {
    url.extend(utf8_percent_encode(name, SEGMENT));
}

/// Whether a name can stand in a path without leading elsewhere: in none of its parts between
/// slashes is there a step, and nothing in it reads otherwise after a further decoding.
pub(crate) fn is_name(name: &str) -> bool {
    let is_step = |part: &str| matches!(part, "" | "." | "..");
    let is_odd = |c: char| c.is_control() || matches!(c, '\\' | '%');
    !name.contains(is_odd) && !name.split('/').any(is_step)
}

/// The query without some of its parameters, whose names are given percent-decoded; `None` where
/// nothing is left.
pub(crate) fn query_without(
    query: Option<&str>,
    is_unwanted: impl Fn(&str) -> bool,
) -> Option<String> {
    let kept = query?.split('&').filter(|parameter| {
        let name = parameter.split('=').next().unwrap_or_default();
        let name = percent_decode_str(name).decode_utf8_lossy();
        !parameter.is_empty() && !is_unwanted(&name)
    });
    let kept: Vec<_> = kept.collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

/// The name that a segment stands for.
fn decode(segment: &str) -> Option<String> {
    let name = percent_decode_str(segment).decode_utf8().ok()?;
    (!name.is_empty()).then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_the_way_through_a_path() {
        for name in [
            "claude-sonnet-4-5@20250929",
            "anthropic.claude-opus-4-6-v1:0",
            "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.claude",
            "a b/\u{e4}?#%",
        ] {
            let mut segment = String::new();
            push_segment(&mut segment, name);
            assert!(!segment.contains(['/', '?', '#', ' ']), "{segment}");
            assert_eq!(decode(&segment).as_deref(), Some(name));
        }
        assert_eq!(decode("%ff"), None);
        assert_eq!(decode(""), None);
    }

    #[test]
    fn a_name_with_steps_in_it_is_none() {
        for name in [
            "", ".", "..", "a/../b", "a//b", "/a", "a/", "a\\b", "a\0", "a%2fb",
        ] {
            assert!(!is_name(name), "{name:?}");
        }
        for name in [
            "a..b",
            "a.b-v1:0",
            "google/gemini",
            "c@1",
            "a b",
            "arn:aws:x:y/z",
        ] {
            assert!(is_name(name), "{name:?}");
        }
    }

    #[test]
    fn parameters_are_known_whatever_their_escapes() {
        let left = |query| query_without(Some(query), |name| name == "key");
        assert_eq!(
            left("alt=sse&key=1&%6bey=2&k%65y"),
            Some("alt=sse".to_owned())
        );
        assert_eq!(
            left("a=b%26key&&keys=1"),
            Some("a=b%26key&keys=1".to_owned())
        );
        assert_eq!(left("key=1"), None);
        assert_eq!(left(""), None);
    }
}
