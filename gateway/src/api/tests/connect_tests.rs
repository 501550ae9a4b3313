//! `POST /connect/redeem`, and what the key that comes of it opens.

use super::*;

fn redeem(body: &impl ToString) -> Ask {
    Ask::new(Method::POST, "/connect/redeem")
        .by_host(PUBLIC_HOST)
        .with_body(body)
}

async fn code_of(gateway: &Gateway, code: &str) -> (StatusCode, String) {
    let answer = gateway.ask(redeem(&json!({ "token": code }))).await;
    assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"));
    // Shorter ones are no codes.
    if code.len() > 4 {
        assert!(!answer.text.contains(code), "{}", answer.text);
    }
    (answer.status, answer.code())
}

fn expected(status: u16, code: &str) -> (StatusCode, String) {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, code.to_owned())
}

#[tokio::test]
async fn a_code_is_redeemed_by_token_by_invite_and_as_bearer() {
    let gateway = Gateway::new();
    let code = |byte| gateway.write_invite(&format!("i{byte}"), byte, json!({}));
    let asks = [
        redeem(&json!({ "token": code(1) })),
        redeem(&json!({ "invite": code(2) })),
        redeem(&"").with_token(&code(3)),
        redeem(&json!({ "token": code(4), "device": "laptop" })),
        redeem(&json!({ "token": code(5) })).with_token("anyray-placeholder"),
    ];
    for ask in asks {
        let answer = gateway.ask(ask).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"));
        let answer = answer.json();
        let key = answer["key"].as_str().expect("a key");
        let id = read_client_key(key).expect("well formed");
        assert_eq!(answer["keyId"], id.as_str());
        assert_eq!(answer["user"], "ada@example.com");
        assert_eq!(gateway.call_with(key).await, LET_IN);
    }
}

#[tokio::test]
async fn the_answer_tells_the_team_and_the_end_of_the_key() {
    let gateway = Gateway::new();
    let more = json!({ "team": "research", "key": { "expiresAfter": "1h" } });
    let code = gateway.write_invite("i", 1, more);
    let answer = gateway.ask(redeem(&json!({ "token": code }))).await.json();
    assert_eq!(answer["team"], "research");
    let end = answer["expiresAt"]
        .as_str()
        .and_then(|end| end.parse().ok());
    let end: Timestamp = end.expect("a time");
    let life = end.duration_since(Timestamp::now()).as_secs();
    assert!((3590..=3600).contains(&life), "{life}");
}

#[tokio::test]
async fn s05_of_many_requests_with_one_code_one_gets_a_key() {
    let gateway = Gateway::new();
    let code = gateway.write_invite("i", 1, json!({}));
    let asks = (0..20).map(|_| gateway.ask(redeem(&json!({ "token": code }))));
    let answers = futures::future::join_all(asks).await;
    let statuses = answers.iter().map(|answer| answer.status);
    let won = statuses.clone().filter(|status| *status == StatusCode::OK);
    assert_eq!(won.count(), 1);
    let lost = statuses.filter(|status| *status == StatusCode::GONE);
    assert_eq!(lost.count(), 19);
}

#[tokio::test]
async fn every_code_that_is_not_good_is_told_why() {
    let gateway = Gateway::new();
    let code = gateway.write_invite("i", 1, json!({}));
    for wrong in [
        code.get(..20).expect("ASCII"),
        code.get(..code.len() - 1).expect("ASCII"),
        "",
        "sk-1",
    ] {
        let found = code_of(&gateway, wrong).await;
        assert_eq!(found, expected(400, "invite_invalid"), "{wrong}");
    }
    let swapped = format!("{}00", code.get(..code.len() - 2).expect("ASCII"));
    assert_eq!(
        code_of(&gateway, &swapped).await,
        expected(400, "invite_invalid")
    );
    let unknown = write_invite_code(&[9; 32]);
    assert_eq!(
        code_of(&gateway, &unknown).await,
        expected(404, "invite_not_found")
    );
    let past = json!({ "expiresAt": "2001-01-01T00:00:00Z" });
    let past = gateway.write_invite("past", 2, past);
    assert_eq!(
        code_of(&gateway, &past).await,
        expected(410, "invite_expired")
    );
    let revoked = gateway.write_invite("revoked", 3, json!({ "revoked": true }));
    assert_eq!(
        code_of(&gateway, &revoked).await,
        expected(410, "invite_revoked")
    );
    let first = gateway.ask(redeem(&json!({ "token": code }))).await;
    assert_eq!(first.status, StatusCode::OK);
    let second = code_of(&gateway, &code).await;
    assert_eq!(second, expected(410, "invite_already_redeemed"));
}

/// Row S7 of the security catalogue.
#[tokio::test]
async fn s07_a_code_of_another_gateway_is_answered_as_an_unknown_one() {
    let gateway = Gateway::new();
    let of_other = json!({ "gatewayRef": { "name": "other" } });
    let of_other = gateway.write_invite("of-other", 1, of_other);
    let mut answers = Vec::new();
    for code in [of_other, write_invite_code(&[9; 32])] {
        let mut answer = gateway.ask(redeem(&json!({ "token": code }))).await;
        answer.headers.remove(header::DATE);
        let id = answer.headers.remove(REQUEST_ID);
        assert!(id.is_some(), "an answer without an id");
        answers.push((answer.status, answer.headers, answer.text));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn a_request_without_a_readable_code_is_told_what_to_send() {
    let gateway = Gateway::new();
    for ask in [
        redeem(&""),
        redeem(&"{"),
        redeem(&json!({ "code": "ari_1" })),
        redeem(&json!({ "token": 1 })),
        redeem(&"ari_canary"),
        redeem(&"").with_token("ark_canary"),
    ] {
        let answer = gateway.ask(ask).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.code(), "invalid_request");
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
    let large = redeem(&json!({ "token": "x".repeat(64 << 10) }));
    let answer = gateway.ask(large).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let get = Ask::new(Method::GET, "/connect/redeem");
    let answer = gateway.ask(get).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let gateway = Gateway::new();
    let silence = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/connect/redeem")
        .body(Body::from_stream(silence))
        .expect("a request");
    let Ok(response) = gateway.router.clone().call(request).await;
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn redemptions_are_counted_by_what_came_of_them() {
    let gateway = Gateway::new();
    let code = gateway.write_invite("i", 1, json!({}));
    for _ in 0..2 {
        gateway.ask(redeem(&json!({ "token": code }))).await;
    }
    let exposition = gateway.app.metrics.exposition().expect("text");
    for result in ["ok", "invite_already_redeemed"] {
        let series = format!("anyray_gateway_redemptions_total{{result=\"{result}\"}} 1");
        assert!(exposition.contains(&series), "{exposition}");
    }
}

#[tokio::test]
async fn a_gateway_without_a_store_redeems_nothing() {
    let gateway = Gateway::with_config(ADMIN, false);
    let code = write_invite_code(&[1; 32]);
    assert_eq!(code_of(&gateway, &code).await, expected(404, "no_store"));
}

#[tokio::test]
async fn callers_are_told_what_is_wrong_with_their_key() {
    let gateway = Gateway::new();
    let unknown = write_client_key("0123456789ab".parse().expect("an id"), &[1; 32]);
    let code = write_invite_code(&[1; 32]);
    for (key, expected) in [
        (&*unknown, "client_key_unknown"),
        (unknown.get(..30).expect("ASCII"), "client_key_invalid"),
        (&code, "invite_code_as_key"),
        ("anyray-placeholder", "client_key_missing"),
        ("sk-proj-1", "client_key_missing"),
    ] {
        assert_eq!(gateway.call_with(key).await, expected, "{key}");
    }
}

#[tokio::test]
async fn a_limited_key_opens_what_it_may_and_nothing_else() {
    let gateway = Gateway::new();
    let permissions = json!({ "models": ["gpt-*"], "providers": ["anthropic"] });
    let wish = json!({ "user": "ada", "permissions": permissions });
    let made = gateway.post("/admin/client-keys", &wish).await.json();
    let key = made["key"].as_str().expect("a key");
    let call = async |model: &str| {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/v1/embeddings")
            .header("x-api-key", key);
        request = request.header(header::CONTENT_TYPE, "application/json");
        let body = json!({ "model": model }).to_string();
        let request = request.body(Body::from(body)).expect("a request");
        let Ok(response) = gateway.router.clone().call(request).await;
        let status = response.status();
        let body = response.into_body().collect().await.expect("a body");
        (
            status,
            String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        )
    };
    let (status, text) = call("o3").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("model_not_allowed"), "{text}");
    let (status, text) = call("gpt-4o").await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("provider_not_allowed"), "{text}");
}

#[tokio::test]
async fn a_key_beyond_its_rate_is_told_when_to_come_back() {
    let gateway = Gateway::new();
    let permissions = json!({ "requestsPerMinute": 1 });
    let wish = json!({ "user": "ada", "permissions": permissions });
    let made = gateway.post("/admin/client-keys", &wish).await.json();
    let key = made["key"].as_str().expect("a key");
    assert_eq!(gateway.call_with(key).await, LET_IN);
    let ask = Ask::new(Method::POST, "/v1/embeddings").with_token(key);
    let answer = gateway.ask(ask.with_body(&"{}")).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.code(), "rate_limit_exceeded");
    let wait = answer
        .header(header::RETRY_AFTER)
        .and_then(|w| w.parse().ok());
    let wait: u64 = wait.expect("a number");
    assert!((55..=61).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_key_in_the_url_is_refused_whatever_else_comes() {
    let gateway = Gateway::new();
    let key = write_client_key("0123456789ab".parse().expect("an id"), &[1; 32]);
    let path = format!("/v1/models?key={key}");
    let answer = gateway.ask(Ask::new(Method::GET, &path)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.code(), "key_in_url");
}

#[tokio::test]
async fn a_good_key_is_told_whose_it_is_and_a_wrong_one_why() {
    let gateway = Gateway::new();
    let more = json!({
        "team": "research",
        "key": { "permissions": { "models": ["claude-*"] } },
    });
    let code = gateway.write_invite("i", 1, more);
    let redeemed = gateway.ask(redeem(&json!({ "token": code }))).await.json();
    let key = redeemed["key"].as_str().expect("a key");
    let verify = || Ask::new(Method::GET, "/connect/verify").by_host(PUBLIC_HOST);

    let answer = gateway.ask(verify().with_token(key)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.header(header::CACHE_CONTROL), Some("no-store"));
    let expected_answer = json!({
        "clientKeys": "Required", "subscriptionPassthrough": false,
        "key": {
            "id": redeemed["keyId"], "user": "ada@example.com", "team": "research",
            "models": ["claude-*"],
        },
    });
    assert_eq!(answer.json(), expected_answer);

    let unknown = write_client_key(KeyId::from_random([7; 8]), &[7; 32]);
    for (token, code) in [
        ("anyray-placeholder", "client_key_missing"),
        (&unknown, "client_key_unknown"),
    ] {
        let answer = gateway.ask(verify().with_token(token)).await;
        assert_eq!((answer.status, answer.code()), expected(401, code));
    }
}
