//! The `openai` packages of `PyPI` and npm work unchanged through the gateway.
//!
//! What they must see is in `clients/*/openai_*`; here is what both ends of the gateway saw of
//! them.

use anyhow::Result;
use anyray_e2e::{
    clients::{
        Clients,
        Language::{self, Node, Python},
    },
    ends::Ends,
    rig::Rig,
    sdk,
};
use rstest::rstest;

/// Runs a script against a rig; both ends are compared in it.
async fn prove(rig: &Rig, language: Language, script: &str, base_path: &str) -> Result<Ends> {
    rig.prove(Clients::find()?.script(language, script)?, base_path)
        .await
}

#[rstest]
#[tokio::test]
async fn answers_with_a_base_url_that_has_v1(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = Rig::start().await?;
    let ends = prove(&rig, language, "openai_answers", "/v1").await?;
    sdk::check_paths(&ends, &sdk::OPENAI_PATHS)
}

#[rstest]
#[tokio::test]
async fn answers_with_a_bare_base_url(#[values(Python, Node)] language: Language) -> Result<()> {
    let rig = Rig::start().await?;
    let ends = prove(&rig, language, "openai_answers", "").await?;
    sdk::check_paths(&ends, &sdk::OPENAI_PATHS)
}

#[rstest]
#[tokio::test]
async fn answers_of_a_provider_behind_tls(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = Rig::start_tls().await?;
    let ends = prove(&rig, language, "openai_answers", "/v1").await?;
    sdk::check_paths(&ends, &sdk::OPENAI_PATHS)
}

#[rstest]
#[tokio::test]
async fn errors_are_the_providers_and_come_once(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = Rig::start().await?;
    let ends = prove(&rig, language, "openai_errors", "/v1").await?;
    sdk::check_statuses(&ends)
}

#[rstest]
#[tokio::test]
async fn retries_of_the_sdk_reach_the_provider_one_by_one(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = Rig::start().await?;
    let ends = prove(&rig, language, "openai_retries", "/v1").await?;
    sdk::check_retry_counts(&ends)
}

#[rstest]
#[tokio::test]
async fn broken_streams_are_errors(#[values(Python, Node)] language: Language) -> Result<()> {
    let rig = Rig::start().await?;
    let ends = prove(&rig, language, "openai_broken_streams", "/v1").await?;
    sdk::check_broken_streams(&ends)
}

#[rstest]
#[tokio::test]
async fn pings_in_a_silent_stream_are_not_noticed(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = Rig::start_with(sdk::ping_often).await?;
    let ends = prove(&rig, language, "openai_silence", "/v1").await?;
    sdk::check_pings(&ends)
}
