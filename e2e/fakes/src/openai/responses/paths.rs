//! The paths below `/v1/responses`: counting, compaction, and stored responses.
//!
//! The fake stores nothing: any id is answered.

use serde_json::Value;

use crate::{
    identity::long_id,
    json::{Json, array, object},
    openai::responses::{build_part, build_usage, repeat, response_id},
    prompt::Prompt,
    reply::{Reply, Usage},
};

/// `POST /v1/responses/input_tokens`.
pub(crate) fn count_input(prompt: &Prompt) -> Json {
    object! { "object" => "response.input_tokens", "input_tokens" => prompt.words }
}

/// `POST /v1/responses/compact`.
pub(crate) fn build_compaction(reply: &Reply) -> Json {
    let item = object! {
        "id" => long_id("cmp_", reply.serial),
        "type" => "compaction",
        "encrypted_content" => long_id("fake", reply.serial),
    };
    object! {
        "id" => response_id(reply),
        "object" => "response.compaction",
        "created_at" => reply.created,
        "output" => array![item],
        "usage" => reply.usage.as_ref().map(build_usage),
    }
}

/// `GET /v1/responses/{id}` and, with `cancelled`, `POST …/{id}/cancel`.
pub(crate) fn build_stored(id: &str, created: u64, status: &str) -> Json {
    let text = format!("stored: {id}");
    let message = object! {
        "id" => "msg_stored",
        "type" => "message",
        "status" => "completed",
        "content" => array![build_part(&text)],
        "role" => "assistant",
    };
    let usage = Usage {
        input: 8,
        cached: 2,
        written: 1,
        output: 2,
    };
    let head = object! {
        "id" => id,
        "object" => "response",
        "created_at" => created,
        "status" => status,
        "error" => Json::NULL,
        "incomplete_details" => Json::NULL,
        "model" => "gpt-5.6",
        "output" => array![message],
        "usage" => build_usage(&usage),
    };
    repeat(head, &Value::Null)
}

/// `DELETE /v1/responses/{id}`.
pub(crate) fn build_deleted(id: &str) -> Json {
    object! { "id" => id, "object" => "response", "deleted" => true }
}

/// `GET /v1/responses/{id}/input_items`.
pub(crate) fn list_input_items() -> Json {
    let item = object! {
        "id" => "msg_input",
        "type" => "message",
        "status" => "completed",
        "content" => array![object! { "type" => "input_text", "text" => "stored" }],
        "role" => "user",
    };
    object! {
        "object" => "list",
        "data" => array![item],
        "first_id" => "msg_input",
        "last_id" => "msg_input",
        "has_more" => false,
    }
}
