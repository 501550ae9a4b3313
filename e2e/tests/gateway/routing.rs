//! Row S12, paths: which requests go upstream, whereto, and what the gateway answers itself.

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    config::Config,
    raw::Answer,
    stand::{Stand, send, start_gateway},
};
use anyray_fakes::FakeProvider;
use serde_json::{Value, json};

fn get(target: &str) -> Request {
    Request::new("GET", target)
}

fn as_anthropic(request: Request) -> Request {
    request.header("anthropic-version", "2023-06-01")
}

/// Both spellings of a request: for callers of OpenAI and of Anthropic.
fn in_both_dialects(request: &Request) -> [(Dialect, Request); 2] {
    [
        (Dialect::Chat, request.clone()),
        (Dialect::Messages, as_anthropic(request.clone())),
    ]
}

/// Requests that the gateway refuses itself, in the caller's dialect.
async fn check_own_errors(stand: &Stand, requests: &[Request], status: u16) -> Result<()> {
    for request in requests {
        for (dialect, request) in in_both_dialects(request) {
            let answer = stand.send(&request).await?;
            let checked = dialect.check_error(&answer, status);
            checked.with_context(|| String::from_utf8_lossy(&request.head_bytes()).into_owned())?;
        }
    }
    ensure!(
        stand.fake.requests().is_empty(),
        "a refused request went upstream"
    );
    Ok(())
}

#[tokio::test]
async fn s12_every_inference_path_is_served_with_and_without_its_version() -> Result<()> {
    let stand = Stand::start().await?;
    let embeddings = json!({"model": "m", "input": "text"}).to_string();
    let completions = json!({"model": "m", "prompt": "text"}).to_string();
    let count = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let requests = [
        Dialect::Chat.request("m"),
        Dialect::Responses.request("m"),
        Dialect::Messages.request("m"),
        Request::new("POST", "/v1/embeddings").body(embeddings),
        Request::new("POST", "/v1/completions").body(completions),
        as_anthropic(Request::new("POST", "/v1/messages/count_tokens").body(count)),
        get("/v1/models?limit=2&after=a%20b"),
        get("/v1/models/acme%2Ftuned%3Av1"),
        as_anthropic(get("/v1/models")),
        get("/v1/responses/resp_1"),
        get("/v1/responses/resp_1/input_items?limit=1"),
        Request::new("DELETE", "/v1/responses/resp_1"),
        Request::new("POST", "/v1/responses/resp_1/cancel"),
    ];
    for request in requests {
        let head = String::from_utf8(request.head_bytes())?;
        let path = head.split(' ').nth(1).context("no path")?;
        let bare = path.strip_prefix("/v1").context("no version")?;
        for target in [path, bare] {
            let answer = stand.send(&request.clone().to(target)).await?;
            ensure!(answer.status() == 200, "{target}: {}", answer.text());
            let upstream = stand.take_request()?;
            assert_eq!(upstream.path_and_query, path);
            ensure!(
                upstream.body == request.body_bytes(),
                "{target}: the body was changed"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn s12_unknown_paths_are_404_in_the_callers_dialect() -> Result<()> {
    let stand = Stand::start().await?;
    let paths = [
        "/v1",
        "/v2/chat/completions",
        "/v1/files",
        "/files",
        "/v1/organization/users",
        "/v1/fine_tuning/jobs",
        "/v1/batches",
        "/console",
        "/metrics",
        "/readyz",
        "/config",
        "/v1/v1/models",
        "/v1/modelsx",
        "/v1/chat",
        "/index.html",
    ];
    check_own_errors(&stand, &paths.map(get), 404).await
}

#[tokio::test]
async fn s12_paths_with_two_readings_are_400() -> Result<()> {
    let stand = Stand::start_with(|config| {
        config.with("passthroughPaths", json!(["/v1/files", "/v1/files/*"]))
    })
    .await?;
    let paths = [
        "/v1/models/../files",
        "/v1/models/%2e%2e/files",
        "/v1/models/.%2E/files",
        "/v1/models/..%2ffiles",
        "/v1/models/..%5cfiles",
        "/v1/models/..\\files",
        "/v1//models",
        "//v1/models",
        "/v1/models/./x",
        "/v1/files/../organization/users",
        "/v1/files/%2e%2e/%2e%2e/admin",
        "/v1/models//",
        "/v1/models/",
        "/v1/files/",
    ];
    check_own_errors(&stand, &paths.map(get), 400).await
}

#[tokio::test]
async fn s12_other_methods_are_405_and_told_the_right_one() -> Result<()> {
    let stand = Stand::start().await?;
    for (method, path, dialect, allow) in [
        ("GET", "/v1/chat/completions", Dialect::Chat, "POST"),
        ("DELETE", "/v1/messages", Dialect::Messages, "POST"),
        ("PUT", "/v1/responses", Dialect::Responses, "POST"),
        ("POST", "/v1/models", Dialect::Chat, "GET"),
        (
            "PATCH",
            "/v1/responses/resp_1",
            Dialect::Responses,
            "GET, POST, DELETE",
        ),
        ("TRACE", "/v1/chat/completions", Dialect::Chat, "POST"),
    ] {
        let answer = stand.send(&Request::new(method, path)).await?;
        dialect.check_error(&answer, 405)?;
        assert_eq!(answer.head.header("allow"), Some(allow), "{method} {path}");
    }
    ensure!(
        stand.fake.requests().is_empty(),
        "a refused request went upstream"
    );
    Ok(())
}

#[tokio::test]
async fn s12_listed_paths_pass_through_and_their_neighbours_do_not() -> Result<()> {
    let listed = json!(["/v1/files", "/v1/batches/*"]);
    let stand = Stand::start_with(|config| config.with("passthroughPaths", listed)).await?;
    let (openai, anthropic) = (get("/v1/files?purpose=x"), as_anthropic(get("/v1/files")));
    for (request, shape) in [(openai, "\"object\""), (anthropic, "\"has_more\"")] {
        let answer = stand.send(&request).await?;
        ensure!(
            answer.status() == 200 && answer.text().contains(shape),
            "{}",
            answer.text()
        );
    }
    let upload = Request::new("POST", "/v1/batches/one/cancel").body("any bytes \0 at all");
    assert_eq!(stand.send(&upload).await?.status(), 404);
    let upstream = stand.fake.take_requests();
    let last = upstream.last().context("nothing went upstream")?;
    assert_eq!(
        (last.method.as_str(), last.path_and_query.as_str()),
        ("POST", "/v1/batches/one/cancel")
    );
    assert_eq!(last.body, "any bytes \0 at all");
    let neighbours = [
        "/v1/files/one",
        "/v1/batches",
        "/files",
        "/batches/one",
        "/v1/filesx",
    ];
    check_own_errors(&stand, &neighbours.map(get), 404).await
}

#[tokio::test]
async fn s12_a_websocket_is_refused_with_426() -> Result<()> {
    let stand = Stand::start().await?;
    let upgrade = get("/v1/responses")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    for request in [upgrade.clone(), upgrade.to("/responses")] {
        let answer = stand.send(&request).await?;
        Dialect::Responses.check_error(&answer, 426)?;
    }
    ensure!(
        stand.fake.requests().is_empty(),
        "a WebSocket went upstream"
    );
    Ok(())
}

#[tokio::test]
async fn s12_probes_need_no_credential_and_stay_here() -> Result<()> {
    let stand = Stand::start_with(|config| config.with("providerKeys", json!([]))).await?;
    for (method, path) in [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/livez"),
        ("HEAD", "/livez"),
        ("GET", "/api/hello"),
        ("HEAD", "/api/hello"),
        ("POST", "/api/hello"),
    ] {
        let mut caller = stand.open().await?;
        caller.send(Request::new(method, path).to_bytes()).await?;
        assert_eq!(caller.read_head().await?.status, 200, "{method} {path}");
    }
    ensure!(stand.fake.requests().is_empty(), "a probe went upstream");
    Ok(())
}

#[tokio::test]
async fn s12_the_wanted_provider_must_exist_and_speak_the_dialect() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        let wanting = |slug: &str| dialect.request("m").header("x-anyray-provider", slug);
        let answer = stand.send(&wanting("acme")).await?;
        ensure!(
            dialect
                .check_error(&answer, 400)?
                .contains("openai, anthropic")
        );
        let answer = stand.send(&wanting("OpenAI\u{e9}")).await?;
        dialect.check_error(&answer, 400)?;
        let other = if dialect == Dialect::Messages {
            "openai"
        } else {
            "anthropic"
        };
        let answer = stand.send(&wanting(other)).await?;
        ensure!(
            dialect
                .check_error(&answer, 400)?
                .contains("does not speak")
        );
        ensure!(
            stand.fake.requests().is_empty(),
            "a refused request went upstream"
        );
        assert_eq!(
            stand.send(&wanting(dialect.provider())).await?.status(),
            200
        );
        stand.take_request()?;
    }
    Ok(())
}

/// Two keys of one provider, at two places, with rules that choose.
fn two_openai_keys(first: &FakeProvider, second: &FakeProvider) -> Config {
    let key = |name: &str, fake: &FakeProvider| {
        json!({
            "name": name,
            "provider": "openai",
            "credential": {"file": "keys/openai"},
            "endpoint": {"url": format!("{}/v1", fake.url()), "allowInsecure": true},
        })
    };
    let rules = json!({"models": [
        {"match": "special", "providerKey": "second"},
        {"match": "acme/*-large*", "providerKey": "second"},
        {"match": "*-small", "providerKey": "first"},
    ]});
    Config::for_provider(&first.url())
        .with(
            "providerKeys",
            json!([key("first", first), key("second", second)]),
        )
        .with("routing", rules)
}

#[tokio::test]
async fn s12_model_rules_choose_among_keys() -> Result<()> {
    let (first, second) = (FakeProvider::start().await?, FakeProvider::start().await?);
    let gateway = start_gateway(&two_openai_keys(&first, &second), &[]).await?;
    for (model, goes_second) in [
        ("special", true),
        ("specially", false),
        ("acme/x-large", true),
        ("acme/x-large-2026", true),
        ("acme/x-small", false),
        ("other", false),
        ("", false),
    ] {
        for dialect in [Dialect::Chat, Dialect::Responses] {
            // The model may stand anywhere, and may stand deeper without meaning anything.
            let request = dialect.request_with(model, json!({"metadata": {"model": "special"}}));
            let answer: Answer = send(&gateway, &request).await?;
            ensure!(
                answer.status() == 200 || model.is_empty(),
                "{}",
                answer.text()
            );
            let counts = (first.take_requests().len(), second.take_requests().len());
            let expected = if goes_second { (0, 1) } else { (1, 0) };
            ensure!(counts == expected, "{model:?} went to {counts:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn s12_a_rule_for_a_provider_of_another_dialect_is_a_clear_400() -> Result<()> {
    let rules = json!({"models": [{"match": "claude-*", "providerKey": "anthropic"}]});
    let stand = Stand::start_with(|config| config.with("routing", rules)).await?;
    let answer = stand
        .send(&Dialect::Chat.request("claude-opus-4-7"))
        .await?;
    let message = Dialect::Chat.check_error(&answer, 400)?;
    ensure!(message.contains("anthropic does not speak"), "{message}");
    let answer = stand
        .send(&Dialect::Messages.request("claude-opus-4-7"))
        .await?;
    assert_eq!(answer.status(), 200);
    Ok(())
}

#[tokio::test]
async fn s12_bodies_that_are_no_json_pass_to_the_provider() -> Result<()> {
    let stand = Stand::start().await?;
    for body in [
        "",
        "null",
        "[1,2]",
        "{\"model\":",
        "not json",
        "{\"model\":7}",
        "\u{feff}{}",
    ] {
        let answer = stand.send(&Dialect::Chat.request("m").body(body)).await?;
        let error: Value = answer.json()?;
        ensure!(answer.status() == 400, "{body:?}: {error}");
        assert_eq!(stand.take_request()?.body, body);
    }
    Ok(())
}
