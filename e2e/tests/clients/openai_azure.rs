//! Azure OpenAI, as the `openai` packages of `PyPI` and npm speak to it, works unchanged through the
//! gateway.
//!
//! What they must see is in `clients/*/openai_azure_*`; here is what both ends of the gateway saw of
//! them.

use anyhow::Result;
use anyray_e2e::{
    clients::{
        Clients,
        Language::{self, Node, Python},
    },
    clouds::{Cloud, CloudRig},
    ends::Ends,
    sdk,
};
use rstest::rstest;

const PREVIEW_PATHS: [&str; 2] = [
    "/openai/v1/chat/completions?api-version=preview",
    "/openai/v1/models?api-version=preview",
];

async fn prove(rig: &CloudRig, language: Language, script: &str, form: &str) -> Result<Ends> {
    rig.prove(Clients::find()?.script(language, script)?, form)
        .await
}

#[rstest]
#[tokio::test]
async fn answers_by_deployments_with_a_key_and_with_a_token(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    for form in ["deployments", "deployments-token"] {
        let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
        let ends = prove(&rig, language, "openai_azure_answers", form).await?;
        sdk::check_paths(&ends, &sdk::AZURE_DEPLOYMENT_PATHS)?;
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn answers_of_v1_with_and_without_a_version(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    for (form, paths) in [
        ("v1", sdk::AZURE_V1_PATHS.as_slice()),
        ("v1-preview", &PREVIEW_PATHS),
    ] {
        let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
        let ends = prove(&rig, language, "openai_azure_answers", form).await?;
        sdk::check_paths(&ends, paths)?;
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn answers_by_a_token_of_the_application(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    for (form, paths) in [
        ("deployments", sdk::AZURE_DEPLOYMENT_PATHS),
        ("v1", sdk::AZURE_V1_PATHS),
    ] {
        let rig = CloudRig::start(Cloud::AzureOpenAiEntra).await?;
        let ends = prove(&rig, language, "openai_azure_answers", form).await?;
        sdk::check_paths(&ends, &paths)?;
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn answers_of_a_provider_behind_tls(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = CloudRig::start_tls(Cloud::AzureOpenAi).await?;
    let ends = prove(&rig, language, "openai_azure_answers", "deployments").await?;
    sdk::check_paths(&ends, &sdk::AZURE_DEPLOYMENT_PATHS)
}

#[rstest]
#[tokio::test]
async fn errors_are_the_providers_and_come_once(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    for form in ["deployments", "v1"] {
        let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
        let ends = prove(&rig, language, "openai_azure_errors", form).await?;
        sdk::check_statuses(&ends)?;
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn broken_streams_are_errors(#[values(Python, Node)] language: Language) -> Result<()> {
    for form in ["deployments", "v1"] {
        let rig = CloudRig::start(Cloud::AzureOpenAi).await?;
        let ends = prove(&rig, language, "openai_azure_broken_streams", form).await?;
        sdk::check_broken_streams(&ends)?;
    }
    Ok(())
}
