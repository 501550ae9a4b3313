//! `GET /openai/models` and `GET /openai/v1/models`, and one of them.

use crate::{
    azure_openai::MODEL,
    json::{Json, array, object},
};

/// When all of them were made: 1 October 2026.
const CREATED: u64 = 1_790_812_800;

pub(crate) fn build_list() -> Json {
    object! { "data" => array![build_model(MODEL)], "object" => "list" }
}

pub(crate) fn build_model(id: &str) -> Json {
    object! {
        "status" => "succeeded",
        "capabilities" => object! {
            "fine_tune" => false,
            "inference" => true,
            "completion" => true,
            "chat_completion" => true,
            "embeddings" => true,
        },
        "lifecycle_status" => "generally-available",
        "id" => id,
        "created_at" => CREATED,
        "object" => "model",
    }
}
