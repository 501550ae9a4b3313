//! `LangChain` and the Vercel AI SDK work unchanged through the gateway, with each provider that
//! they have a package for.
//!
//! What they must see is in `clients/python/langchain_*` and `clients/node/ai_sdk_*`; here is what
//! both ends of the gateway saw of them.

use anyhow::Result;
use anyray_e2e::{
    clients::{Client, Clients, Language},
    clouds::{AwsPair, Cloud, CloudRig},
    ends::Ends,
    rig::Rig,
    sdk,
};
use rstest::rstest;

/// A framework's scripts, and the clients that they know.
struct Framework {
    language: Language,
    /// What the names of the scripts begin with.
    scripts: &'static str,
    /// Clients of OpenAI and Anthropic, and how a path ends that their answers must have reached.
    makers: &'static [(&'static str, &'static str)],
    /// Clients of the cloud providers, and how paths end that their answers must have reached: some
    /// stream on another path than they answer on.
    clouds: &'static [(Cloud, &'static str, &'static [&'static str])],
}

const BEDROCK: Cloud = Cloud::Bedrock(AwsPair::LongTerm);
const CONVERSE: &[&str] = &["/converse", "/converse-stream"];
const GENERATE: &[&str] = &[":generateContent", ":streamGenerateContent"];

const LANGCHAIN: Framework = Framework {
    language: Language::Python,
    scripts: "langchain",
    makers: &[
        ("openai", "/v1/chat/completions"),
        ("openai-responses", "/v1/responses"),
        ("anthropic", "/v1/messages"),
    ],
    clouds: &[
        (BEDROCK, "bedrock", CONVERSE),
        (Cloud::VertexAi, "vertex", GENERATE),
        (Cloud::AzureOpenAi, "azure", &["/chat/completions"]),
    ],
};

const AI_SDK: Framework = Framework {
    language: Language::Node,
    scripts: "ai_sdk",
    makers: &[
        ("openai-chat", "/v1/chat/completions"),
        ("openai", "/v1/responses"),
        ("anthropic", "/v1/messages"),
    ],
    clouds: &[
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
    ],
};

impl Framework {
    fn script(&self, what: &str) -> Result<Client> {
        let name = format!("{}_{what}", self.scripts);
        Clients::find()?.script(self.language, &name)
    }

    /// Runs a script as each client of the makers, each against a rig of its own.
    async fn prove_makers(
        &self,
        script: &str,
        check: impl Fn(&Ends, &[&str]) -> Result<()>,
    ) -> Result<()> {
        for (name, path) in self.makers {
            let client = self.script(script)?.env("ANYRAY_CLIENT", name);
            check(&Rig::start().await?.prove(client, "").await?, &[path])?;
        }
        Ok(())
    }

    /// The same of the cloud providers.
    async fn prove_clouds(
        &self,
        script: &str,
        check: impl Fn(&Ends, &[&str]) -> Result<()>,
    ) -> Result<()> {
        for (cloud, name, paths) in self.clouds {
            let rig = CloudRig::start(*cloud).await?;
            check(&rig.prove(self.script(script)?, name).await?, paths)?;
        }
        Ok(())
    }
}

#[rstest]
#[tokio::test]
async fn answers_of_openai_and_anthropic(
    #[values(LANGCHAIN, AI_SDK)] framework: Framework,
) -> Result<()> {
    framework
        .prove_makers("answers", sdk::check_operations)
        .await
}

#[rstest]
#[tokio::test]
async fn answers_of_the_clouds(#[values(LANGCHAIN, AI_SDK)] framework: Framework) -> Result<()> {
    framework
        .prove_clouds("answers", sdk::check_operations)
        .await
}

#[rstest]
#[tokio::test]
async fn errors_are_the_providers_and_come_once(
    #[values(LANGCHAIN, AI_SDK)] framework: Framework,
) -> Result<()> {
    let check = |ends: &Ends, _: &[&str]| sdk::check_statuses(ends);
    framework.prove_makers("errors", check).await?;
    framework.prove_clouds("errors", check).await
}

#[rstest]
#[tokio::test]
async fn broken_streams_are_errors(
    #[values(LANGCHAIN, AI_SDK)] framework: Framework,
) -> Result<()> {
    let check = |ends: &Ends, _: &[&str]| sdk::check_broken_streams(ends);
    framework.prove_makers("broken_streams", check).await?;
    framework.prove_clouds("broken_streams", check).await
}
