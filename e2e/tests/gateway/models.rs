//! The list of models: the provider's own, byte for byte, unless the caller may use others than
//! those that it names.

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    client_keys::{ClientKey, KeyFolder, make_key, start_with},
    config::Config,
    raw::Answer,
    stand::Stand,
};
use serde_json::{Value, json};

const SHAPES: [Dialect; 2] = [Dialect::Chat, Dialect::Messages];

/// A request for models, as the SDK of this dialect makes it.
fn ask(dialect: Dialect, path: &str) -> Request {
    let request = Request::new("GET", path);
    match dialect {
        Dialect::Messages => request.header("anthropic-version", "2023-06-01"),
        _ => request,
    }
}

fn ids(answer: &Answer) -> Result<Vec<String>> {
    let list = answer.json()?;
    let data = list["data"].as_array().context("the list has no data")?;
    let id = |entry: &Value| entry["id"].as_str().map(str::to_owned);
    data.iter()
        .map(|entry| id(entry).context("an id"))
        .collect()
}

/// The ids that the provider itself lists, whose answer must reach a free caller unchanged.
async fn provider_ids(stand: &Stand, dialect: Dialect) -> Result<Vec<String>> {
    let answer = stand.send(&ask(dialect, "/v1/models")).await?;
    let sent = stand.take_request()?.sent;
    ensure!(
        answer.body == sent,
        "the list was changed: {}",
        answer.text()
    );
    ids(&answer)
}

#[tokio::test]
async fn without_names_of_our_own_the_providers_list_passes_unchanged() -> Result<()> {
    let stand = Stand::start().await?;
    for dialect in SHAPES {
        assert!(provider_ids(&stand, dialect).await?.len() > 1);
    }
    Ok(())
}

/// Names of our own: one in the map of each provider's key, and a rule for another.
fn named(config: Config) -> Config {
    let rules = json!([{"match": "house-gpt-exact", "providerKey": "openai"}]);
    config
        .with_models("openai", &json!({"house-gpt": "gpt-5"}))
        .with_models("anthropic", &json!({"house-claude": "claude-opus-4-7"}))
        .with("routing", json!({ "models": rules }))
}

#[tokio::test]
async fn names_of_our_own_stand_behind_the_providers_and_can_be_used() -> Result<()> {
    let plain = Stand::start().await?;
    let stand = Stand::start_with(named).await?;
    for (dialect, own) in [
        (Dialect::Chat, vec!["house-gpt", "house-gpt-exact"]),
        (Dialect::Messages, vec!["house-claude"]),
    ] {
        let mut expected = provider_ids(&plain, dialect).await?;
        expected.extend(own.iter().map(|id| (*id).to_owned()));
        let answer = stand.send(&ask(dialect, "/v1/models")).await?;
        stand.take_request()?;
        assert_eq!(ids(&answer)?, expected);
        for id in own {
            let answer = stand
                .send(&ask(dialect, &format!("/v1/models/{id}")))
                .await?;
            assert_eq!(answer.json()?["id"], *id, "{}", answer.text());
            let answer = stand.send(&dialect.request(id)).await?;
            assert_eq!(answer.status(), 200, "{id}: {}", answer.text());
            stand.take_request()?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn codex_finds_the_key_that_it_looks_for() -> Result<()> {
    let stand = Stand::start().await?;
    let request = ask(Dialect::Chat, "/models?client_version=0.169.0");
    let list = stand.send(&request).await?.json()?;
    assert_eq!(list["models"], json!([]));
    assert!(list["data"].as_array().is_some_and(|data| data.len() > 1));
    Ok(())
}

/// The same request with a client key.
fn by(request: Request, key: &ClientKey) -> Request {
    request.header("authorization", &format!("Bearer {}", key.secret))
}

#[tokio::test]
async fn a_key_sees_and_finds_the_models_that_it_is_for() -> Result<()> {
    let folder = KeyFolder::new()?;
    let stand = start_with(&folder, named).await?;
    let plain = Stand::start().await?;
    for dialect in SHAPES {
        let all = provider_ids(&plain, dialect).await?;
        let [one, other, ..] = all.as_slice() else {
            anyhow::bail!("the provider lists too little: {all:?}")
        };
        let permissions = json!({"models": [one, "house-*"]});
        let fields = json!({"user": "ada@example.test", "permissions": permissions});
        let key = make_key(&stand.gateway, &fields).await?;
        let answer = stand.send(&by(ask(dialect, "/v1/models"), &key)).await?;
        let seen = ids(&answer)?;
        assert!(seen.contains(one) && !seen.contains(other), "{seen:?}");
        assert!(seen.iter().any(|id| id.starts_with("house-")), "{seen:?}");
        for (id, status) in [(one, 200), (other, 403)] {
            let path = format!("/v1/models/{id}");
            let answer = stand.send(&by(ask(dialect, &path), &key)).await?;
            assert_eq!(answer.status(), status, "{id}: {}", answer.text());
        }
    }
    Ok(())
}
