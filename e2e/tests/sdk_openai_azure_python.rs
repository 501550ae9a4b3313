//! Azure OpenAI, as the `openai` package of `PyPI` speaks to it, works unchanged through
//! the gateway.
//!
//! What the SDK must see is in `clients/python/openai_azure_*.py`; here is what both ends
//! of the gateway saw of it.

#![cfg(test)]

use anyhow::Result;
use anyray_e2e::{
    clients::Clients,
    clouds::{Cloud, CloudRig},
    ends::Ends,
    sdk,
};

const PREVIEW_PATHS: [&str; 2] = [
    "/openai/v1/chat/completions?api-version=preview",
    "/openai/v1/models?api-version=preview",
];

async fn prove(rig: &CloudRig, script: &str, form: &str) -> Result<Ends> {
    rig.prove(Clients::find()?.python(script)?, form).await
}

#[tokio::test]
async fn answers_by_deployments_with_a_key_and_with_a_token() -> Result<()> {
    for form in ["deployments", "deployments-token"] {
        let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
        let ends = prove(&rig, "openai_azure_answers.py", form).await?;
        sdk::check_paths(&ends, &sdk::AZURE_DEPLOYMENT_PATHS)?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_of_v1_with_and_without_a_version() -> Result<()> {
    for (form, paths) in [
        ("v1", sdk::AZURE_V1_PATHS.as_slice()),
        ("v1-preview", &PREVIEW_PATHS),
    ] {
        let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
        let ends = prove(&rig, "openai_azure_answers.py", form).await?;
        sdk::check_paths(&ends, paths)?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_by_a_token_of_the_application() -> Result<()> {
    for (form, paths) in [
        ("deployments", sdk::AZURE_DEPLOYMENT_PATHS),
        ("v1", sdk::AZURE_V1_PATHS),
    ] {
        let rig = CloudRig::start(Cloud::AzureOpenAiEntra).await?;
        let ends = prove(&rig, "openai_azure_answers.py", form).await?;
        sdk::check_paths(&ends, &paths)?;
    }
    Ok(())
}

#[tokio::test]
async fn answers_of_a_provider_behind_tls() -> Result<()> {
    let rig = CloudRig::start_tls(Cloud::AzureOpenAi).await?;
    let ends = prove(&rig, "openai_azure_answers.py", "deployments").await?;
    sdk::check_paths(&ends, &sdk::AZURE_DEPLOYMENT_PATHS)
}

#[tokio::test]
async fn errors_are_the_providers_and_come_once() -> Result<()> {
    for form in ["deployments", "v1"] {
        let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
        let ends = prove(&rig, "openai_azure_errors.py", form).await?;
        sdk::check_statuses(&ends)?;
    }
    Ok(())
}

#[tokio::test]
async fn broken_streams_are_errors() -> Result<()> {
    for form in ["deployments", "v1"] {
        let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
        let ends = prove(&rig, "openai_azure_broken_streams.py", form).await?;
        sdk::check_broken_streams(&ends)?;
    }
    Ok(())
}
