//! `GET /v1/models` and `GET /v1/models/{id}` in Anthropic's shape.

use crate::json::{Json, object};

/// What the list shows, with the names for people; any other id is answered as
/// well.
const MODELS: [(&str, &str); 3] = [
    ("claude-opus-4-7", "Claude Opus 4.7"),
    ("claude-sonnet-4-6", "Claude Sonnet 4.6"),
    ("claude-haiku-4-5-20251001", "Claude Haiku 4.5"),
];

pub(crate) fn build_list() -> Json {
    let models = MODELS
        .into_iter()
        .map(|(id, name)| build_entry(id, name))
        .collect();
    let id_of = |entry: Option<&(&'static str, &str)>| entry.map(|(id, _)| *id);
    object! {
        "data" => Json::Array(models),
        "has_more" => false,
        "first_id" => id_of(MODELS.first()),
        "last_id" => id_of(MODELS.last()),
    }
}

pub(crate) fn build_model(id: &str) -> Json {
    let known = MODELS.into_iter().find(|(known, _)| *known == id);
    build_entry(id, known.map_or(id, |(_, name)| name))
}

fn build_entry(id: &str, name: &str) -> Json {
    object! {
        "type" => "model",
        "id" => id,
        "display_name" => name,
        "created_at" => "2026-10-01T00:00:00Z",
        "max_input_tokens" => 200_000_u64,
        "max_tokens" => 64_000_u64,
        "lifecycle" => "active",
    }
}
