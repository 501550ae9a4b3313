//! What a caller may not do with its own credential, and where it may not send it.

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    client_keys::make_key,
};
use serde_json::json;

use super::{ANTHROPIC_SUBSCRIPTION, Ground, HOST, OPENAI_SUBSCRIPTION, OTHER_HOST, Setup};

/// Spellings of row S10 that a header can carry, and their like.
const SPELLINGS: &[&str] = &[
    "http://169.254.169.254",
    "https://169.254.169.254/latest/meta-data",
    "169.254.169.254",
    "https://localhost",
    "https://localhost:8789",
    "localhost",
    "https://[::1]",
    "https://[::1]:443/v1",
    "https://[::ffff:10.0.0.1]",
    "https://[::ffff:169.254.169.254]",
    "https://0x7f.1",
    "https://0x7f000001",
    "https://127.1",
    "https://2130706433",
    "https://017700000001",
    "https://127.0.0.1",
    "https://10.0.0.1:6443",
    "https://0",
    "https://subscription.example.test@10.0.0.1",
    "https://user@subscription.example.test",
    "https://user:pass@subscription.example.test",
    "https://subscription.example.test#@evil.example.test",
    "https://subscription.example.test#",
    "https://subscription.example.test?x=1",
    "https://subscription.example.test\\@evil.example.test",
    "https://subscription.example.test%2eevil.example.test",
    "https://subscription.example.test%00",
    "https://subscription.example.test.",
    "https://subscription.example.test./v1",
    "https://.example.test",
    "https://subscription..example.test",
    "https://-subscription.example.test",
    "https://seat_.example.test",
    "https://subscription.example.test:0",
    "https://subscription.example.test:65536",
    "https://subscription.example.test:",
    "https://subscription.example.test:443:443",
    "https://subscription.example.test:+443",
    "https://subscription.example.test: 443",
    "https://subscription.example.test/../admin",
    "https://subscription.example.test/./v1",
    "https://subscription.example.test//v1",
    "https://subscription.example.test/v1/%2e%2e",
    "https://subscription.example.test/v1;x",
    "https:/subscription.example.test",
    "https:subscription.example.test",
    "//subscription.example.test",
    "http://subscription.example.test",
    "ftp://subscription.example.test",
    "file:///etc/passwd",
    "gopher://subscription.example.test",
    "https://s\u{e9}at.example.test",
    "https://subscription.example.test, https://evil.example.test",
    "https://subscription.example.test https://evil.example.test",
    "https://subscription\texample.test",
    "https://",
    "https://:443",
    "",
];

#[tokio::test]
async fn s10_no_other_spelling_of_a_host_is_taken() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    for spelling in SPELLINGS {
        for request in [
            ground.subscription_request(Dialect::Messages, spelling),
            ground.own_request(Dialect::Messages, spelling),
        ] {
            let answer = ground.send(&request).await?;
            Dialect::Messages
                .check_refusal(&answer, 400, "custom_host_invalid")
                .context(*spelling)?;
        }
    }
    let long = format!("https://{HOST}/{}", "x".repeat(2000));
    let answer = ground
        .send(&ground.subscription_request(Dialect::Chat, &long))
        .await?;
    Dialect::Chat.check_refusal(&answer, 400, "custom_host_invalid")?;
    ground.check_nothing_sent()
}

#[tokio::test]
async fn s10_line_ends_within_a_host_are_no_request() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    for text in [
        "https://subscription.example.test\r x",
        "https://subscription.example.test\0",
    ] {
        let request = ground.subscription_request(Dialect::Messages, text);
        let answer = ground.send(&request).await?;
        assert_eq!(answer.status(), 400, "{text:?}");
    }
    // After a line end stands another header, whose value is not the host's.
    let split = format!(
        "{}\r\nx-anyray-custom-host: https://{OTHER_HOST}",
        ground.base("")
    );
    let answer = ground
        .send(&ground.subscription_request(Dialect::Messages, &split))
        .await?;
    ensure!(answer.status() == 400, "{}", answer.text());
    ground.check_nothing_sent()
}

#[tokio::test]
async fn s10_a_host_that_is_not_listed_is_refused() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    let port = ground.subscription.addr().port();
    for base in [
        // The same machine by another name, and the listed name at other ports.
        format!("https://{OTHER_HOST}:{port}"),
        format!("https://{HOST}"),
        format!("https://{HOST}:1"),
        format!("https://x.{HOST}:{port}"),
        format!("https://{HOST}.evil.example.test:{port}"),
        "https://metadata.google.internal".to_owned(),
        "https://kubernetes.default.svc".to_owned(),
        // Each provider's own host is one for that provider's subscriptions only.
        "https://api.openai.com".to_owned(),
    ] {
        for request in [
            ground.subscription_request(Dialect::Messages, &base),
            ground.own_request(Dialect::Messages, &base),
        ] {
            let answer = ground.send(&request).await?;
            Dialect::Messages
                .check_refusal(&answer, 403, "custom_host_not_allowed")
                .context(base.clone())?;
        }
    }
    // Without a subscription not even the provider's own.
    let base = "https://api.anthropic.com";
    let answer = ground
        .send(&ground.own_request(Dialect::Messages, base))
        .await?;
    Dialect::Messages.check_refusal(&answer, 403, "custom_host_not_allowed")?;
    ground.check_nothing_sent()
}

#[tokio::test]
async fn a_host_may_be_named_once() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    let base = ground.base("");
    let request = ground.subscription_request(Dialect::Messages, &base);
    let answer = ground
        .send(&request.header("x-anyray-custom-host", &base))
        .await?;
    Dialect::Messages.check_refusal(&answer, 400, "duplicate_credential")?;
    ground.check_nothing_sent()
}

#[tokio::test]
async fn subscriptions_are_refused_where_they_are_switched_off() -> Result<()> {
    let setup = Setup {
        is_subscription_mode_on: false,
        ..Setup::default()
    };
    let ground = Ground::start(setup).await?;
    for dialect in Dialect::ALL {
        let request = ground.subscription_request(dialect, &ground.base("/v1"));
        for request in [request.clone(), request.without("x-anyray-custom-host")] {
            let answer = ground.send(&request).await?;
            let text = dialect.check_refusal(&answer, 403, "passthrough_disabled")?;
            ensure!(text.contains("auth.subscriptionPassthrough"), "{text}");
        }
    }
    ground.check_nothing_sent()
}

#[tokio::test]
async fn s10_who_has_no_token_of_its_own_is_not_lent_one() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    for dialect in Dialect::ALL {
        let bare = ground.bare_request(dialect, &ground.base("/v1"));
        let subscription = bare.clone().header("x-anyray-auth-mode", "passthrough");
        let key = format!("Bearer {}", ground.key.secret);
        for request in [
            bare.clone(),
            subscription.clone(),
            subscription.clone().without("x-anyray-custom-host"),
            subscription
                .clone()
                .header("authorization", "Bearer anyray-placeholder"),
            subscription.clone().header("authorization", &key),
            bare.header("authorization", "Bearer"),
        ] {
            let answer = ground.send(&request).await?;
            dialect.check_refusal(&answer, 401, "own_token_missing")?;
        }
    }
    ground.check_nothing_sent()
}

#[tokio::test]
async fn a_token_goes_to_no_other_provider_than_its_own() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    let cases = [
        (Dialect::Chat, ANTHROPIC_SUBSCRIPTION),
        (Dialect::Responses, ANTHROPIC_SUBSCRIPTION),
        (Dialect::Chat, "sk-ant-api03-key"),
        (Dialect::Messages, OPENAI_SUBSCRIPTION),
        (Dialect::Messages, "sk-proj-key"),
    ];
    for (dialect, token) in cases {
        let bare = ground.bare_request(dialect, &ground.base("/v1"));
        let own = bare.header("authorization", &format!("Bearer {token}"));
        let subscription = own.clone().header("x-anyray-auth-mode", "passthrough");
        for request in [
            own,
            subscription.clone(),
            subscription.without("x-anyray-custom-host"),
        ] {
            let answer = ground.send(&request).await?;
            let text = dialect.check_refusal(&answer, 403, "token_of_other_provider")?;
            ensure!(text.contains(dialect.provider()), "{text}");
            ensure!(!text.contains(token), "the refusal tells the token");
        }
    }
    ground.check_nothing_sent()
}

#[tokio::test]
async fn an_unknown_auth_mode_is_a_400() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    for mode in ["", "pass", "passthrough, managed", "off", "subscription"] {
        let request = ground
            .own_request(Dialect::Messages, &ground.base(""))
            .header("x-anyray-auth-mode", mode);
        for request in [request.clone(), request.without("x-anyray-custom-host")] {
            let answer = ground.send(&request).await?;
            Dialect::Messages.check_refusal(&answer, 400, "unknown_auth_mode")?;
        }
    }
    ground.check_nothing_sent()
}

#[tokio::test]
async fn a_subscription_needs_a_client_key_and_its_providers_permission() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    let request = ground.subscription_request(Dialect::Messages, &ground.base(""));
    let stranger = request.clone().without("x-anyray-api-key");
    let answer = ground.send(&stranger).await?;
    Dialect::Messages.check_refusal(&answer, 401, "client_key_missing")?;
    let permissions = json!({"user": "bob", "permissions": {"providers": ["openai"]}});
    let limited = make_key(&ground.gateway, &permissions).await?;
    let answer = ground
        .send(&stranger.header("x-anyray-api-key", &limited.secret))
        .await?;
    Dialect::Messages.check_refusal(&answer, 403, "provider_not_allowed")?;
    // The organisation's list of paths holds for subscriptions as well.
    let files = Request::new("GET", "/v1/files")
        .header("x-anyray-api-key", &ground.key.secret)
        .header("x-anyray-auth-mode", "passthrough")
        .header("authorization", &format!("Bearer {OPENAI_SUBSCRIPTION}"));
    let answer = ground.send(&files).await?;
    Dialect::Chat.check_refusal(&answer, 404, "unknown_path")?;
    ground.check_nothing_sent()
}
