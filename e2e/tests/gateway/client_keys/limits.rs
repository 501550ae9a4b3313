//! Limits of a key: so many requests per minute, so many at once.

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::Dialect,
    client_keys::{ClientKey, make_key},
    raw::Answer,
    stand::Stand,
};
use serde_json::{Value, json};

use super::{holder, start_with_key, wait_for_outcome, with_key};

/// The answer is a 429 of the gateway that clients may try again; returns after how many seconds.
fn check_limited(dialect: Dialect, answer: &Answer, code: &str) -> Result<u64> {
    dialect.check_error(answer, 429)?;
    assert_eq!(dialect.read_code(answer)?, code);
    ensure!(
        answer.head.header("x-should-retry").is_none(),
        "a limit is not for good"
    );
    let seconds = answer
        .head
        .header("retry-after")
        .context("no retry-after")?;
    Ok(seconds.parse()?)
}

async fn ask(stand: &Stand, dialect: Dialect, key: &ClientKey) -> Result<Answer> {
    stand.send(&with_key(dialect.request("m"), key)).await
}

#[tokio::test]
async fn a_key_has_so_many_requests_per_minute_in_all_dialects_together() -> Result<()> {
    let (_folder, stand, key) = start_with_key(&json!({"requestsPerMinute": 3})).await?;
    let other = make_key(&stand.gateway, &holder(&json!({"requestsPerMinute": 3}))).await?;
    for dialect in Dialect::ALL {
        assert_eq!(ask(&stand, dialect, &key).await?.status(), 200);
    }
    for dialect in Dialect::ALL {
        let answer = ask(&stand, dialect, &key).await?;
        let seconds = check_limited(dialect, &answer, "rate_limit_exceeded")?;
        ensure!((1..=21).contains(&seconds), "retry-after: {seconds}");
        assert_eq!(ask(&stand, dialect, &other).await?.status(), 200);
    }
    Ok(())
}

#[tokio::test]
async fn a_limited_request_is_logged_with_its_key() -> Result<()> {
    let (_folder, stand, key) = start_with_key(&json!({"requestsPerMinute": 1})).await?;
    assert_eq!(ask(&stand, Dialect::Chat, &key).await?.status(), 200);
    let answer = ask(&stand, Dialect::Chat, &key).await?;
    check_limited(Dialect::Chat, &answer, "rate_limit_exceeded")?;
    let id = answer.head.header("x-anyray-request-id").context("no id")?;
    let line = stand.log_line(id).await?;
    assert_eq!(line.get("client.key"), Some(&json!(key.id)), "{line}");
    assert_eq!(line.get("outcome"), Some(&json!("rate_limit_exceeded")));
    Ok(())
}

#[tokio::test]
async fn an_edit_of_a_key_does_not_renew_its_minute() -> Result<()> {
    let (folder, stand, key) = start_with_key(&json!({"requestsPerMinute": 1})).await?;
    assert_eq!(ask(&stand, Dialect::Chat, &key).await?.status(), 200);
    folder.edit_key(&key, "suspended", json!(true))?;
    wait_for_outcome(&stand.gateway, &key, "client_key_suspended").await?;
    folder.edit_key(&key, "suspended", Value::Bool(false))?;
    wait_for_outcome(&stand.gateway, &key, "rate_limit_exceeded").await
}

#[tokio::test]
async fn a_key_has_so_many_requests_open_at_once() -> Result<()> {
    let (_folder, stand, key) = start_with_key(&json!({"concurrentRequests": 2})).await?;
    let stream = || with_key(Dialect::Chat.stream("fake-hang-stream-2"), &key);
    let first = stand.begin(&stream()).await?;
    let second = stand.begin(&stream()).await?;
    for dialect in Dialect::ALL {
        let answer = ask(&stand, dialect, &key).await?;
        let code = "too_many_concurrent_requests";
        assert_eq!(check_limited(dialect, &answer, code)?, 1);
    }
    drop(first);
    wait_for_outcome(&stand.gateway, &key, "ok").await?;
    let third = stand.begin(&stream()).await?;
    let answer = ask(&stand, Dialect::Chat, &key).await?;
    check_limited(Dialect::Chat, &answer, "too_many_concurrent_requests")?;
    drop((second, third));
    wait_for_outcome(&stand.gateway, &key, "ok").await
}

#[tokio::test]
async fn an_ended_or_refused_request_gives_its_place_back() -> Result<()> {
    let permissions = json!({"concurrentRequests": 1, "models": ["m", "fake-*"]});
    let (_folder, stand, key) = start_with_key(&permissions).await?;
    for (model, status) in [("m", 200), ("other", 403), ("fake-status-500", 500)] {
        for dialect in Dialect::ALL {
            let request = with_key(dialect.request(model), &key);
            // The place is free once the answer was written, which its caller may see before.
            wait_for_outcome(&stand.gateway, &key, "ok").await?;
            stand
                .gateway
                .ops()
                .wait_for_metric("requests_in_flight", 0)
                .await?;
            assert_eq!(stand.send(&request).await?.status(), status, "{model}");
        }
    }
    Ok(())
}
