//! What the content filter adds to OpenAI's answers of chats and completions.
//!
//! <https://learn.microsoft.com/azure/ai-services/openai/concepts/content-filter-annotations>

use bytes::Bytes;

use crate::{
    json::{Json, array, object},
    openai::DONE,
    stream::{Events, data_frame},
};

/// Adds the filter's words to an answer in one piece.
pub(crate) fn note_answer(answer: Json) -> Json {
    note_choices(answer).with("prompt_filter_results", build_prompt_results())
}

/// The events of a stream: one on the prompt alone, then the chunks, `[DONE]`; with
/// the chunks comes the place of the finish reason.
pub(crate) fn build_events((chunks, terminal): (Vec<Json>, usize)) -> Events {
    let on_prompt = object! {
        "choices" => array![],
        "created" => 0_u64,
        "id" => "",
        "model" => "",
        "object" => "",
        "prompt_filter_results" => build_prompt_results(),
    };
    let chunks = chunks.into_iter().map(note_choices);
    let frames = [on_prompt].into_iter().chain(chunks);
    Events {
        frames: frames
            .map(|chunk| data_frame(&chunk))
            .chain([Bytes::from_static(DONE)])
            .collect(),
        terminal: terminal + 1,
    }
}

/// What the filter found, by category; in the prompt of a refusal it found violence.
pub(crate) fn build_results(is_filtered: bool) -> Json {
    let safe = || object! { "filtered" => false, "severity" => "safe" };
    let found = object! { "filtered" => true, "severity" => "high" };
    object! {
        "hate" => safe(),
        "self_harm" => safe(),
        "sexual" => safe(),
        "violence" => if is_filtered { found } else { safe() },
    }
}

fn build_prompt_results() -> Json {
    let jailbreak = object! { "detected" => false, "filtered" => false };
    array![object! {
        "prompt_index" => 0_u64,
        "content_filter_results" => build_results(false).with("jailbreak", jailbreak),
    }]
}

fn note_choices(answer: Json) -> Json {
    let Json::Object(entries) = answer else {
        return answer;
    };
    let entries = entries.into_iter().map(|(key, value)| match value {
        Json::Array(choices) if key == "choices" => (
            key,
            Json::Array(choices.into_iter().map(note_choice).collect()),
        ),
        other => (key, other),
    });
    Json::Object(entries.collect())
}

fn note_choice(choice: Json) -> Json {
    let results = if has_text(&choice) {
        build_results(false)
    } else {
        object! {}
    };
    choice.with("content_filter_results", results)
}

/// Whether a choice, or the message or delta in it, has a text that is not empty.
fn has_text(choice: &Json) -> bool {
    let Json::Object(entries) = choice else {
        return false;
    };
    entries.iter().any(|(key, value)| match (*key, value) {
        ("message" | "delta", within) => has_text(within),
        ("content" | "text", Json::Value(text)) => {
            text.as_str().is_some_and(|text| !text.is_empty())
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(json: &Json) -> Value {
        serde_json::from_str(&json.to_text()).expect("JSON")
    }

    #[test]
    fn only_text_has_results() {
        for (choice, has_results) in [
            (object! { "text" => "a" }, true),
            (object! { "delta" => object! { "content" => "a" } }, true),
            (
                object! { "delta" => object! { "content" => "", "role" => "assistant" } },
                false,
            ),
            (
                object! { "message" => object! { "content" => Json::NULL } },
                false,
            ),
        ] {
            let noted = parse(&note_answer(object! { "choices" => array![choice] }));
            let results = &noted["choices"][0]["content_filter_results"];
            assert_eq!(results != &json!({}), has_results, "{noted}");
            assert!(noted["prompt_filter_results"].is_array());
        }
    }

    #[test]
    fn a_stream_begins_with_an_event_on_the_prompt() {
        let chunk =
            |delta| object! { "id" => "c", "choices" => array![object! { "delta" => delta }] };
        let text = chunk(object! { "content" => "a" });
        let events = build_events((vec![text, chunk(object! {})], 1));
        let frames: Vec<&[u8]> = events.frames.iter().map(AsRef::as_ref).collect();
        let data = frames[0].strip_prefix(b"data: ").expect("a data line");
        let first: Value = serde_json::from_slice(data).expect("JSON");
        assert_eq!((&first["id"], &first["choices"]), (&json!(""), &json!([])));
        assert_eq!(first["prompt_filter_results"][0]["prompt_index"], 0);
        assert_eq!((frames.len(), events.terminal), (4, 2));
        assert_eq!(frames[3], DONE);
    }
}
