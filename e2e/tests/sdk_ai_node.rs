//! The Vercel AI SDK works unchanged through the gateway, with each provider that it has a
//! package for.
//!
//! What it must see is in `clients/node/ai_sdk_*.mjs`; here is what both ends of the gateway
//! saw of it.

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
    ("openai-chat", "/v1/chat/completions"),
    ("openai", "/v1/responses"),
    ("anthropic", "/v1/messages"),
];

const BEDROCK: Cloud = Cloud::Bedrock(AwsPair::LongTerm);
const CONVERSE: &[&str] = &["/converse", "/converse-stream"];
const GENERATE: &[&str] = &[":generateContent", ":streamGenerateContent"];

/// The same of the clouds; some stream on another path than they answer on.
const CLOUDS: [(Cloud, &str, &[&str]); 9] = [
    (BEDROCK, "bedrock", CONVERSE),
    (BEDROCK, "bedrock-signed", CONVERSE),
    (BEDROCK, "bedrock-anthropic", &sdk::BEDROCK_INVOKE_PATHS),
    (Cloud::VertexAi, "vertex", GENERATE),
    (Cloud::VertexAi, "vertex-key", GENERATE),
    (
        Cloud::VertexAi,
        "vertex-anthropic",
        &[":rawPredict", ":streamRawPredict"],
    ),
    (
        Cloud::AzureOpenAi,
        "azure-chat",
        &["/openai/v1/chat/completions"],
    ),
    (Cloud::AzureOpenAi, "azure", &["/openai/v1/responses"]),
    (
        Cloud::AzureOpenAi,
        "azure-deployments",
        &["/openai/deployments/our-gpt-5.6/chat/completions"],
    ),
];

/// Runs a script as a client of one of the makers.
async fn prove_maker(script: &str, name: &str) -> Result<Ends> {
    let client = Clients::find()?.node(script)?;
    let rig = Rig::start().await?;
    rig.prove(client.env("ANYRAY_CLIENT", name), "").await
}

/// Runs a script as a client of one of the clouds.
async fn prove_cloud(script: &str, cloud: Cloud, name: &str) -> Result<Ends> {
    let client = Clients::find()?.node(script)?;
    CloudRig::start(cloud).await?.prove(client, name).await
}

#[tokio::test]
async fn answers_of_openai_and_anthropic() -> Result<()> {
    for (name, path) in MAKERS {
        let ends = prove_maker("ai_sdk_answers.mjs", name).await?;
        sdk::check_operations(&ends, &[path])?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_of_the_clouds() -> Result<()> {
    for (cloud, name, paths) in CLOUDS {
        let ends = prove_cloud("ai_sdk_answers.mjs", cloud, name).await?;
        sdk::check_operations(&ends, paths)?;
    }
    Ok(())
}

#[tokio::test]
async fn errors_of_openai_and_anthropic_are_theirs_and_come_once() -> Result<()> {
    for (name, _) in MAKERS {
        sdk::check_statuses(&prove_maker("ai_sdk_errors.mjs", name).await?)?;
    }
    Ok(())
}

#[tokio::test]
async fn errors_of_the_clouds_are_theirs_and_come_once() -> Result<()> {
    for (cloud, name, _) in CLOUDS {
        sdk::check_statuses(&prove_cloud("ai_sdk_errors.mjs", cloud, name).await?)?;
    }
    Ok(())
}

#[tokio::test]
async fn broken_streams_are_errors() -> Result<()> {
    let script = "ai_sdk_broken_streams.mjs";
    for (name, _) in MAKERS {
        sdk::check_broken_streams(&prove_maker(script, name).await?)?;
    }
    for (cloud, name, _) in CLOUDS {
        sdk::check_broken_streams(&prove_cloud(script, cloud, name).await?)?;
    }
    Ok(())
}
