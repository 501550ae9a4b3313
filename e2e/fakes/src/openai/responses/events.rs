//! The event order of a streamed response.

use bytes::Bytes;
use serde_json::Value;

use crate::{
    json::{Json, array, object},
    openai::responses::{
        build_answer, build_item, build_part, build_response, item_id, item_status,
    },
    reply::{Ending, Output, Reply},
    stream::{Events, named_frame},
};

/// Numbers and names events as they come.
#[derive(Default)]
struct Sequence {
    frames: Vec<Bytes>,
}

impl Sequence {
    /// Adds an event; `fields` are the keys after `type` and `sequence_number`.
    fn push(&mut self, name: &str, fields: Vec<(&'static str, Json)>) {
        self.frames
            .push(build_frame(name, self.frames.len(), fields));
    }
}

fn build_frame(name: &str, number: usize, fields: Vec<(&'static str, Json)>) -> Bytes {
    let head = object! { "type" => name, "sequence_number" => number };
    let event = fields
        .into_iter()
        .fold(head, |event, (key, value)| event.with(key, value));
    named_frame(name, &event)
}

/// The answer as a stream, in the order of the provider, without `[DONE]`.
pub(crate) fn build_events(reply: &Reply, request: &Value) -> Events {
    let mut sequence = Sequence::default();
    let begun = build_response(reply, request, "in_progress");
    sequence.push("response.created", vec![("response", begun.clone())]);
    sequence.push("response.in_progress", vec![("response", begun)]);
    let item = |status| {
        vec![
            ("output_index", 0_u64.into()),
            ("item", build_item(reply, status)),
        ]
    };
    sequence.push("response.output_item.added", item("in_progress"));
    match &reply.output {
        Output::Text(pieces) => push_text(&mut sequence, &item_id(reply), pieces),
        Output::Call { name, arguments } => {
            push_call(&mut sequence, &item_id(reply), name, arguments);
        }
    }
    sequence.push("response.output_item.done", item(item_status(reply)));
    let terminal = sequence.frames.len();
    sequence.push(
        terminal_name(reply),
        vec![("response", build_answer(reply, request))],
    );
    Events {
        frames: sequence.frames,
        terminal,
    }
}

fn push_text(sequence: &mut Sequence, item_id: &str, pieces: &[String]) {
    let place = || -> Vec<(&'static str, Json)> {
        vec![
            ("item_id", item_id.into()),
            ("output_index", 0_u64.into()),
            ("content_index", 0_u64.into()),
        ]
    };
    let with = |more: Vec<(&'static str, Json)>| [place(), more].concat();
    sequence.push(
        "response.content_part.added",
        with(vec![("part", build_part(""))]),
    );
    for piece in pieces {
        let delta = vec![("delta", piece.as_str().into()), ("logprobs", array![])];
        sequence.push("response.output_text.delta", with(delta));
    }
    let text = pieces.concat();
    let whole = vec![("text", text.as_str().into()), ("logprobs", array![])];
    sequence.push("response.output_text.done", with(whole));
    sequence.push(
        "response.content_part.done",
        with(vec![("part", build_part(&text))]),
    );
}

fn push_call(sequence: &mut Sequence, item_id: &str, name: &str, arguments: &[String]) {
    let place = || {
        vec![
            ("item_id", Json::from(item_id)),
            ("output_index", 0_u64.into()),
        ]
    };
    for piece in arguments {
        let delta = vec![("delta", piece.as_str().into())];
        sequence.push(
            "response.function_call_arguments.delta",
            [place(), delta].concat(),
        );
    }
    let whole = vec![
        ("name", name.into()),
        ("arguments", arguments.concat().into()),
    ];
    sequence.push(
        "response.function_call_arguments.done",
        [place(), whole].concat(),
    );
}

fn terminal_name(reply: &Reply) -> &'static str {
    match reply.ending {
        Ending::Complete => "response.completed",
        Ending::Incomplete => "response.incomplete",
        Ending::Failed => "response.failed",
    }
}

/// The error event of a stream; `number` is its place.
pub(crate) fn build_error_frame(number: usize) -> Bytes {
    let message = "The server had an error while processing your request. Sorry!";
    let fields = vec![
        ("code", "server_error".into()),
        ("message", message.into()),
        ("param", Json::NULL),
    ];
    build_frame("error", number, fields)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::openai::responses::read_prompt;

    fn events(model: &str) -> Vec<(String, Value)> {
        let request = json!({"model": "m", "input": "hi there"});
        let prompt = read_prompt(&request).expect("a prompt");
        let reply = Reply::new(prompt, &model.parse().expect("a scenario"), 1, 2);
        let events = build_events(&reply, &request);
        assert_eq!(events.terminal + 1, events.frames.len());
        events.frames.iter().map(parse).collect()
    }

    fn parse(frame: &Bytes) -> (String, Value) {
        let text = std::str::from_utf8(frame).expect("text");
        let (name, data) = text.split_once('\n').expect("two lines");
        let data = data.strip_prefix("data: ").expect("a data line");
        let name = name.strip_prefix("event: ").expect("an event line");
        (name.to_owned(), serde_json::from_str(data).expect("JSON"))
    }

    fn names(model: &str) -> Vec<String> {
        let short = |(name, _): (String, Value)| name.trim_start_matches("response.").to_owned();
        events(model).into_iter().map(short).collect()
    }

    #[test]
    fn a_text_comes_in_the_order_of_the_provider() {
        assert_eq!(
            names("m"),
            [
                "created",
                "in_progress",
                "output_item.added",
                "content_part.added",
                "output_text.delta",
                "output_text.delta",
                "output_text.delta",
                "output_text.done",
                "content_part.done",
                "output_item.done",
                "completed",
            ]
        );
    }

    #[test]
    fn a_call_comes_in_the_order_of_the_provider() {
        assert_eq!(
            names("fake-tools"),
            [
                "created",
                "in_progress",
                "output_item.added",
                "function_call_arguments.delta",
                "function_call_arguments.delta",
                "function_call_arguments.delta",
                "function_call_arguments.done",
                "output_item.done",
                "completed",
            ]
        );
    }

    #[test]
    fn each_event_has_its_name_and_number() {
        for (number, (name, data)) in events("m").into_iter().enumerate() {
            assert_eq!(data["type"], name);
            assert_eq!(data["sequence_number"], number);
        }
        let (name, data) = parse(&build_error_frame(5));
        assert_eq!(
            (name.as_str(), &data["sequence_number"]),
            ("error", &json!(5))
        );
    }

    #[test]
    fn only_the_last_event_has_usage() {
        let events = events("m");
        assert!(events[0].1["response"]["usage"].is_null());
        let (_, completed) = events.last().expect("an event");
        assert_eq!(completed["response"]["usage"]["output_tokens"], 3);
    }

    #[test]
    fn other_endings_have_their_own_event() {
        assert_eq!(
            names("fake-failed").last().map(String::as_str),
            Some("failed")
        );
        assert_eq!(
            names("fake-incomplete").last().map(String::as_str),
            Some("incomplete")
        );
    }
}
