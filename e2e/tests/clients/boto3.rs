//! The `boto3` package of `PyPI` works unchanged through the gateway, whatever credential
//! the gateway has for Bedrock.
//!
//! What the SDK must see is in `clients/python/boto3_*.py`; here is what both ends of the
//! gateway saw of it.

use anyhow::Result;
use anyray_e2e::{
    clients::{Clients, Language},
    clouds::{AwsPair, Cloud, CloudRig},
    ends::Ends,
    sdk,
};

/// How the paths end of all operations that the answers use.
const OPERATIONS: [&str; 5] = [
    "/invoke",
    "/invoke-with-response-stream",
    "/converse",
    "/converse-stream",
    "/count-tokens",
];

/// Where the caller's key is: the id of the key that signs, or a header beside it.
const PLACES: [&str; 2] = ["signature", "header"];

async fn prove(rig: &CloudRig, script: &str, place: &str) -> Result<Ends> {
    rig.prove(Clients::find()?.script(Language::Python, script)?, place)
        .await
}

#[tokio::test]
async fn answers_with_the_key_in_either_place() -> Result<()> {
    for place in PLACES {
        let rig = CloudRig::start(Cloud::Bedrock(AwsPair::LongTerm)).await?;
        let ends = prove(&rig, "boto3_answers", place).await?;
        sdk::check_operations(&ends, &OPERATIONS)?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_by_temporary_keys_and_by_bedrocks_own() -> Result<()> {
    for cloud in [Cloud::Bedrock(AwsPair::Temporary), Cloud::BedrockApiKey] {
        let rig = CloudRig::start(cloud).await?;
        let ends = prove(&rig, "boto3_answers", "signature").await?;
        sdk::check_operations(&ends, &OPERATIONS)?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_of_a_provider_behind_tls() -> Result<()> {
    let rig = CloudRig::start_tls(Cloud::Bedrock(AwsPair::LongTerm)).await?;
    let ends = prove(&rig, "boto3_answers", "header").await?;
    sdk::check_operations(&ends, &OPERATIONS)
}

#[tokio::test]
async fn errors_are_the_providers_and_come_once() -> Result<()> {
    let rig = CloudRig::start(Cloud::Bedrock(AwsPair::LongTerm)).await?;
    let ends = prove(&rig, "boto3_errors", "signature").await?;
    sdk::check_statuses(&ends)
}

#[tokio::test]
async fn broken_streams_are_errors() -> Result<()> {
    let rig = CloudRig::start(Cloud::Bedrock(AwsPair::LongTerm)).await?;
    let ends = prove(&rig, "boto3_broken_streams", "signature").await?;
    sdk::check_broken_streams(&ends)
}
