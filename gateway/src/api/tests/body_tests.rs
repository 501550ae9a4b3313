//! Bodies of the admin API that are not as they must be.

use super::*;

/// Stands where a secret could have been put by mistake.
const CANARY: &str = "canary-5f3a";

/// What is wrong for invites and keys alike, and what the caller is told.
fn wrong_for_both() -> Vec<(Value, &'static str)> {
    let user = |more: (&'static str, Value)| Value::from_iter([("user", json!("a")), more]);
    vec![
        (json!({}), "missing field `user`"),
        (
            json!([CANARY]),
            "the body is not acceptable: expected an object",
        ),
        (
            json!(CANARY),
            "the body is not acceptable: expected an object",
        ),
        (json!({ "user": 1 }), "field user: expected a string"),
        (json!({ "user": null }), "field user: expected a string"),
        (json!({ "user": "" }), "field user: must have 1 to 254"),
        (
            json!({ "user": "x".repeat(255) }),
            "field user: must have 1 to 254",
        ),
        (
            json!({ "user": format!("{CANARY}\n") }),
            "field user: must have",
        ),
        (user(("team", json!(""))), "field team: must have 1 to 63"),
        (user(("team", json!("x".repeat(64)))), "field team:"),
        (
            user(("team", json!(format!("{CANARY}\u{7f}")))),
            "field team:",
        ),
        (
            user(("team", json!([CANARY]))),
            "field team: expected a string",
        ),
        (user(("typo", json!(CANARY))), "field typo: unknown field"),
        (
            user(("expiresInSeconds", json!(CANARY))),
            "field expiresInSeconds: expected a whole number",
        ),
        (
            user(("expiresInSeconds", json!(59))),
            "field expiresInSeconds:",
        ),
        (
            user(("expiresInSeconds", json!(-1))),
            "field expiresInSeconds:",
        ),
        (
            user(("expiresInSeconds", json!(u64::MAX))),
            "field expiresInSeconds:",
        ),
    ]
}

/// Permissions that are wrong, and what the caller is told.
fn wrong_permissions() -> Vec<(Value, &'static str)> {
    let wrong = [
        (
            json!({ "typo": CANARY }),
            "field permissions.typo: unknown field",
        ),
        (
            json!({ "models": ["ok", ""] }),
            "field permissions.models[1]:",
        ),
        (
            json!({ "models": CANARY }),
            "field permissions.models: expected a list",
        ),
        (
            json!({ "models": vec!["m"; 129] }),
            "field permissions: at most 128 models",
        ),
        (
            json!({ "providers": ["openai", CANARY] }),
            "field permissions.providers[1]: must be one of",
        ),
        (
            json!({ "requestsPerMinute": 0 }),
            "field permissions.requestsPerMinute: must be between 1",
        ),
        (
            json!({ "requestsPerMinute": CANARY }),
            "field permissions.requestsPerMinute: expected a whole number",
        ),
        (
            json!({ "concurrentRequests": 1_000_001 }),
            "field permissions.concurrentRequests: must be between 1",
        ),
    ];
    let in_body = |(permissions, told): (Value, &'static str)| {
        let body = [("user", json!("a")), ("permissions", permissions)];
        (Value::from_iter(body), told)
    };
    wrong.into_iter().map(in_body).collect()
}

async fn check_refused(gateway: &Gateway, path: &str, body: &str, told: &str) {
    let answer = gateway.post(path, &body).await;
    let (status, text) = (answer.status, &answer.text);
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {text}");
    assert_eq!(answer.code(), "invalid_request");
    let message = answer.message();
    assert!(message.contains(told), "{body}: {message}");
    assert!(!message.contains("canary"), "{message}");
}

/// Refuses this and whatever is wrong for both, and holds that nothing was made.
async fn check_path(path: &str, special: &[(Value, &'static str)]) {
    let gateway = Gateway::new();
    let wrong = [wrong_for_both(), wrong_permissions()].concat();
    for (body, told) in wrong.iter().chain(special) {
        check_refused(&gateway, path, &body.to_string(), told).await;
    }
    let trailing = format!(r#"{{"user":"a"}} {CANARY}"#);
    check_refused(&gateway, path, &trailing, "trailing characters").await;
    check_refused(&gateway, path, CANARY, "the body is not acceptable").await;
    check_refused(&gateway, path, "", "the body is not acceptable").await;
    let twice = r#"{"user":"a","user":"b"}"#;
    check_refused(&gateway, path, twice, "duplicate field `user`").await;
    let large = format!(r#"{{"user":"{}"}}"#, "x".repeat(64 << 10));
    let answer = gateway.post(path, &large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let listed = gateway.admin(Method::GET, path).await.json();
    assert_eq!(listed, json!({ "data": [] }));
}

#[tokio::test]
async fn a_wrong_invite_is_told_by_its_field_and_quotes_nothing() {
    let special = [
        (
            json!({ "user": "a", "expiresInSeconds": 2_592_001 }),
            "field expiresInSeconds: must be between 60 and 2592000",
        ),
        (
            json!({ "user": "a", "keyExpiresInSeconds": 59 }),
            "field keyExpiresInSeconds: must be between 60",
        ),
        (
            json!({ "user": "a", "name": CANARY }),
            "field name: unknown field",
        ),
    ];
    check_path("/admin/invites", &special).await;
}

#[tokio::test]
async fn a_wrong_key_is_told_by_its_field_and_quotes_nothing() {
    let special = [
        (
            json!({ "user": "a", "name": "x".repeat(257) }),
            "field name: must have at most 256",
        ),
        (
            json!({ "user": "a", "keyExpiresInSeconds": 60 }),
            "field keyExpiresInSeconds: unknown field",
        ),
        (
            json!({ "user": "a", "expiresInSeconds": 315_360_001 }),
            "field expiresInSeconds: must be between 60 and 315360000",
        ),
    ];
    check_path("/admin/client-keys", &special).await;
}
