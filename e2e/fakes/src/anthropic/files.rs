//! `GET /v1/files` in Anthropic's shape.

use crate::json::{Json, array, object};

pub(crate) fn build_list() -> Json {
    let file = object! {
        "type" => "file",
        "id" => "file_011anyrayfakes",
        "filename" => "example.txt",
        "mime_type" => "text/plain",
        "size_bytes" => 120_u64,
        "created_at" => "2026-10-01T00:00:00Z",
        "downloadable" => false,
    };
    object! {
        "data" => array![file],
        "first_id" => "file_011anyrayfakes",
        "last_id" => "file_011anyrayfakes",
        "has_more" => false,
    }
}
