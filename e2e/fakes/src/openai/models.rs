//! `GET /v1/models` and `GET /v1/models/{id}` in OpenAI's shape.

use crate::json::{Json, object};

/// What the list shows; any other name is answered as well.
const MODELS: [&str; 6] = [
    "gpt-6",
    "gpt-5.6",
    "gpt-5.6-mini",
    "gpt-3.5-turbo-instruct",
    "text-embedding-3-small",
    "text-embedding-3-large",
];

/// When all of them were made: 1 October 2026.
const CREATED: u64 = 1_790_812_800;

pub(crate) fn build_list() -> Json {
    let models = MODELS.into_iter().map(build_model).collect();
    object! { "object" => "list", "data" => Json::Array(models) }
}

pub(crate) fn build_model(id: &str) -> Json {
    object! { "id" => id, "object" => "model", "created" => CREATED, "owned_by" => "openai" }
}
