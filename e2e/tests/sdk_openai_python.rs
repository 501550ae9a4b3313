//! The `openai` package of `PyPI` works unchanged through the gateway.
//!
//! What the SDK must see is in `clients/python/openai_*.py`; here is what both
//! ends of the gateway saw of it.

use anyhow::Result;
use anyray_e2e::{clients::Clients, ends::Ends, rig::Rig, sdk};

/// Runs a script against a rig; both ends are compared in it.
async fn prove(rig: &Rig, script: &str, base_path: &str) -> Result<Ends> {
    rig.prove(Clients::find()?.python(script)?, base_path).await
}

#[tokio::test]
async fn answers_with_a_base_url_that_has_v1() -> Result<()> {
    let rig = Rig::start().await?;
    let ends = prove(&rig, "openai_answers.py", "/v1").await?;
    sdk::check_paths(&ends, &sdk::OPENAI_PATHS)
}

#[tokio::test]
async fn answers_with_a_bare_base_url() -> Result<()> {
    let rig = Rig::start().await?;
    let ends = prove(&rig, "openai_answers.py", "").await?;
    sdk::check_paths(&ends, &sdk::OPENAI_PATHS)
}

#[tokio::test]
async fn answers_of_a_provider_behind_tls() -> Result<()> {
    let rig = Rig::start_tls().await?;
    let ends = prove(&rig, "openai_answers.py", "/v1").await?;
    sdk::check_paths(&ends, &sdk::OPENAI_PATHS)
}

#[tokio::test]
async fn errors_are_the_providers_and_come_once() -> Result<()> {
    let rig = Rig::start().await?;
    let ends = prove(&rig, "openai_errors.py", "/v1").await?;
    sdk::check_statuses(&ends)
}

#[tokio::test]
async fn retries_of_the_sdk_reach_the_provider_one_by_one() -> Result<()> {
    let rig = Rig::start().await?;
    let ends = prove(&rig, "openai_retries.py", "/v1").await?;
    sdk::check_retry_counts(&ends)
}

#[tokio::test]
async fn broken_streams_are_errors() -> Result<()> {
    let rig = Rig::start().await?;
    let ends = prove(&rig, "openai_broken_streams.py", "/v1").await?;
    sdk::check_broken_streams(&ends)
}

#[tokio::test]
async fn pings_in_a_silent_stream_are_not_noticed() -> Result<()> {
    let rig = Rig::start_with(sdk::ping_often).await?;
    let ends = prove(&rig, "openai_silence.py", "/v1").await?;
    sdk::check_pings(&ends)
}
