//! Bodies of Claude's callers and errors of its clouds, whatever they hold: what is changed is what
//! was to be, and what comes out is JSON.

use anyray_wire::{
    anthropic::{
        envelope::{Envelope, wrap},
        foreign_error::translate,
    },
    json_edit::with_model,
};
use serde_json::Value;

/// Kept, renamed and dropped by one target or another, with the fields that go with them.
const BETAS: &[&str] = &[
    "context-1m-2025-08-07,oauth-2025-04-20",
    "advanced-tool-use-2025-11-20",
    "prompt-caching-scope-2026-01-05, mcp-client-2025-11-20",
    "task-budgets-2026-03-13,fast-mode-2026-02-01",
    "mid-conversation-tool-changes-2026-07-01,per-turn-control-2026-07-01",
];

fn check_model(body: &[u8]) {
    let Some(changed) = with_model(body, "new\"model") else {
        return;
    };
    assert_eq!(with_model(&changed, "new\"model"), Some(changed.clone()));
    let common = |pairs: &mut dyn Iterator<Item = (&u8, &u8)>| {
        pairs.take_while(|(one, other)| one == other).count()
    };
    let before = common(&mut body.iter().zip(&changed));
    let after = common(&mut body.iter().rev().zip(changed.iter().rev()));
    assert!(before + after + r#""new\"model""#.len() >= changed.len());
    // A parser gives up on what lies deep, and RawValue is lenient about escapes.
    if serde_json::from_slice::<Value>(body).is_ok() {
        let read: Value = serde_json::from_slice(&changed).expect("JSON as before");
        assert_eq!(read["model"], "new\"model");
    }
}

fn check_envelope(target: Envelope, betas: &[&str], body: &[u8]) {
    let wrap = |body: &[u8], betas: &[&str]| {
        wrap(target, body, Some("2023-06-01"), betas.iter().copied(), "m")
    };
    let Ok(first) = wrap(body, betas) else {
        return;
    };
    assert!(first.betas_header.as_deref().is_none_or(|betas| {
        betas
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"')
    }));
    // What fits goes through once more without a loss; only the order of what was added is another.
    let second = wrap(&first.body, &[]).expect("what was wrapped can be wrapped");
    let third = wrap(&second.body, &[]).expect("again");
    assert_eq!(second.body, third.body);
    assert!(second.dropped_betas.is_empty());
    let read = |body: &[u8]| serde_json::from_slice::<Value>(body).ok();
    assert_eq!(read(&first.body), read(&second.body));
    let can_stream = target != Envelope::VertexCountTokens;
    assert_eq!(
        read(body).is_some_and(|body| body["stream"] == true) && can_stream,
        first.is_stream && read(body).is_some()
    );
}

/// Checks one input: its first byte chooses the betas that come with the rest, a body.
///
/// # Panics
///
/// The claim of this module does not hold.
pub fn check(input: &[u8]) {
    let Some((choice, body)) = input.split_first() else {
        return;
    };
    check_model(body);
    let betas = &BETAS[..usize::from(*choice) % (BETAS.len() + 1)];
    for target in [
        Envelope::Bedrock,
        Envelope::Vertex,
        Envelope::VertexCountTokens,
    ] {
        check_envelope(target, betas, body);
    }
    if let Some(error) = translate(400, body, "req_1") {
        let error: Value = serde_json::from_slice(&error).expect("JSON");
        assert_eq!(error["error"]["type"], "invalid_request_error");
        assert!(error["error"]["message"].is_string());
    }
}
