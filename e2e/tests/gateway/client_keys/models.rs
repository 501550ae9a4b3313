//! A key that is for certain models or providers gets no others, however its bodies are written.

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    client_keys::{ClientKey, KeyFolder, make_key, start_with},
    stand::Stand,
};
use serde_json::json;

use super::{holder, start_with_key, with_key};

/// More than the gateway collects of a body.
const FILLER_BYTES: usize = 3 << 20;

async fn start_with_models() -> Result<(KeyFolder, Stand, ClientKey)> {
    start_with_key(&json!({"models": ["gpt-5*", "claude-*-5", "m"]})).await
}

/// A chat request with this body.
fn chat(key: &ClientKey, body: &str) -> Request {
    with_key(Dialect::Chat.request("m").body(body), key)
}

/// Nothing came to the provider whole, and nothing is on its way.
async fn check_nothing_whole(stand: &Stand) -> Result<()> {
    let ops = stand.gateway.ops();
    ops.wait_for_metric("requests_in_flight", 0).await?;
    let requests = stand.fake.requests();
    let whole = requests.iter().filter(|request| request.body_complete);
    assert_eq!(whole.count(), 0, "requests came to the provider whole");
    Ok(())
}

#[tokio::test]
async fn a_key_gets_the_models_that_it_is_for_and_no_others() -> Result<()> {
    let (_folder, stand, key) = start_with_models().await?;
    for dialect in Dialect::ALL {
        for model in ["gpt-5", "gpt-5-mini", "claude-opus-5", "m"] {
            let answer = stand.send(&with_key(dialect.request(model), &key)).await?;
            assert_eq!(answer.status(), 200, "{model}: {}", answer.text());
            stand.take_request()?;
        }
        for model in ["gpt-4", "GPT-5", " gpt-5", "claude-opus-4", "x", ""] {
            let answer = stand.send(&with_key(dialect.request(model), &key)).await?;
            dialect.check_refusal(&answer, 403, "model_not_allowed")?;
        }
    }
    check_nothing_whole(&stand).await
}

#[tokio::test]
async fn a_key_for_certain_models_gets_no_path_whose_model_cannot_be_told() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start_with(&folder, |config| {
        config.with("passthroughPaths", json!(["/v1/files"]))
    })
    .await?;
    let limited = make_key(&stand.gateway, &holder(&json!({"models": ["m"]}))).await?;
    let free = make_key(&stand.gateway, &holder(&json!({}))).await?;
    let files = || Request::new("GET", "/v1/files");
    let answer = stand.send(&with_key(files(), &limited)).await?;
    Dialect::Chat.check_refusal(&answer, 403, "model_not_allowed")?;
    ensure!(stand.fake.requests().is_empty(), "it went upstream");
    let answer = stand.send(&with_key(files(), &free)).await?;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let list = Request::new("GET", "/v1/models");
    let answer = stand.send(&with_key(list, &limited)).await?;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    Ok(())
}

#[tokio::test]
async fn a_second_model_in_a_body_is_refused_however_it_is_spelled() -> Result<()> {
    let (_folder, stand, key) = start_with_models().await?;
    for second in [
        r#""model":"gpt-4""#,
        r#""model":"gpt-5""#,
        r#""\u006dodel":"gpt-4""#,
        r#""\u006D\u006F\u0064\u0065\u006C":"gpt-4""#,
        r#""Model":"gpt-4""#,
        r#""MODEL":"gpt-4""#,
        r#""model" : null"#,
        r#""model":{"model":"gpt-4"}"#,
    ] {
        for body in [
            format!(r#"{{"model":"gpt-5",{second},"messages":[]}}"#),
            format!(r#"{{{second},"messages":[],"model":"gpt-5"}}"#),
        ] {
            for request in [chat(&key, &body), chat(&key, &body).chunked()] {
                let answer = stand.send(&request).await?;
                Dialect::Chat
                    .check_refusal(&answer, 400, "duplicate_model")
                    .context(body.clone())?;
            }
        }
    }
    check_nothing_whole(&stand).await
}

#[tokio::test]
async fn an_escaped_model_is_read_as_it_is_meant() -> Result<()> {
    let (_folder, stand, key) = start_with_models().await?;
    let allowed = r#"{"\u006dodel":"gpt\u002d5","messages":[{"role":"user","content":"hi"}]}"#;
    let answer = stand.send(&chat(&key, allowed)).await?;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    ensure!(
        stand.take_request()?.body == allowed.as_bytes(),
        "the body was changed"
    );
    let other = r#"{"\u006dodel":"gpt\u002d4","messages":[]}"#;
    let answer = stand.send(&chat(&key, other)).await?;
    Dialect::Chat.check_refusal(&answer, 403, "model_not_allowed")?;
    check_nothing_whole(&stand).await
}

#[tokio::test]
async fn a_second_model_behind_the_first_mib_breaks_the_request_off() -> Result<()> {
    let (_folder, stand, key) = start_with_models().await?;
    let filler = "x".repeat(FILLER_BYTES);
    for second in [r#""model":"gpt-4""#, r#""mode\u006c":"gpt-4""#] {
        let body = format!(r#"{{"model":"gpt-5","filler":"{filler}",{second}}}"#);
        for request in [chat(&key, &body), chat(&key, &body).chunked()] {
            let answer = stand.send(&request).await?;
            Dialect::Chat.check_refusal(&answer, 400, "duplicate_model")?;
        }
    }
    check_nothing_whole(&stand).await
}

#[tokio::test]
async fn a_large_body_that_names_its_model_first_passes_unchanged() -> Result<()> {
    let (_folder, stand, key) = start_with_models().await?;
    let filler = "x".repeat(FILLER_BYTES);
    let messages = r#"[{"role":"user","content":"model"}]"#;
    let body =
        format!(r#"{{"model":"gpt-5","metadata":{{"model":"{filler}"}},"messages":{messages}}}"#);
    for request in [chat(&key, &body), chat(&key, &body).chunked()] {
        let answer = stand.send(&request).await?;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        ensure!(
            stand.take_request()?.body == body.as_bytes(),
            "the body was changed"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_body_whose_model_is_not_found_is_refused() -> Result<()> {
    let (_folder, stand, key) = start_with_models().await?;
    let filler = "x".repeat(FILLER_BYTES);
    for body in [
        r#"{"messages":[]}"#.to_owned(),
        r#"{"model":null,"messages":[]}"#.to_owned(),
        r#"{"model":5,"messages":[]}"#.to_owned(),
        r#"{"model":["gpt-5"],"messages":[]}"#.to_owned(),
        r#"{"metadata":{"model":"gpt-5"}}"#.to_owned(),
        format!(r#"{{"filler":"{filler}","model":"gpt-5"}}"#),
    ] {
        let answer = stand.send(&chat(&key, &body)).await?;
        let start: String = body.chars().take(60).collect();
        Dialect::Chat
            .check_refusal(&answer, 400, "model_not_found_in_body")
            .context(start)?;
    }
    let nothing = with_key(Request::new("POST", "/v1/chat/completions"), &key);
    let answer = stand
        .send(&nothing.header("content-type", "application/json"))
        .await?;
    ensure!(answer.status() == 400, "{}", answer.text());
    check_nothing_whole(&stand).await
}

#[tokio::test]
async fn a_body_that_could_be_read_in_two_ways_is_refused() -> Result<()> {
    let (_folder, stand, key) = start_with_models().await?;
    let good = r#"{"model":"gpt-5","messages":[]}"#;
    let typed = |content_type: &str| {
        let request = chat(&key, good).without("content-type");
        request.header("content-type", content_type)
    };
    let requests = [
        chat(&key, good).without("content-type"),
        typed("text/plain"),
        typed("multipart/form-data; boundary=x"),
        typed("application/x-www-form-urlencoded"),
        typed("application/json; charset=utf-7"),
        typed("application/json; charset=utf-16"),
        typed("application/json").header("content-type", "text/plain"),
        chat(
            &key,
            r#"{"model":"gpt-5",/*"model":"gpt-4",*/"messages":[]}"#,
        ),
        chat(&key, r#"{'model':'gpt-4',"model":"gpt-5"}"#),
        chat(&key, r#"{model:"gpt-4","model":"gpt-5"}"#),
    ];
    for request in requests {
        let answer = stand.send(&request).await?;
        let head = String::from_utf8_lossy(request.body_bytes()).into_owned();
        Dialect::Chat
            .check_refusal(&answer, 415, "body_not_plain_json")
            .context(head)?;
    }
    check_nothing_whole(&stand).await
}

#[tokio::test]
async fn a_key_gets_the_providers_that_it_is_for_and_no_others() -> Result<()> {
    let (_folder, stand, key) = start_with_key(&json!({"providers": ["anthropic"]})).await?;
    let answer = stand
        .send(&with_key(Dialect::Messages.request("m"), &key))
        .await?;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    stand.take_request()?;
    for dialect in [Dialect::Chat, Dialect::Responses] {
        let answer = stand.send(&with_key(dialect.request("m"), &key)).await?;
        let text = dialect.check_refusal(&answer, 403, "provider_not_allowed")?;
        ensure!(text.contains("openai"), "{text}");
    }
    let named = Request::new("GET", "/v1/models").header("x-anyray-provider", "openai");
    let answer = stand.send(&with_key(named, &key)).await?;
    Dialect::Chat.check_refusal(&answer, 403, "provider_not_allowed")?;
    check_nothing_whole(&stand).await
}
