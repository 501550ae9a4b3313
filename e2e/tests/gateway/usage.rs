//! What the gateway counts and logs: tokens of every dialect, and one line per request.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    ops::find_metric,
    raw::Answer,
    stand::Stand,
    wait,
};
use serde_json::{Value, json};

/// Kinds of tokens that are counted.
const KINDS: [&str; 4] = ["input", "output", "cache_read", "cache_write"];

/// Tokens of the requests that `call` builds: of nine words in, the role included, the fake reads
/// two from its cache and writes one; it repeats eight behind one word of its own.
const TOKENS: [u64; 4] = [6, 9, 2, 1];

fn id_of(answer: &Answer) -> Result<String> {
    Ok(answer
        .head
        .header("x-anyray-request-id")
        .context("no id")?
        .to_owned())
}

/// What the access log tells of an answer's tokens.
async fn logged_tokens(stand: &Stand, answer: &Answer) -> Result<[Option<u64>; 4]> {
    let line = stand.log_line(&id_of(answer)?).await?;
    Ok(KINDS.map(|kind| line.get(format!("tokens.{kind}"))?.as_u64()))
}

/// What the metrics tell of a provider's tokens.
async fn counted_tokens(stand: &Stand, provider: &str) -> Result<[u64; 4]> {
    let metrics = stand.gateway.ops().metrics().await?;
    let name = |kind| format!("tokens_total{{provider=\"{provider}\",kind=\"{kind}\"}}");
    Ok(KINDS.map(|kind| find_metric(&metrics, &name(kind))))
}

fn missing(operation: &str) -> String {
    format!("usage_missing_total{{operation=\"{operation}\"}}")
}

fn requests(operation: &str, provider: &str, status: &str) -> String {
    format!(
        "requests_total{{operation=\"{operation}\",provider=\"{provider}\",status=\"{status}\"}}"
    )
}

#[tokio::test]
async fn usage_tokens_are_counted_for_every_dialect() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        for request in [dialect.request("m"), dialect.stream("m")] {
            let before = counted_tokens(&stand, dialect.provider()).await?;
            let answer = stand.send(&request).await?;
            assert_eq!(
                logged_tokens(&stand, &answer).await?,
                TOKENS.map(Some),
                "{dialect:?}"
            );
            let after = counted_tokens(&stand, dialect.provider()).await?;
            for ((before, after), tokens) in before.into_iter().zip(after).zip(TOKENS) {
                ensure!(after - before == tokens, "{dialect:?}: {before} to {after}");
            }
        }
        let operation = dialect.operation();
        ensure!(
            stand.gateway.ops().metric(&missing(operation)).await? == 0,
            "{operation}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn usage_is_read_however_the_answer_is_cut_into_pieces() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        let mut seen = HashSet::new();
        for request in [
            dialect.request("fake-split-bytes"),
            dialect.stream("fake-split-bytes"),
        ] {
            let answer = stand.send(&request).await?;
            seen.insert(logged_tokens(&stand, &answer).await?);
        }
        ensure!(
            seen.len() == 1 && !seen.contains(&[None; 4]),
            "{dialect:?}: {seen:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn usage_of_answers_that_end_otherwise_is_counted() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        for scenario in [
            "fake-incomplete",
            "fake-tools",
            "fake-events-50",
            "fake-one-write",
        ] {
            let answer = stand.send(&dialect.stream(scenario)).await?;
            let [input, output, ..] = logged_tokens(&stand, &answer).await?;
            ensure!(
                input == Some(6) && output > Some(0),
                "{dialect:?} {scenario}"
            );
        }
    }
    let failed = stand
        .send(&Dialect::Responses.stream("fake-failed"))
        .await?;
    ensure!(
        logged_tokens(&stand, &failed).await? == TOKENS.map(Some),
        "a failed response is free"
    );
    Ok(())
}

#[tokio::test]
async fn usage_of_embeddings_has_no_output() -> Result<()> {
    let stand = Stand::start().await?;
    let body = json!({"model": "m", "input": "one two three"}).to_string();
    let answer = stand
        .send(&Request::new("POST", "/v1/embeddings").body(body))
        .await?;
    let [input, output, ..] = logged_tokens(&stand, &answer).await?;
    ensure!(
        input == Some(3) && output == Some(0),
        "{input:?} {output:?}"
    );
    Ok(())
}

#[tokio::test]
async fn usage_that_is_absent_is_counted_as_missing() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in Dialect::ALL {
        for request in [
            dialect.request("fake-no-usage"),
            dialect.stream("fake-no-usage"),
        ] {
            let answer = stand.send(&request).await?;
            assert_eq!(
                logged_tokens(&stand, &answer).await?,
                [None; 4],
                "{dialect:?}"
            );
        }
        stand
            .gateway
            .ops()
            .wait_for_metric(&missing(dialect.operation()), 2)
            .await?;
        ensure!(
            counted_tokens(&stand, dialect.provider()).await? == [0; 4],
            "{dialect:?}"
        );
    }
    let unasked = Dialect::Chat.request_with("m", json!({"stream": true}));
    stand.send(&unasked).await?;
    stand
        .gateway
        .ops()
        .wait_for_metric(&missing("chat_completions"), 3)
        .await
}

#[tokio::test]
async fn usage_is_not_missed_where_none_is_due() -> Result<()> {
    let stand = Stand::start().await?;
    let count = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).to_string();
    let count = Request::new("POST", "/v1/messages/count_tokens").body(count);
    for request in [
        Request::new("GET", "/v1/models"),
        Request::new("GET", "/v1/responses/resp_1"),
        count.header("anthropic-version", "2023-06-01"),
        Dialect::Chat.request("fake-status-429"),
        Dialect::Messages.stream("fake-status-529"),
        Dialect::Responses
            .request("m")
            .header("x-anyray-provider", "nobody"),
    ] {
        let answer = stand.send(&request).await?;
        assert_eq!(logged_tokens(&stand, &answer).await?, [None; 4]);
    }
    let metrics = stand.gateway.ops().metrics().await?;
    ensure!(!metrics.contains("usage_missing_total"), "{metrics}");
    Ok(())
}

/// The only line of the access log.
async fn only_line(stand: &Stand) -> Result<Value> {
    let limit = Duration::from_secs(5);
    let lines = wait::until("the access log", limit, async || {
        Some(stand.gateway.access_log()).filter(|lines| !lines.is_empty())
    });
    let lines = lines.await?;
    let [line] = lines.as_slice() else {
        bail!("{} lines", lines.len())
    };
    Ok(serde_json::from_str(line)?)
}

#[tokio::test]
async fn usage_of_a_stream_that_the_caller_leaves_is_recorded_as_such() -> Result<()> {
    for dialect in Dialect::ALL {
        let stand = Stand::start().await?;
        let mut caller = stand.begin(&dialect.stream("fake-hang-stream-3")).await?;
        caller.read_until("\n\n").await?;
        drop(caller);
        let line = only_line(&stand).await?;
        assert_eq!(line.get("outcome"), Some(&json!("client_gone")), "{line}");
        assert_eq!(line.get("status"), Some(&json!(200)));
        ensure!(line.get("first_byte_ms").is_some(), "{line}");
        // Anthropic tells the input before the first word.
        let input = line.get("tokens.input").and_then(Value::as_u64);
        ensure!(
            input == (dialect == Dialect::Messages).then_some(6),
            "{line}"
        );
        let counted = requests(dialect.operation(), dialect.provider(), "2xx");
        ensure!(
            stand.gateway.ops().metric(&counted).await? == 1,
            "not counted as {counted}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn usage_of_a_request_that_the_caller_leaves_is_recorded_as_such() -> Result<()> {
    for dialect in Dialect::ALL {
        let stand = Stand::start().await?;
        let mut caller = stand.open().await?;
        caller.send(dialect.request("fake-hang").to_bytes()).await?;
        stand.fake.wait_for(1, Duration::from_secs(5)).await?;
        drop(caller);
        let line = only_line(&stand).await?;
        assert_eq!(line.get("outcome"), Some(&json!("client_gone")), "{line}");
        assert_eq!(line.get("status"), Some(&json!(0)));
        let counted = requests(dialect.operation(), dialect.provider(), "gone");
        ensure!(
            stand.gateway.ops().metric(&counted).await? == 1,
            "not counted as {counted}"
        );
    }
    Ok(())
}
