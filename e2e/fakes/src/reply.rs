//! What a scenario makes of a prompt, before a dialect writes it down.

use serde_json::json;

use crate::{
    example::example_value,
    prompt::{Function, MAX_ECHO_BYTES, Prompt, cut_text},
    scenario::Scenario,
};

/// Text with characters of two, three and four bytes.
const MANY_SCRIPTS: &str = "Grüße aus Zürich, 你好世界, こんにちは, привет, 🦀👩‍👩‍👧 fertig.";

/// Size of a piece of a long text.
const LONG_PIECE_BYTES: usize = 1024;

/// What the model says before it calls a tool.
pub(crate) const BEFORE_TOOL: &str = "Let me check that for you.";

/// An answer without a dialect.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Number of the request at this fake; ids are made of it.
    pub(crate) serial: u64,
    /// Unix time in seconds.
    pub(crate) created: u64,
    /// The model as the request spells it.
    pub(crate) model: String,
    /// What the model says or does.
    pub(crate) output: Output,
    /// How it ends.
    pub(crate) ending: Ending,
    /// What it cost; `None` when the scenario hides it.
    pub(crate) usage: Option<Usage>,
}

/// What the model says or does, in the pieces in which a stream carries it.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// Text.
    Text(Vec<String>),
    /// A call of a function; the pieces join to the JSON of its arguments.
    Call {
        /// The function's name.
        name: String,
        /// The arguments.
        arguments: Vec<String>,
    },
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The model said all it had to say.
    Complete,
    /// The token limit.
    Incomplete,
    /// A failure of the provider while answering.
    Failed,
}

/// Tokens, which here are words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// All that the model read, cached parts included.
    pub(crate) input: u64,
    /// Of these, read from the cache.
    pub(crate) cached: u64,
    /// Of these, written to the cache.
    pub(crate) written: u64,
    /// All that the model wrote.
    pub(crate) output: u64,
}

impl Usage {
    fn new(input: u64, output: u64) -> Self {
        Self {
            input,
            cached: input / 4,
            written: input / 8,
            output,
        }
    }

    /// What was read and neither came from nor went to the cache.
    pub(crate) fn uncached(&self) -> u64 {
        self.input - self.cached - self.written
    }
}

impl Output {
    /// The text, or nothing for a call.
    #[cfg(test)]
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Text(pieces) => Some(pieces.concat()),
            Self::Call { .. } => None,
        }
    }

    fn words(&self) -> u64 {
        let (Self::Text(pieces)
        | Self::Call {
            arguments: pieces, ..
        }) = self;
        let words: usize = pieces
            .iter()
            .map(|piece| piece.split_whitespace().count())
            .sum();
        words.max(1) as u64
    }
}

impl Reply {
    pub(crate) fn new(prompt: Prompt, scenario: &Scenario, serial: u64, created: u64) -> Self {
        let output = build_output(&prompt, scenario);
        let usage = Usage::new(prompt.words, output.words());
        let ending = match scenario {
            Scenario::Incomplete => Ending::Incomplete,
            Scenario::Failed => Ending::Failed,
            _ => Ending::Complete,
        };
        let usage = Some(usage).filter(|_| *scenario != Scenario::NoUsage);
        Self {
            serial,
            created,
            model: prompt.model,
            output,
            ending,
            usage,
        }
    }
}

fn build_output(prompt: &Prompt, scenario: &Scenario) -> Output {
    Output::Text(match scenario {
        Scenario::Tools if !prompt.ends_with_tool_result => {
            return build_call(prompt.function.as_ref());
        }
        Scenario::SplitBytes => split_words(MANY_SCRIPTS),
        Scenario::LongText { bytes } => split_evenly(&long_text(*bytes)),
        Scenario::HugeFrame { bytes } => vec![long_text(*bytes)],
        Scenario::Events { n } => (0..*n).map(|at| format!("tok{at} ")).collect(),
        _ => match &prompt.text_schema {
            Some(schema) => split_words(&example_value(schema).to_string()),
            None => split_words(&format!("echo: {}", cut_text(&prompt.text, MAX_ECHO_BYTES))),
        },
    })
}

fn build_call(function: Option<&Function>) -> Output {
    let name = function.map_or("get_weather", |function| function.name.as_str());
    let arguments = function.map_or_else(
        || json!({ "city": "Zürich", "unit": "celsius" }),
        |function| example_value(&function.schema),
    );
    // Arguments are an object, whatever the schema is.
    let arguments = if arguments.is_object() {
        arguments
    } else {
        json!({})
    };
    Output::Call {
        name: name.to_owned(),
        arguments: split_thirds(&arguments.to_string()),
    }
}

fn split_words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// Three pieces, so that no piece is JSON by itself.
fn split_thirds(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let size = characters.len().div_ceil(3).max(1);
    characters
        .chunks(size)
        .map(|piece| piece.iter().collect())
        .collect()
}

fn split_evenly(text: &str) -> Vec<String> {
    let pieces = text.as_bytes().chunks(LONG_PIECE_BYTES);
    pieces
        .map(|piece| String::from_utf8_lossy(piece).into_owned())
        .collect()
}

/// ASCII, so that it can be split anywhere.
fn long_text(bytes: usize) -> String {
    "0123456789abcde ".chars().cycle().take(bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(model: &str, text: &str) -> Output {
        let prompt = Prompt {
            text: text.to_owned(),
            words: 9,
            ..Prompt::default()
        };
        Reply::new(prompt, &model.parse().expect("a scenario"), 1, 2).output
    }

    #[test]
    fn the_plain_answer_repeats_the_prompt() {
        let output = output("gpt-5.6", "hello there");
        assert_eq!(output.text().as_deref(), Some("echo: hello there"));
        assert!(matches!(output, Output::Text(pieces) if pieces.len() == 3));
    }

    #[test]
    fn a_text_schema_is_answered_with_json() {
        let schema = json!({"properties": {"a": {"const": 1}}, "required": ["a"]});
        let prompt = Prompt {
            text_schema: Some(schema),
            ..Prompt::default()
        };
        let reply = Reply::new(prompt, &Scenario::Answer, 1, 2);
        assert_eq!(reply.output.text().as_deref(), Some(r#"{"a":1}"#));
    }

    #[test]
    fn long_texts_have_the_size_asked_for() {
        assert_eq!(
            output("fake-long-text-5000", "")
                .text()
                .map(|text| text.len()),
            Some(5000)
        );
        assert!(
            matches!(output("fake-huge-frame-5000", ""), Output::Text(pieces) if pieces.len() == 1)
        );
        assert!(matches!(output("fake-events-7", ""), Output::Text(pieces) if pieces.len() == 7));
    }

    #[test]
    fn a_tool_is_called_until_it_has_answered() {
        assert!(matches!(output("fake-tools", ""), Output::Call { .. }));
        let prompt = Prompt {
            ends_with_tool_result: true,
            ..Prompt::default()
        };
        let reply = Reply::new(prompt, &Scenario::Tools, 1, 2);
        assert!(matches!(reply.output, Output::Text(_)));
    }

    #[test]
    fn arguments_come_in_pieces_that_are_not_json() {
        let Output::Call { arguments, .. } = output("fake-tools", "") else {
            panic!("no call")
        };
        assert_eq!(arguments.len(), 3);
        assert!(
            arguments
                .iter()
                .all(|piece| serde_json::from_str::<serde_json::Value>(piece).is_err())
        );
    }

    #[test]
    fn parts_of_the_input_add_up() {
        let usage = Usage::new(17, 3);
        assert_eq!(usage.uncached() + usage.cached + usage.written, usage.input);
    }
}
