//! `GET /v1/files`: a path that a gateway passes only when told to.

use crate::json::{Json, array, object};

pub(crate) fn build_list() -> Json {
    let file = object! {
        "id" => "file-anyrayfakes0000000001",
        "object" => "file",
        "bytes" => 120_u64,
        "created_at" => 1_790_812_800_u64,
        "filename" => "example.jsonl",
        "purpose" => "batch",
        "status" => "processed",
    };
    object! { "object" => "list", "data" => array![file], "has_more" => false }
}
