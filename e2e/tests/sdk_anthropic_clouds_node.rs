//! Bedrock and Vertex AI, as the `@anthropic-ai/bedrock-sdk` and `@anthropic-ai/vertex-sdk`
//! packages of npm speak to them, work unchanged through the gateway.
//!
//! What the SDKs must see is in `clients/node/anthropic_clouds_*.mjs`; here is what both
//! ends of the gateway saw of them.

#![cfg(test)]

use anyhow::{Result, ensure};
use anyray_e2e::{
    clients::Clients,
    clouds::{AwsPair, Cloud, CloudRig},
    ends::Ends,
    sdk,
};

/// Clients of `InvokeModel`, with the key as a bearer and as the id of a signature.
const INVOKING: [&str; 2] = ["bedrock", "bedrock-signed"];

/// Clients of Bedrock's Messages API, the same way.
const MESSAGING: [&str; 2] = ["mantle", "mantle-signed"];

/// Clients of Vertex AI, with a base URL without and with a version.
const PREDICTING: [&str; 2] = ["vertex", "vertex-v1"];

/// Anthropic's own client, which the gateway sends to a cloud.
const WRAPPED: [(Cloud, &str); 2] = [
    (BEDROCK, "bedrock-anthropic"),
    (Cloud::VertexAi, "vertex-anthropic"),
];

const BEDROCK: Cloud = Cloud::Bedrock(AwsPair::LongTerm);

/// Runs a script as each of the clients, each against a rig of its own.
async fn prove_each(
    cloud: Cloud,
    clients: &[&str],
    script: &str,
    check: impl Fn(&Ends) -> Result<()>,
) -> Result<()> {
    for client in clients {
        let rig = CloudRig::start(cloud).await?;
        check(&rig.prove(Clients::find()?.node(script)?, client).await?)?;
    }
    Ok(())
}

#[tokio::test]
async fn bedrock_answers_invocations() -> Result<()> {
    let check = |ends: &Ends| sdk::check_operations(ends, &sdk::BEDROCK_INVOKE_PATHS);
    prove_each(BEDROCK, &INVOKING, "anthropic_clouds_answers.mjs", check).await
}

#[tokio::test]
async fn bedrock_answers_messages() -> Result<()> {
    let check = |ends: &Ends| sdk::check_operations(ends, &sdk::BEDROCK_MESSAGES_PATHS);
    prove_each(BEDROCK, &MESSAGING, "anthropic_clouds_answers.mjs", check).await
}

#[tokio::test]
async fn vertex_ai_answers_predictions() -> Result<()> {
    let check = |ends: &Ends| sdk::check_operations(ends, &sdk::VERTEX_CLAUDE_PATHS);
    let script = "anthropic_clouds_answers.mjs";
    prove_each(Cloud::VertexAi, &PREDICTING, script, check).await
}

#[tokio::test]
async fn answers_of_a_provider_behind_tls() -> Result<()> {
    for (cloud, client) in [(BEDROCK, "bedrock"), (Cloud::VertexAi, "vertex")] {
        let rig = CloudRig::start_tls(cloud).await?;
        let script = Clients::find()?.node("anthropic_clouds_answers.mjs")?;
        sdk::check_operations(&rig.prove(script, client).await?, &[])?;
    }
    Ok(())
}

#[tokio::test]
async fn errors_of_bedrock_are_the_providers_and_come_once() -> Result<()> {
    let clients = ["bedrock", "mantle"];
    let script = "anthropic_clouds_errors.mjs";
    prove_each(BEDROCK, &clients, script, sdk::check_statuses).await
}

#[tokio::test]
async fn errors_of_vertex_ai_are_the_providers_and_come_once() -> Result<()> {
    let script = "anthropic_clouds_errors.mjs";
    prove_each(Cloud::VertexAi, &["vertex"], script, sdk::check_statuses).await
}

#[tokio::test]
async fn broken_streams_of_bedrock_are_errors() -> Result<()> {
    let clients = ["bedrock", "mantle"];
    let script = "anthropic_clouds_broken_streams.mjs";
    prove_each(BEDROCK, &clients, script, sdk::check_broken_streams).await
}

#[tokio::test]
async fn broken_streams_of_vertex_ai_are_errors() -> Result<()> {
    let script = "anthropic_clouds_broken_streams.mjs";
    let check = sdk::check_broken_streams;
    prove_each(Cloud::VertexAi, &["vertex"], script, check).await
}

#[tokio::test]
async fn the_client_of_anthropic_itself_finds_the_same_at_a_cloud() -> Result<()> {
    for (cloud, client) in WRAPPED {
        for script in [
            "anthropic_clouds_answers.mjs",
            "anthropic_clouds_errors.mjs",
            "anthropic_clouds_broken_streams.mjs",
        ] {
            let rig = CloudRig::start(cloud).await?;
            let script = Clients::find()?.node(script)?;
            let requests = rig.prove_wrapped(script, client).await?;
            ensure!(!requests.is_empty(), "nothing reached the provider");
            let is_clouds =
                |path: &str| path.starts_with("/model/") || path.contains("/publishers/");
            for request in requests {
                ensure!(is_clouds(&request.path_and_query), "{request:?}");
            }
        }
    }
    Ok(())
}
