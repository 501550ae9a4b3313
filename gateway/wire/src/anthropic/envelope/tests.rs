//! Bodies and betas in, envelopes out.

use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use super::*;
use crate::json_edit::tests::any_value;

const TARGETS: [Envelope; 3] = [
    Envelope::Bedrock,
    Envelope::Vertex,
    Envelope::VertexCountTokens,
];

const MAPPED: &str = "mapped-model";

/// What Claude Code 2.1.330 asks of Anthropic, and what it asks when signed in.
const CLAUDE_CODE: &str = "claude-code-20250219,interleaved-thinking-2025-05-14, context-management-2025-06-27,per-turn-control-2026-07-01,mid-conversation-tool-changes-2026-07-01,thinking-token-count-2026-05-13,advanced-tool-use-2025-11-20,effort-2025-11-24,prompt-caching-scope-2026-01-05";

fn wrap_with(target: Envelope, body: &str, version: Option<&str>, betas: &[&str]) -> Wrapped {
    let betas = betas.iter().copied();
    wrap(target, body.as_bytes(), version, betas, MAPPED).expect("a good body")
}

fn text(wrapped: &Wrapped) -> &str {
    std::str::from_utf8(&wrapped.body).expect("UTF-8")
}

fn check(target: Envelope, body: &str, betas: &[&str], expected: &str) {
    let wrapped = wrap_with(target, body, Some("2023-06-01"), betas);
    assert_eq!(text(&wrapped), expected, "{target:?} of {body}");
}

#[test]
fn bedrock_has_model_and_stream_in_the_path_and_the_betas_in_the_body() {
    check(
        Envelope::Bedrock,
        r#"{"model":"claude", "max_tokens": 5,"stream":true,"messages":[ ]}"#,
        &["context-1m-2025-08-07"],
        r#"{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["context-1m-2025-08-07"],"max_tokens":5,"messages":[ ]}"#,
    );
}

#[test]
fn vertex_keeps_stream_and_has_the_betas_in_a_header() {
    let body = r#"{"model":"claude","stream": true,"max_tokens":5}"#;
    let betas = ["context-1m-2025-08-07,web-search-2025-03-05"];
    let wrapped = wrap_with(Envelope::Vertex, body, None, &betas);
    assert_eq!(
        text(&wrapped),
        r#"{"anthropic_version":"vertex-2023-10-16","stream":true,"max_tokens":5}"#
    );
    assert_eq!(wrapped.betas_header.as_deref(), Some(betas[0]));
    assert!(wrapped.is_stream);
}

#[test]
fn counting_tokens_on_vertex_has_the_model_in_the_body() {
    check(
        Envelope::VertexCountTokens,
        r#"{"messages":[],"model":"claude"}"#,
        &[],
        r#"{"anthropic_version":"vertex-2023-10-16","messages":[],"model":"mapped-model"}"#,
    );
    check(
        Envelope::VertexCountTokens,
        r#"{"messages":[]}"#,
        &[],
        r#"{"anthropic_version":"vertex-2023-10-16","model":"mapped-model","messages":[]}"#,
    );
}

#[test]
fn counting_tokens_is_never_streamed() {
    let target = Envelope::VertexCountTokens;
    let wrapped = wrap_with(target, r#"{"stream":true,"model":"claude"}"#, None, &[]);
    assert!(!wrapped.is_stream);
    let expected = r#"{"anthropic_version":"vertex-2023-10-16","model":"mapped-model"}"#;
    assert_eq!(text(&wrapped), expected);
}

#[test]
fn a_version_is_only_set_where_the_caller_named_none_of_its_own() {
    for (body, header, expected) in [
        ("{}", None, r#"{"anthropic_version":"bedrock-2023-05-31"}"#),
        (
            "{}",
            Some("2023-06-01"),
            r#"{"anthropic_version":"bedrock-2023-05-31"}"#,
        ),
        (
            "{}",
            Some("2026-10-21"),
            r#"{"anthropic_version":"2026-10-21"}"#,
        ),
        (
            r#"{"a":1,"anthropic_version":"bedrock-x"}"#,
            Some("2026-10-21"),
            r#"{"a":1,"anthropic_version":"bedrock-x"}"#,
        ),
    ] {
        let wrapped = wrap_with(Envelope::Bedrock, body, header, &[]);
        assert_eq!(text(&wrapped), expected, "{header:?}");
    }
}

#[test]
fn only_true_asks_for_a_stream() {
    for (body, expected) in [
        ("{}", Ok(false)),
        (r#"{"stream":null}"#, Ok(false)),
        (r#"{"stream":false}"#, Ok(false)),
        (r#"{"stream":true}"#, Ok(true)),
        (r#"{"stream":"true"}"#, Err(EnvelopeFault::InvalidStream)),
        (r#"{"stream":1}"#, Err(EnvelopeFault::InvalidStream)),
    ] {
        for target in [Envelope::Bedrock, Envelope::Vertex] {
            let wrapped = wrap(target, body.as_bytes(), None, [].into_iter(), MAPPED);
            assert_eq!(wrapped.map(|wrapped| wrapped.is_stream), expected, "{body}");
        }
    }
}

#[test]
fn bodies_that_two_readers_could_read_differently_are_refused() {
    for (body, fault) in [
        ("", EnvelopeFault::NotAnObject),
        ("[]", EnvelopeFault::NotAnObject),
        ("{\"a\":}", EnvelopeFault::NotAnObject),
        ("{} {}", EnvelopeFault::NotAnObject),
        (r#"{"a":1,"b":2,"a":1}"#, EnvelopeFault::DuplicateField),
        (
            r#"{"model":1,"mod\u0065l":2}"#,
            EnvelopeFault::DuplicateField,
        ),
        (r#"{"anthropic_beta":"a"}"#, EnvelopeFault::InvalidBetas),
        (r#"{"anthropic_beta":[1]}"#, EnvelopeFault::InvalidBetas),
        (r#"{"anthropic_beta":["a"}"#, EnvelopeFault::NotAnObject),
    ] {
        let wrapped = wrap(
            Envelope::Bedrock,
            body.as_bytes(),
            None,
            [].into_iter(),
            MAPPED,
        );
        assert_eq!(wrapped, Err(fault), "{body}");
    }
}

#[test]
fn bodies_of_nothing_but_names_are_refused() {
    let body = |fields: usize| {
        let fields = (0..fields).map(|index| (format!("f{index}"), "0"));
        write_object(fields)
    };
    for (fields, expected) in [
        (MAX_FIELDS, None),
        (MAX_FIELDS + 1, Some(EnvelopeFault::TooManyFields)),
    ] {
        let body = body(fields);
        let wrapped = wrap(
            Envelope::Vertex,
            body.as_bytes(),
            None,
            [].into_iter(),
            MAPPED,
        );
        assert_eq!(wrapped.err(), expected);
    }
}

#[test]
fn betas_of_body_and_header_together_have_a_bound() {
    let wrap = |in_body: usize, in_header: &str| {
        let list = vec![r#""a""#; in_body].join(",");
        let body = format!(r#"{{"anthropic_beta":[{list}]}}"#);
        let header = [in_header].into_iter();
        wrap(Envelope::Bedrock, body.as_bytes(), None, header, MAPPED).err()
    };
    let too_many = Some(EnvelopeFault::TooManyBetas);
    assert_eq!(wrap(MAX_BETAS, ""), None);
    assert_eq!(wrap(MAX_BETAS - 1, "b"), None);
    assert_eq!(wrap(MAX_BETAS - 1, "b,c"), too_many);
    assert_eq!(wrap(MAX_BETAS + 1, ""), too_many);
    assert_eq!(wrap(0, &["b"; MAX_BETAS + 1].join(",")), too_many);
}

#[test]
fn a_beta_in_the_body_cannot_bring_others_or_break_a_header() {
    let body = r#"{"anthropic_beta":["context-1m-1,oauth-1","context-1m-1\r\nx: y","context-1m-\u00e4","context-1m-2"]}"#;
    let vertex = wrap_with(Envelope::Vertex, body, None, &[]);
    assert_eq!(vertex.betas_header.as_deref(), Some("context-1m-2"));
    assert_eq!(vertex.dropped_betas.len(), 3);
}

#[test]
fn betas_of_body_and_headers_are_sorted_together() {
    let body = r#"{"anthropic_beta":["context-1m-2025-08-07"],"a":1}"#;
    let betas = [
        "context-1m-2025-08-07",
        "oauth-2025-04-20,compact-2026-01-12",
    ];
    let bedrock = wrap_with(Envelope::Bedrock, body, None, &betas);
    assert_eq!(
        text(&bedrock),
        r#"{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["context-1m-2025-08-07","compact-2026-01-12"],"a":1}"#
    );
    assert_eq!(bedrock.betas_header, None);
    assert_eq!(bedrock.dropped_betas, ["oauth-2025-04-20"]);
    let vertex = wrap_with(Envelope::Vertex, body, None, &betas);
    let header = vertex.betas_header.as_deref();
    assert_eq!(header, Some("context-1m-2025-08-07,compact-2026-01-12"));
    assert_eq!(
        text(&vertex),
        r#"{"anthropic_version":"vertex-2023-10-16","a":1}"#
    );
}

#[test]
fn without_a_beta_left_nothing_speaks_of_betas() {
    for target in TARGETS {
        let wrapped = wrap_with(target, "{}", None, &["oauth-2025-04-20", " , "]);
        assert!(!text(&wrapped).contains("anthropic_beta"));
        assert_eq!(wrapped.betas_header, None);
    }
}

#[test]
fn claude_code_gets_through_to_every_target() {
    let kept = |target| {
        let wrapped = wrap_with(
            target,
            r#"{"context_management":{"edits":[]}}"#,
            None,
            &[CLAUDE_CODE],
        );
        assert!(text(&wrapped).contains("context_management"));
        let body: Value = serde_json::from_slice(&wrapped.body).expect("JSON");
        let list = body["anthropic_beta"].as_array().into_iter().flatten();
        let list: Vec<_> = list.filter_map(Value::as_str).map(str::to_owned).collect();
        wrapped.betas_header.unwrap_or_else(|| list.join(","))
    };
    assert_eq!(
        kept(Envelope::Bedrock),
        "interleaved-thinking-2025-05-14,context-management-2025-06-27,tool-search-tool-2025-10-19,effort-2025-11-24"
    );
    assert_eq!(
        kept(Envelope::Vertex),
        "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27,tool-search-tool-2025-10-19"
    );
    assert_eq!(
        kept(Envelope::VertexCountTokens),
        "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27"
    );
}

#[test]
fn fields_go_with_the_beta_that_brought_them() {
    for (beta, body, left) in [
        (
            "mcp-client-2025-11-20",
            r#"{"mcp_servers":[1],"a":1}"#,
            r#""a":1"#,
        ),
        (
            "fast-mode-2026-02-01",
            r#"{"a":1,"speed":"fast"}"#,
            r#""a":1"#,
        ),
        (
            "structured-outputs-2025-11-13",
            r#"{"output_format":{},"output_config":{}}"#,
            r#""output_config":{}"#,
        ),
        (
            "dangerous-tool-use-2026-09-03",
            r#"{"safeguards":[{}],"a":1}"#,
            r#""a":1"#,
        ),
        (
            "mid-conversation-system-clear-at-2026-08-21",
            r#"{"messages":[{"role":"system","clear_at":"next_user_message"}]}"#,
            r#""messages":[{"role":"system"}]"#,
        ),
        (
            "thinking-display-updates-2026-08-18,thinking-binding-controls-2026-08-01",
            r#"{"thinking":{"type":"adaptive","display":"updates","block_binding":{}}}"#,
            r#""thinking":{"type":"adaptive"}"#,
        ),
        (
            "task-budgets-2026-03-13",
            r#"{"output_config":{"effort":"low","task_budget":{}}}"#,
            r#""output_config":{"effort":"low"}"#,
        ),
    ] {
        let expected = format!(r#"{{"anthropic_version":"bedrock-2023-05-31",{left}}}"#);
        check(Envelope::Bedrock, body, &[beta], &expected);
    }
}

#[test]
fn a_field_whose_beta_nobody_dropped_stays() {
    let body = r#"{"context_management":{},"speed":"fast","tools":[{"defer_loading":true}]}"#;
    let expected = format!(
        r#"{{"anthropic_version":"vertex-2023-10-16",{}"#,
        body.trim_start_matches('{')
    );
    check(
        Envelope::Vertex,
        body,
        &["context-management-2025-06-27"],
        &expected,
    );
}

#[test]
fn deferred_tools_stay_where_tool_search_has_another_name() {
    let body = r#"{"tools":[{"name":"a","defer_loading": true,"input_examples":[1],"allowed_callers":[]},{"name":"b", "x":1}]}"#;
    let advanced = ["advanced-tool-use-2025-11-20"];
    let left = r#""tools":[{"name":"a","defer_loading":true},{"name":"b", "x":1}]}"#;
    let expected = format!(r#"{{"anthropic_version":"vertex-2023-10-16",{left}"#);
    check(Envelope::Vertex, body, &advanced, &expected);
    let left = r#""model":"mapped-model","tools":[{"name":"a"},{"name":"b", "x":1}]}"#;
    let expected = format!(r#"{{"anthropic_version":"vertex-2023-10-16",{left}"#);
    check(Envelope::VertexCountTokens, body, &advanced, &expected);
}

#[test]
fn the_scope_of_a_cache_goes_from_every_place_it_may_stand_in_and_from_no_other() {
    let body = r#"{"system":[{"text":"s","cache_control":{"type":"ephemeral","scope":"global"}}],"tools":[{"input_schema":{"properties":{"cache_control":{"scope":"mine"}}},"cache_control":{"scope":"global","type":"ephemeral"}}],"messages":[{"role":"user","content":"plain"},{"role":"user","content":[{"type":"tool_result","content":[{"text":"t", "cache_control":{"scope":"x"}}]},{"type":"tool_use","input":{"cache_control":{"scope":"mine"}}},{"cache_control":{"scope":"x","ttl":"1h"}}]}]}"#;
    let left = r#""system":[{"text":"s","cache_control":{"type":"ephemeral"}}],"tools":[{"input_schema":{"properties":{"cache_control":{"scope":"mine"}}},"cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":"plain"},{"role":"user","content":[{"type":"tool_result","content":[{"text":"t","cache_control":{}}]},{"type":"tool_use","input":{"cache_control":{"scope":"mine"}}},{"cache_control":{"ttl":"1h"}}]}]}"#;
    let expected = format!(r#"{{"anthropic_version":"vertex-2023-10-16",{left}"#);
    check(
        Envelope::Vertex,
        body,
        &["prompt-caching-scope-2026-01-05"],
        &expected,
    );
}

#[test]
fn what_claude_code_adds_to_its_turns_goes_with_the_betas_that_brought_it() {
    let body = r#"{"messages":[{"role":"user","content":"hi"},{"role":"system","content":[{"type":"text","text":"t"},{"type":"tool_addition","tool":{"type":"tool_reference","name":"a"}}],"output_config":{"effort":"medium"}},{"role":"system","content":[{"type":"tool_removal","tool":{}}]},{"role":"system","content":[],"output_config":{"effort":"low"}}],"output_config":{"effort":"medium"}}"#;
    let left = r#""messages":[{"role":"user","content":"hi"},{"role":"system","content":[{"type":"text","text":"t"}]}],"output_config":{"effort":"medium"}}"#;
    for (target, version, betas) in [
        (
            Envelope::Bedrock,
            "bedrock-2023-05-31",
            r#""anthropic_beta":["interleaved-thinking-2025-05-14","context-management-2025-06-27","tool-search-tool-2025-10-19","effort-2025-11-24"],"#,
        ),
        (Envelope::Vertex, "vertex-2023-10-16", ""),
    ] {
        let expected = format!(r#"{{"anthropic_version":"{version}",{betas}{left}"#);
        check(target, body, &[CLAUDE_CODE], &expected);
    }
}

#[test]
fn edits_of_the_context_that_a_cloud_does_not_know_go_and_the_others_stay() {
    let known = r#"{"type":"clear_tool_uses_20250919"}"#;
    let unknown = r#"{"type":"clear_thinking_20251015","keep":"all"}"#;
    let body = |edits: &str| format!(r#"{{"context_management":{{"edits":[{edits}]}},"a":1}}"#);
    for target in [Envelope::Bedrock, Envelope::Vertex] {
        let left = |edits: &str| {
            let wrapped = wrap_with(target, &body(edits), None, &["context-management-1"]);
            let left: Value = serde_json::from_slice(&wrapped.body).expect("JSON");
            left["context_management"]["edits"].to_string()
        };
        assert_eq!(left(&format!("{unknown},{known}")), format!("[{known}]"));
        assert_eq!(left(unknown), "null");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_keep_their_bytes_and_their_order(values in vec(any_value(), 0..8), place in 0_usize..8, stream in any::<bool>()) {
        let kept: Vec<_> = values
            .into_iter()
            .enumerate()
            .map(|(index, value)| (format!("field{index}"), value))
            .collect();
        let mut members = kept.clone();
        let own = [("model", "\"claude\"".to_owned()), ("stream", stream.to_string())];
        for (name, value) in own {
            members.insert(place.min(members.len()), (name.to_owned(), value));
        }
        let body = write_object(members.iter().map(|(name, value)| (name, value)));
        for target in TARGETS {
            let wrapped = wrap_with(target, &body, None, &[CLAUDE_CODE]);
            let mut left = Vec::new();
            let mut added = Vec::new();
            each_member(&wrapped.body, |name, value| {
                let fields = if name.starts_with("field") { &mut left } else { &mut added };
                fields.push((name, value.get().to_owned()));
            })
            .expect("an object");
            prop_assert_eq!(&left, &kept);
            let can_stream = target != Envelope::VertexCountTokens;
            prop_assert_eq!(wrapped.is_stream, stream && can_stream);
            let expected: &[&str] = match target {
                Envelope::Bedrock => &["anthropic_beta", "anthropic_version"],
                Envelope::Vertex => &["anthropic_version", "stream"],
                Envelope::VertexCountTokens => &["anthropic_version", "model"],
            };
            let mut added: Vec<_> = added.iter().map(|(name, _)| name.as_str()).collect();
            added.sort_unstable();
            prop_assert_eq!(added, expected);
        }
    }
}
