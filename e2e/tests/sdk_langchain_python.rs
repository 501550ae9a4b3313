//! `LangChain` works unchanged through the gateway, with each provider that it has a package
//! for.
//!
//! What it must see is in `clients/python/langchain_*.py`; here is what both ends of the
//! gateway saw of it.

#![cfg(test)]

use anyhow::Result;
use anyray_e2e::{
    clients::Clients,
    clouds::{AwsPair, Cloud, CloudRig},
    ends::Ends,
    rig::Rig,
    sdk,
};

/// Clients of the two makers, and how the paths end that their answers must have reached.
const MAKERS: [(&str, &str); 3] = [
    ("openai", "/v1/chat/completions"),
    ("openai-responses", "/v1/responses"),
    ("anthropic", "/v1/messages"),
];

/// The same of the clouds; each streams on another path than it answers on, or on the same.
const CLOUDS: [(Cloud, &str, &[&str]); 3] = [
    (
        Cloud::Bedrock(AwsPair::LongTerm),
        "bedrock",
        &["/converse", "/converse-stream"],
    ),
    (
        Cloud::VertexAi,
        "vertex",
        &[":generateContent", ":streamGenerateContent"],
    ),
    (Cloud::AzureOpenAi, "azure", &["/chat/completions"]),
];

/// Runs a script as a client of one of the makers.
async fn prove_maker(script: &str, name: &str) -> Result<Ends> {
    let client = Clients::find()?.python(script)?;
    let rig = Rig::start().await?;
    rig.prove(client.env("ANYRAY_CLIENT", name), "").await
}

/// Runs a script as a client of one of the clouds.
async fn prove_cloud(script: &str, cloud: Cloud, name: &str) -> Result<Ends> {
    let client = Clients::find()?.python(script)?;
    CloudRig::start(cloud).await?.prove(client, name).await
}

/// Runs a script as each client, each against a rig of its own.
async fn prove_each(script: &str, check: fn(&Ends) -> Result<()>) -> Result<()> {
    for (name, _) in MAKERS {
        check(&prove_maker(script, name).await?)?;
    }
    for (cloud, name, _) in CLOUDS {
        check(&prove_cloud(script, cloud, name).await?)?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_of_openai_and_anthropic() -> Result<()> {
    for (name, path) in MAKERS {
        let ends = prove_maker("langchain_answers.py", name).await?;
        sdk::check_operations(&ends, &[path])?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_of_the_clouds() -> Result<()> {
    for (cloud, name, paths) in CLOUDS {
        let ends = prove_cloud("langchain_answers.py", cloud, name).await?;
        sdk::check_operations(&ends, paths)?;
    }
    Ok(())
}

#[tokio::test]
async fn errors_are_the_providers_and_come_once() -> Result<()> {
    prove_each("langchain_errors.py", sdk::check_statuses).await
}

#[tokio::test]
async fn broken_streams_are_errors() -> Result<()> {
    prove_each("langchain_broken_streams.py", sdk::check_broken_streams).await
}
