//! A subscription's token reaches the named host as it is, and nothing of ours goes along.

use anyhow::{Result, ensure};
use anyray_e2e::{
    call::Dialect,
    config::{ANTHROPIC_KEY, OPENAI_KEY},
};
use anyray_fakes::Recorded;

use super::{ANTHROPIC_SUBSCRIPTION, Ground, OPENAI_SUBSCRIPTION, Setup};

/// What Claude Code says of its subscription; without the first of them the token is refused.
const BETAS: &str = "oauth-2025-04-20,claude-code-20250219,interleaved-thinking-2025-05-14";

/// Neither a key of the organisation nor a header of ours went to the named host.
fn check_nothing_of_ours(request: &Recorded, key: &str) -> Result<()> {
    for (name, value) in &request.headers {
        let value = String::from_utf8_lossy(value);
        let secrets = [OPENAI_KEY, ANTHROPIC_KEY, key];
        let is_told = secrets.iter().any(|secret| value.contains(secret));
        ensure!(!is_told, "{name} tells a key of ours");
        ensure!(!name.starts_with("x-anyray-"), "{name} went to the host");
    }
    Ok(())
}

fn credentials(request: &Recorded) -> Vec<(&str, String)> {
    let names = ["authorization", "x-api-key", "api-key", "x-goog-api-key"];
    let headers = request.headers.iter();
    let found = headers.filter(|(name, _)| names.contains(&name.as_str()));
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    found
        .map(|(name, value)| (name.as_str(), text(value)))
        .collect()
}

#[tokio::test]
async fn s10_a_subscriptions_token_reaches_the_listed_host_unchanged() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    let base = ground.base("");
    let request = ground
        .subscription_request(Dialect::Messages, &base)
        .header("anthropic-beta", BETAS)
        .header("x-app", "cli");
    for base in [
        base.as_str(),
        &format!("{base}/"),
        base.trim_start_matches("https://"),
    ] {
        let request = request
            .clone()
            .without("x-anyray-custom-host")
            .header("x-anyray-custom-host", base);
        let answer = ground.send(&request).await?;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let got = ground.take_subscription_request()?;
        let bearer = format!("Bearer {ANTHROPIC_SUBSCRIPTION}");
        assert_eq!(credentials(&got), [("authorization", bearer)]);
        assert_eq!(got.header("anthropic-beta"), Some(BETAS));
        assert_eq!(got.header("x-app"), Some("cli"));
        assert_eq!(got.path_and_query, "/v1/messages");
        let host = ground.base("").replace("https://", "");
        assert_eq!(got.header("host"), Some(host.as_str()));
        ensure!(got.body == request.body_bytes(), "the body was changed");
        check_nothing_of_ours(&got, &ground.key.secret)?;
    }
    ensure!(
        ground.organisation.requests().is_empty(),
        "the organisation paid"
    );
    Ok(())
}

#[tokio::test]
async fn s10_a_codex_subscription_reaches_the_path_below_the_named_base() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    for (base, status) in [
        ("/backend-api/codex", 200),
        ("/backend-api/codex/", 200),
        // The fake knows no such path: that is its own word, passed on.
        ("", 404),
    ] {
        let request = ground
            .subscription_request(Dialect::Responses, &ground.base(base))
            .header("x-codex-turn-metadata", r#"{"installation_id":"canary"}"#)
            .header("chatgpt-account-id", "account-1")
            .header("session-id", "session-1");
        let answer = ground.send(&request).await?;
        assert_eq!(answer.status(), status, "{}", answer.text());
        let got = ground.take_subscription_request()?;
        let expected = format!("{}/responses", base.trim_end_matches('/'));
        assert_eq!(got.path_and_query, expected);
        let bearer = format!("Bearer {OPENAI_SUBSCRIPTION}");
        assert_eq!(credentials(&got), [("authorization", bearer)]);
        assert_eq!(got.header("x-codex-turn-metadata"), None);
        assert_eq!(got.header("chatgpt-account-id"), Some("account-1"));
        assert_eq!(got.header("session-id"), Some("session-1"));
        check_nothing_of_ours(&got, &ground.key.secret)?;
    }
    ensure!(
        ground.organisation.requests().is_empty(),
        "the organisation paid"
    );
    Ok(())
}

#[tokio::test]
async fn a_subscriptions_stream_passes_whole_and_is_logged_with_the_key() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    for dialect in Dialect::ALL {
        let request = ground.subscription_request(
            dialect,
            &ground.base(match dialect {
                Dialect::Messages => "",
                Dialect::Chat | Dialect::Responses => "/v1",
            }),
        );
        let stream = dialect.stream("m");
        let request = request.body(stream.body_bytes());
        let answer = ground.send(&request).await?;
        assert_eq!(answer.status(), 200, "{}", answer.text());
        let sent = ground.take_subscription_request()?.sent;
        ensure!(
            answer.is_whole && answer.body == sent,
            "the stream was changed"
        );
    }
    let is_logged = async || {
        let lines = ground.gateway.access_log();
        let ours = lines.iter().filter(|line| line.contains(&ground.key.id));
        (ours.count() == Dialect::ALL.len()).then_some(())
    };
    let limit = std::time::Duration::from_secs(5);
    anyray_e2e::wait::until("lines of the access log", limit, is_logged).await?;
    let said = [ground.gateway.access_log(), ground.gateway.diagnostics()].concat();
    let said = said.join("\n");
    for secret in [
        ANTHROPIC_SUBSCRIPTION,
        OPENAI_SUBSCRIPTION,
        ground.key.secret.as_str(),
    ] {
        ensure!(!said.contains(secret), "the logs tell a token");
    }
    Ok(())
}

#[tokio::test]
async fn s10_an_own_key_goes_to_a_listed_host_without_any_subscription() -> Result<()> {
    let setup = Setup {
        is_subscription_mode_on: false,
        ..Setup::default()
    };
    let ground = Ground::start(setup).await?;
    let request = ground
        .bare_request(Dialect::Messages, &ground.base(""))
        .header("x-api-key", "sk-ant-of-the-caller");
    let answer = ground.send(&request).await?;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let got = ground.take_subscription_request()?;
    let own = "sk-ant-of-the-caller".to_owned();
    assert_eq!(credentials(&got), [("x-api-key", own)]);
    check_nothing_of_ours(&got, &ground.key.secret)
}

#[tokio::test]
async fn a_request_without_a_wish_of_its_own_uses_the_organisations_key() -> Result<()> {
    let ground = Ground::start(Setup::default()).await?;
    let request = ground
        .own_request(Dialect::Messages, "")
        .without("x-anyray-custom-host");
    let answer = ground.send(&request).await?;
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let requests = ground.organisation.take_requests();
    let [got] = requests.as_slice() else {
        anyhow::bail!("{} requests reached the organisation's", requests.len());
    };
    assert_eq!(credentials(got), [("x-api-key", ANTHROPIC_KEY.to_owned())]);
    ensure!(
        ground.subscription.requests().is_empty(),
        "it reached another host"
    );
    Ok(())
}
