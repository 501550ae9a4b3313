//! The `google-genai` package of `PyPI` works unchanged through the gateway.
//!
//! What the SDK must see is in `clients/python/google_genai_*.py`; here is what both ends
//! of the gateway saw of it.

use anyhow::{Result, ensure};
use anyray_e2e::{
    clients::{Clients, Language},
    clouds::{Cloud, CloudRig},
    ends::Ends,
    sdk,
};

async fn prove(rig: &CloudRig, script: &str) -> Result<Ends> {
    rig.prove(Clients::find()?.script(Language::Python, script)?, "vertex")
        .await
}

#[tokio::test]
async fn answers_by_one_token_of_the_service_account() -> Result<()> {
    let rig = CloudRig::start(Cloud::VertexAi).await?;
    let ends = prove(&rig, "google_genai_answers").await?;
    let issued = rig.rig.fake.tokens_issued();
    ensure!(issued == 1, "{issued} tokens were issued");
    sdk::check_operations(&ends, &sdk::VERTEX_GEMINI_PATHS)
}

#[tokio::test]
async fn answers_of_a_provider_behind_tls() -> Result<()> {
    let rig = CloudRig::start_tls(Cloud::VertexAi).await?;
    let ends = prove(&rig, "google_genai_answers").await?;
    sdk::check_operations(&ends, &sdk::VERTEX_GEMINI_PATHS)
}

#[tokio::test]
async fn errors_are_the_providers_and_come_once() -> Result<()> {
    let rig = CloudRig::start(Cloud::VertexAi).await?;
    let ends = prove(&rig, "google_genai_errors").await?;
    sdk::check_statuses(&ends)
}

#[tokio::test]
async fn broken_streams_are_errors() -> Result<()> {
    let rig = CloudRig::start(Cloud::VertexAi).await?;
    let ends = prove(&rig, "google_genai_broken_streams").await?;
    sdk::check_broken_streams(&ends)
}
