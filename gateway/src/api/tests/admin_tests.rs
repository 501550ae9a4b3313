//! `/admin`: who may use it, and what it does.

use super::*;

const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

const PATHS: [&str; 9] = [
    "/admin",
    "/admin/auth",
    "/admin/health",
    "/admin/invites",
    "/admin/invites/i",
    "/admin/client-keys",
    "/admin/client-keys/k",
    "/admin/no/such/path",
    "/admin/invites?status=issued",
];

fn walk() -> impl Iterator<Item = (Method, &'static str)> {
    METHODS
        .into_iter()
        .flat_map(|method| PATHS.map(|path| (method.clone(), path)))
}

#[tokio::test]
async fn s17_nothing_of_the_admin_api_answers_without_the_token() {
    let mut gateway = Gateway::new();
    for (index, (method, path)) in walk().enumerate() {
        // Refusals are limited; a new gateway has new ones.
        if index % 50 == 49 {
            gateway = Gateway::new();
        }
        let shown = format!("{method} {path}");
        let answer = gateway.ask(Ask::new(method, path)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{shown}");
        assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"));
    }
}

#[tokio::test]
async fn s17_nothing_of_the_admin_api_shows_under_a_public_host_or_unconfigured() {
    let configured = Gateway::new();
    let unconfigured = Gateway::with_config("", true);
    for (method, path) in walk() {
        for (gateway, host) in [(&configured, PUBLIC_HOST), (&unconfigured, "localhost")] {
            for token in [None, Some(TOKEN)] {
                let ask = Ask::new(method.clone(), path).by_host(host);
                let ask = match token {
                    Some(token) => ask.with_token(token),
                    None => ask,
                };
                let answer = gateway.ask(ask).await;
                let shown = format!("{method} {path} by {host}");
                assert_eq!(answer.status, StatusCode::NOT_FOUND, "{shown}");
            }
        }
    }
}

#[tokio::test]
async fn s17_the_configured_host_leads_to_the_admin_api() {
    let admin = format!(r#""admin":{{"credential":{{"file":"admin"}},"host":"{PUBLIC_HOST}"}},"#);
    let gateway = Gateway::with_config(&admin, true);
    let ask = Ask::new(Method::GET, "/admin/auth").by_host(PUBLIC_HOST);
    let answer = gateway.ask(ask.with_token(TOKEN)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json(), json!({ "ok": true }));
}

#[tokio::test]
async fn s17_only_the_whole_token_as_bearer_opens() {
    let gateway = Gateway::new();
    for authorization in [
        TOKEN.to_owned(),
        format!("Basic {TOKEN}"),
        format!("Bearer {}", TOKEN.get(..TOKEN.len() - 1).expect("ASCII")),
        format!("Bearer {TOKEN}0"),
        format!("Bearer {}", TOKEN.to_uppercase()),
        format!("Bearer {}", "x".repeat(10_000)),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
    ] {
        let authorization = Some(authorization);
        let ask = Ask {
            authorization,
            ..Ask::new(Method::GET, "/admin/auth")
        };
        let answer = gateway.ask(ask).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(!answer.text.contains(TOKEN.get(..12).expect("ASCII")));
    }
    let lower = Ask {
        authorization: Some(format!("bearer {TOKEN}")),
        ..Ask::new(Method::GET, "/admin/auth")
    };
    assert_eq!(gateway.ask(lower).await.status, StatusCode::OK);
}

#[tokio::test]
async fn s17_failures_are_limited_and_the_right_token_is_not() {
    let gateway = Gateway::new();
    let mut limited = None;
    for count in 1..=200 {
        let ask = Ask::new(Method::GET, "/admin/auth").with_token("wrong-wrong-wrong");
        let answer = gateway.ask(ask).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.code(), "too_many_failures");
            assert_eq!(answer.header(header::RETRY_AFTER), Some("2"));
            limited = Some(count);
            break;
        }
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    assert!(limited.is_some_and(|count| count > 60), "{limited:?}");
    let answer = gateway.admin(Method::GET, "/admin/auth").await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn s17_a_replaced_token_is_good_for_a_quarter_of_an_hour_more() {
    let gateway = Gateway::new();
    let app = &gateway.app;
    let digest = CredentialDigest::of;
    let (old, new) = (digest(TOKEN), digest("another-admin-token"));
    let rotated = Timestamp::UNIX_EPOCH;
    let after = |seconds| rotated + SignedDuration::from_secs(seconds);
    assert!(app.is_admin(&old, rotated) && !app.is_admin(&new, rotated));
    let changed = load(gateway.folder.path(), ADMIN, "another-admin-token");
    app.accept_config(changed, rotated);
    for (seconds, is_old_good) in [(0, true), (899, true), (900, false), (86_400, false)] {
        assert_eq!(app.is_admin(&old, after(seconds)), is_old_good, "{seconds}");
        assert!(app.is_admin(&new, after(seconds)));
    }
    // A change of something else prolongs nothing.
    let same = load(gateway.folder.path(), ADMIN, "another-admin-token");
    app.accept_config(same, after(600));
    assert!(!app.is_admin(&old, after(900)));
    // Back again: what was replaced is in force, and the other one runs out.
    app.accept_config(load(gateway.folder.path(), ADMIN, TOKEN), after(700));
    assert!(app.is_admin(&old, after(86_400)));
    assert!(app.is_admin(&new, after(700 + 899)));
    assert!(!app.is_admin(&new, after(700 + 900)));
}

#[tokio::test]
async fn s17_many_rotations_in_a_row_leave_few_tokens_good() {
    let gateway = Gateway::new();
    let now = Timestamp::UNIX_EPOCH;
    let token = |number: usize| format!("admin-token-number-{number}");
    for number in 0..20 {
        let config = load(gateway.folder.path(), ADMIN, &token(number));
        gateway.app.accept_config(config, now);
    }
    let is_good = |number: &usize| {
        let digest = CredentialDigest::of(&token(*number));
        gateway.app.is_admin(&digest, now)
    };
    let good: Vec<_> = (0..20).filter(is_good).collect();
    assert_eq!(good, [15, 16, 17, 18, 19]);
}

#[tokio::test]
async fn health_tells_of_the_store() {
    let gateway = Gateway::new();
    let callers = gateway.app.callers.as_ref().expect("callers");
    let answer = gateway.admin(Method::GET, "/admin/health").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    callers.access.set_complete();
    let answer = gateway.admin(Method::GET, "/admin/health").await;
    assert_eq!(answer.status, StatusCode::OK);
    let store = json!({ "kind": "files", "ok": true, "clientKeys": 0 });
    assert_eq!(answer.json()["store"], store);
    fs::remove_dir_all(gateway.folder.path().join("keys")).expect("removed");
    let answer = gateway.admin(Method::GET, "/admin/health").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["store"]["ok"], false);
    for path in ["/admin/invites", "/admin/client-keys"] {
        let answer = gateway.admin(Method::GET, path).await;
        assert_eq!(answer.code(), "store_unavailable", "{path}");
        assert_eq!(answer.header(header::RETRY_AFTER), Some("2"));
    }
}

#[tokio::test]
async fn a_gateway_without_a_store_says_so() {
    let gateway = Gateway::with_config(ADMIN, false);
    for path in ["/admin/invites", "/admin/client-keys"] {
        assert_eq!(gateway.admin(Method::GET, path).await.code(), "no_store");
        let answer = gateway.post(path, &json!({ "user": "ada" })).await;
        assert_eq!(answer.code(), "no_store");
    }
    let answer = gateway.admin(Method::GET, "/admin/health").await;
    assert_eq!(answer.json()["store"]["kind"], "none");
}

#[tokio::test]
async fn an_invite_is_made_listed_and_deleted() {
    let gateway = Gateway::new();
    let wish = json!({
        "user": "ada@example.com", "team": "research", "expiresInSeconds": 3600,
        "keyExpiresInSeconds": 7200,
        "permissions": { "models": ["gpt-*"], "requestsPerMinute": 5 },
    });
    let made = gateway.post("/admin/invites", &wish).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.header(header::CACHE_CONTROL), Some("no-store"));
    let made = made.json();
    let code = made["token"].as_str().expect("a code");
    assert!(code.starts_with("ari_") && code.len() == 53, "{code}");
    assert_eq!(made["user"], "ada@example.com");
    assert_eq!(made["team"], "research");
    let at = |field: &str| made[field].as_str().and_then(|at| at.parse().ok());
    let (from, to): (Timestamp, Timestamp) = (
        at("createdAt").expect("a time"),
        at("expiresAt").expect("a time"),
    );
    let life = to.duration_since(from).as_secs();
    assert!((3590..=3600).contains(&life), "{life}");
    let id = made["id"].as_str().expect("an id");
    assert!(!id.contains("ada"), "{id}");

    let listed = gateway.admin(Method::GET, "/admin/invites").await;
    assert!(!listed.text.contains(code));
    let entry = &listed.json()["data"][0];
    assert_eq!(entry["id"], id);
    assert_eq!(entry["status"], "issued");
    assert_eq!(entry["expiresAt"], made["expiresAt"]);
    assert_eq!(entry.get("redeemedAt"), None);

    let path = format!("/admin/invites/{id}");
    let deleted = gateway.admin(Method::DELETE, &path).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    let again = gateway.admin(Method::DELETE, &path).await;
    assert_eq!(
        (again.status, &*again.code()),
        (StatusCode::NOT_FOUND, "not_found")
    );
    let listed = gateway.admin(Method::GET, "/admin/invites").await;
    assert_eq!(listed.json(), json!({ "data": [] }));
}

#[tokio::test]
async fn invites_are_listed_by_status() {
    let gateway = Gateway::new();
    gateway.write_invite("b-issued", 1, json!({}));
    gateway.write_invite("a-issued", 2, json!({}));
    gateway.write_invite("expired", 3, json!({ "expiresAt": "2001-01-01T00:00:00Z" }));
    gateway.write_invite("revoked", 4, json!({ "revoked": true }));
    gateway.write_invite("pending", 5, json!({ "codeHash": null }));
    for (query, expected) in [
        (
            "",
            vec!["a-issued", "b-issued", "expired", "pending", "revoked"],
        ),
        ("?status=issued", vec!["a-issued", "b-issued"]),
        ("?status=Expired", vec!["expired"]),
        ("?status=revoked", vec!["revoked"]),
        ("?status=pending", vec!["pending"]),
        ("?status=redeemed", vec![]),
        ("?status=nonsense", vec![]),
    ] {
        let path = format!("/admin/invites{query}");
        let answer = gateway.admin(Method::GET, &path).await.json();
        let data = answer["data"].as_array().expect("a list");
        let ids: Vec<_> = data
            .iter()
            .filter_map(|entry| entry["id"].as_str())
            .collect();
        assert_eq!(ids, expected, "{query}");
    }
}

#[tokio::test]
async fn a_redeemed_invite_is_not_deleted() {
    let gateway = Gateway::new();
    let code = gateway.write_invite("i", 1, json!({}));
    let redeemed = gateway
        .post("/connect/redeem", &json!({ "token": code }))
        .await;
    let key_id = redeemed.json()["keyId"].clone();
    let deleted = gateway.admin(Method::DELETE, "/admin/invites/i").await;
    assert_eq!(deleted.status, StatusCode::CONFLICT);
    assert_eq!(deleted.code(), "invite_already_redeemed");
    let listed = gateway
        .admin(Method::GET, "/admin/invites?status=redeemed")
        .await;
    let entry = &listed.json()["data"][0];
    assert_eq!(entry["keyId"], key_id);
    assert!(entry["redeemedAt"].is_string());
}

#[tokio::test]
async fn a_key_is_made_used_listed_and_deleted_by_its_id() {
    let gateway = Gateway::new();
    let wish = json!({ "user": "ci", "team": "build", "name": "nightly", "expiresInSeconds": 60 });
    let made = gateway.post("/admin/client-keys", &wish).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let made = made.json();
    let key = made["key"].as_str().expect("a key");
    let id = read_client_key(key).expect("well formed");
    assert_eq!(made["id"], id.as_str());
    assert_eq!(gateway.call_with(key).await, LET_IN);

    let listed = gateway.admin(Method::GET, "/admin/client-keys").await;
    assert!(!listed.text.contains(key));
    let entry = &listed.json()["data"][0];
    assert_eq!(entry["id"], id.as_str());
    assert_eq!(entry["name"], format!("ck-{id}"));
    assert_eq!(entry["status"], "active");
    assert_eq!(entry["user"], "ci");
    assert_eq!(entry["expiresAt"], made["expiresAt"]);
    assert!(entry["lastUsedAt"].is_string());

    let path = format!("/admin/client-keys/{id}");
    let deleted = gateway.admin(Method::DELETE, &path).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(gateway.call_with(key).await, "client_key_unknown");
    let again = gateway.admin(Method::DELETE, &path).await;
    assert_eq!(again.code(), "not_found");
}

#[tokio::test]
async fn a_key_is_deleted_by_the_name_of_its_object() {
    let gateway = Gateway::new();
    let made = gateway
        .post("/admin/client-keys", &json!({ "user": "ci" }))
        .await
        .json();
    let key = made["key"].as_str().expect("a key");
    let path = format!(
        "/admin/client-keys/ck-{}",
        made["id"].as_str().expect("an id")
    );
    let deleted = gateway.admin(Method::DELETE, &path).await;
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
    assert_eq!(gateway.call_with(key).await, "client_key_unknown");
}

#[tokio::test]
async fn names_that_lead_elsewhere_are_not_found() {
    let gateway = Gateway::new();
    fs::write(gateway.folder.path().join("outside.json"), "{}").expect("written");
    for name in ["..%2F..%2Foutside", "%2e%2e", "a%2Fb", "A", "a%00b"] {
        for kind in ["invites", "client-keys"] {
            let path = format!("/admin/{kind}/{name}");
            let answer = gateway.admin(Method::DELETE, &path).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
    assert!(gateway.folder.path().join("outside.json").exists());
}
