//! The SDKs of OpenAI and Anthropic, of `PyPI` and npm, work unchanged through the gateway.
//!
//! What they must see is in `clients/*/openai_*` and `clients/*/anthropic_*`; here is what both
//! ends of the gateway saw of them.

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

/// An SDK that there is in both languages.
struct Sdk {
    /// What the names of its scripts begin with.
    scripts: &'static str,
    /// What its base URL has behind the gateway's.
    base_path: &'static str,
    /// Endpoints that its answers must have reached.
    paths: &'static [&'static str],
}

const OPENAI: Sdk = Sdk {
    scripts: "openai",
    base_path: "/v1",
    paths: &sdk::OPENAI_PATHS,
};

const OPENAI_BARE: Sdk = Sdk {
    base_path: "",
    ..OPENAI
};

const ANTHROPIC: Sdk = Sdk {
    scripts: "anthropic",
    base_path: "",
    paths: &sdk::ANTHROPIC_PATHS,
};

impl Sdk {
    /// Runs a script against a rig; both ends are compared in it.
    async fn prove(&self, rig: &Rig, language: Language, script: &str) -> Result<Ends> {
        let script = format!("{}_{script}", self.scripts);
        let client = Clients::find()?.script(language, &script)?;
        rig.prove(client, self.base_path).await
    }
}

#[rstest]
#[tokio::test]
async fn answers(
    #[values(OPENAI, OPENAI_BARE, ANTHROPIC)] of: Sdk,
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = Rig::start().await?;
    sdk::check_paths(&of.prove(&rig, language, "answers").await?, of.paths)
}

#[rstest]
#[tokio::test]
async fn answers_of_a_provider_behind_tls(
    #[values(OPENAI, ANTHROPIC)] of: Sdk,
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = Rig::start_tls().await?;
    sdk::check_paths(&of.prove(&rig, language, "answers").await?, of.paths)
}

#[rstest]
#[tokio::test]
async fn errors_are_the_providers_and_come_once(
    #[values(OPENAI, ANTHROPIC)] of: Sdk,
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = Rig::start().await?;
    sdk::check_statuses(&of.prove(&rig, language, "errors").await?)
}

#[rstest]
#[tokio::test]
async fn retries_of_the_sdk_reach_the_provider_one_by_one(
    #[values(OPENAI, ANTHROPIC)] of: Sdk,
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = Rig::start().await?;
    sdk::check_retry_counts(&of.prove(&rig, language, "retries").await?)
}

#[rstest]
#[tokio::test]
async fn broken_streams_are_errors(
    #[values(OPENAI, ANTHROPIC)] of: Sdk,
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = Rig::start().await?;
    sdk::check_broken_streams(&of.prove(&rig, language, "broken_streams").await?)
}

#[rstest]
#[tokio::test]
async fn pings_in_a_silent_stream_are_not_noticed(
    #[values(OPENAI, ANTHROPIC)] of: Sdk,
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let rig = Rig::start_with(sdk::ping_often).await?;
    sdk::check_pings(&of.prove(&rig, language, "silence").await?)
}
