//! Bedrock and Vertex AI, as Anthropic's packages of `PyPI` and npm speak to them, work unchanged
//! through the gateway.
//!
//! What they must see is in `clients/*/anthropic_clouds_*`; here is what both ends of the gateway
//! saw of them.

use anyhow::{Result, ensure};
use anyray_e2e::{
    clients::{
        Clients,
        Language::{self, Node, Python},
    },
    clouds::{AwsPair, Cloud, CloudRig},
    ends::Ends,
    sdk,
};
use rstest::rstest;

/// Anthropic's own client, which the gateway sends to a cloud.
const WRAPPED: [(Cloud, &str); 2] = [
    (BEDROCK, "bedrock-anthropic"),
    (Cloud::VertexAi, "vertex-anthropic"),
];

const BEDROCK: Cloud = Cloud::Bedrock(AwsPair::LongTerm);

const BEDROCK_CLIENT: (Cloud, &str) = (BEDROCK, "bedrock");
const MANTLE_CLIENT: (Cloud, &str) = (BEDROCK, "mantle");
const VERTEX_CLIENT: (Cloud, &str) = (Cloud::VertexAi, "vertex");

/// Runs a script as a client of a cloud.
async fn prove((cloud, client): (Cloud, &str), language: Language, script: &str) -> Result<Ends> {
    let script = Clients::find()?.script(language, script)?;
    CloudRig::start(cloud).await?.prove(script, client).await
}

/// Bedrock has the key as a bearer and as the id of a signature, Vertex AI a base URL without and
/// with a version.
#[rstest]
#[case::invocations(BEDROCK_CLIENT, &sdk::BEDROCK_INVOKE_PATHS)]
#[case::signed_invocations((BEDROCK, "bedrock-signed"), &sdk::BEDROCK_INVOKE_PATHS)]
#[case::messages(MANTLE_CLIENT, &sdk::BEDROCK_MESSAGES_PATHS)]
#[case::signed_messages((BEDROCK, "mantle-signed"), &sdk::BEDROCK_MESSAGES_PATHS)]
#[case::predictions(VERTEX_CLIENT, &sdk::VERTEX_CLAUDE_PATHS)]
#[case::predictions_of_v1((Cloud::VertexAi, "vertex-v1"), &sdk::VERTEX_CLAUDE_PATHS)]
#[tokio::test]
async fn answers(
    #[case] client: (Cloud, &str),
    #[case] paths: &[&str],
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let ends = prove(client, language, "anthropic_clouds_answers").await?;
    sdk::check_operations(&ends, paths)
}

#[rstest]
#[tokio::test]
async fn answers_of_a_provider_behind_tls(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    for (cloud, client) in [BEDROCK_CLIENT, VERTEX_CLIENT] {
        let rig = CloudRig::start_tls(cloud).await?;
        let script = Clients::find()?.script(language, "anthropic_clouds_answers")?;
        sdk::check_operations(&rig.prove(script, client).await?, &[])?;
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn errors_are_the_providers_and_come_once(
    #[values(BEDROCK_CLIENT, MANTLE_CLIENT, VERTEX_CLIENT)] client: (Cloud, &str),
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    sdk::check_statuses(&prove(client, language, "anthropic_clouds_errors").await?)
}

#[rstest]
#[tokio::test]
async fn broken_streams_are_errors(
    #[values(BEDROCK_CLIENT, MANTLE_CLIENT, VERTEX_CLIENT)] client: (Cloud, &str),
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let ends = prove(client, language, "anthropic_clouds_broken_streams").await?;
    sdk::check_broken_streams(&ends)
}

#[rstest]
#[tokio::test]
async fn the_client_of_anthropic_itself_finds_the_same_at_a_cloud(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    for (cloud, client) in WRAPPED {
        for script in [
            "anthropic_clouds_answers",
            "anthropic_clouds_errors",
            "anthropic_clouds_broken_streams",
        ] {
            let rig = CloudRig::start(cloud).await?;
            let script = Clients::find()?.script(language, script)?;
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
