//! `POST /v1/completions`, the old endpoint for bare text.

use bytes::Bytes;
use serde_json::Value;

use crate::{
    identity::long_id,
    json::{Json, array, object},
    openai::{DONE, build_usage, error::refuse_missing},
    prompt::{Prompt, count_words_of, find_model, last_text, wants_usage_chunk},
    refusal::Refusal,
    reply::{Ending, Output, Reply},
    stream::{Events, data_frame},
};

/// Reads a request.
///
/// # Errors
///
/// The provider's 400 if it has no model or no prompt.
pub(crate) fn read_prompt(request: &Value) -> Result<Prompt, Refusal> {
    let model = find_model(request).ok_or_else(|| refuse_missing("model"))?;
    let prompt = request
        .get("prompt")
        .ok_or_else(|| refuse_missing("prompt"))?;
    Ok(Prompt {
        model: model.to_owned(),
        text: last_text(prompt).unwrap_or_default().to_owned(),
        words: count_words_of(request, &["prompt"]),
        // There are no tools here; a call's arguments are plain text.
        ..Prompt::default()
    })
}

/// The answer in one piece.
pub(crate) fn build_answer(reply: &Reply) -> Json {
    let choice = build_choice(&text_pieces(reply).concat(), finish_reason(reply).into());
    let answer = build_head(reply).with("choices", array![choice]);
    match &reply.usage {
        Some(usage) => answer.with("usage", build_usage(usage)),
        None => answer,
    }
}

/// The answer as a stream: the chunks, `[DONE]`.
pub(crate) fn build_events(reply: &Reply, request: &Value) -> Events {
    let (chunks, terminal) = build_chunks(reply, request);
    let frames = chunks.iter().map(data_frame);
    Events {
        frames: frames.chain([Bytes::from_static(DONE)]).collect(),
        terminal,
    }
}

/// Pieces, finish reason, usage if asked, and the place of the finish reason.
pub(crate) fn build_chunks(reply: &Reply, request: &Value) -> (Vec<Json>, usize) {
    let usage = reply.usage.as_ref().filter(|_| wants_usage_chunk(request));
    let chunk = |choices: Json, usage_field: Option<Json>| {
        let head = build_head(reply).with("choices", choices);
        match usage_field {
            Some(field) => head.with("usage", field),
            None => head,
        }
    };
    let empty_usage = || usage.map(|_| Json::NULL);
    let pieces = text_pieces(reply).iter();
    let mut chunks: Vec<Json> = pieces
        .map(|piece| chunk(array![build_choice(piece, Json::NULL)], empty_usage()))
        .collect();
    let terminal = chunks.len();
    let finish = build_choice("", finish_reason(reply).into());
    chunks.push(chunk(array![finish], empty_usage()));
    if let Some(usage) = usage {
        chunks.push(chunk(array![], Some(build_usage(usage))));
    }
    (chunks, terminal)
}

fn text_pieces(reply: &Reply) -> &[String] {
    let (Output::Text(pieces)
    | Output::Call {
        arguments: pieces, ..
    }) = &reply.output;
    pieces
}

fn build_choice(text: &str, finish_reason: Json) -> Json {
    object! {
        "text" => text,
        "index" => 0_u64,
        "logprobs" => Json::NULL,
        "finish_reason" => finish_reason,
    }
}

fn build_head(reply: &Reply) -> Json {
    object! {
        "id" => long_id("cmpl-", reply.serial),
        "object" => "text_completion",
        "created" => reply.created,
        "model" => reply.model.as_str(),
    }
}

fn finish_reason(reply: &Reply) -> &'static str {
    if reply.ending == Ending::Incomplete {
        "length"
    } else {
        "stop"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn the_last_prompt_is_repeated() {
        for prompt in [json!("hi"), json!(["first", "hi"])] {
            let prompt = read_prompt(&json!({"model": "m", "prompt": prompt})).expect("a prompt");
            let answer = build_answer(&Reply::new(prompt, &Scenario::Answer, 1, 2)).to_text();
            assert!(answer.contains(r#""text":"echo: hi""#), "{answer}");
        }
    }

    #[test]
    fn a_stream_ends_with_finish_reason_usage_and_done() {
        let request =
            json!({"model": "m", "prompt": "hi", "stream_options": {"include_usage": true}});
        let prompt = read_prompt(&request).expect("a prompt");
        let events = build_events(&Reply::new(prompt, &Scenario::Answer, 1, 2), &request);
        let frames: Vec<&str> = events
            .frames
            .iter()
            .filter_map(|frame| std::str::from_utf8(frame).ok())
            .collect();
        assert_eq!(frames.len(), 5);
        assert!(frames[events.terminal].contains(r#""finish_reason":"stop""#));
        assert!(frames[3].contains(r#""choices":[],"usage":{"#));
        assert_eq!(frames[4], "data: [DONE]\n\n");
    }
}
