//! Azure OpenAI, as the `openai` package of npm speaks to it, works unchanged through the
//! gateway.
//!
//! What the SDK must see is in `clients/node/openai_azure_*.mjs`; here is what both ends of
//! the gateway saw of it.

#![cfg(test)]

use anyhow::Result;
use anyray_e2e::{
    clients::Clients,
    clouds::{Cloud, CloudRig},
    ends::Ends,
    sdk,
};

async fn prove(rig: &CloudRig, script: &str, form: &str) -> Result<Ends> {
    rig.prove(Clients::find()?.node(script)?, form).await
}

#[tokio::test]
async fn answers_by_deployments_with_a_key_and_with_a_token() -> Result<()> {
    for form in ["deployments", "deployments-token"] {
        let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
        let ends = prove(&rig, "openai_azure_answers.mjs", form).await?;
        sdk::check_paths(&ends, &sdk::AZURE_DEPLOYMENT_PATHS)?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_of_v1() -> Result<()> {
    let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
    let ends = prove(&rig, "openai_azure_answers.mjs", "v1").await?;
    sdk::check_paths(&ends, &sdk::AZURE_V1_PATHS)
}

#[tokio::test]
async fn errors_are_the_providers_and_come_once() -> Result<()> {
    for form in ["deployments", "v1"] {
        let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
        let ends = prove(&rig, "openai_azure_errors.mjs", form).await?;
        sdk::check_statuses(&ends)?;
    }
    Ok(())
}

#[tokio::test]
async fn broken_streams_are_errors() -> Result<()> {
    for form in ["deployments", "v1"] {
        let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
        let ends = prove(&rig, "openai_azure_broken_streams.mjs", form).await?;
        sdk::check_broken_streams(&ends)?;
    }
    Ok(())
}
