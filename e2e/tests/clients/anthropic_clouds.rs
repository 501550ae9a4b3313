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

/// Clients of `InvokeModel`, with the key as a bearer and as the id of a signature.
const INVOKING: [&str; 2] = ["bedrock", "bedrock-signed"];

/// Clients of Bedrock's Messages API, the same way.
const MESSAGING: [&str; 2] = ["mantle", "mantle-signed"];

/// Clients of Vertex AI, with a base URL without and with a version.
const PREDICTING: [&str; 2] = ["vertex", "vertex-v1"];

/// Anthropic's own client, which the gateway sends to a cloud.
const WRAPPED: [(Cloud, &str); 2] = [
    (BEDROCK, "bedrock-anthropic"),
    (Cloud::VertexAi, "vertex-anthropic"),
];

const BEDROCK: Cloud = Cloud::Bedrock(AwsPair::LongTerm);

/// Runs a script as each of the clients, each against a rig of its own.
async fn prove_each(
    cloud: Cloud,
    clients: &[&str],
    language: Language,
    script: &str,
    check: impl Fn(&Ends) -> Result<()>,
) -> Result<()> {
    for client in clients {
        let rig = CloudRig::start(cloud).await?;
        check(
            &rig.prove(Clients::find()?.script(language, script)?, client)
                .await?,
        )?;
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn bedrock_answers_invocations(#[values(Python, Node)] language: Language) -> Result<()> {
    let check = |ends: &Ends| sdk::check_operations(ends, &sdk::BEDROCK_INVOKE_PATHS);
    prove_each(
        BEDROCK,
        &INVOKING,
        language,
        "anthropic_clouds_answers",
        check,
    )
    .await
}

#[rstest]
#[tokio::test]
async fn bedrock_answers_messages(#[values(Python, Node)] language: Language) -> Result<()> {
    let check = |ends: &Ends| sdk::check_operations(ends, &sdk::BEDROCK_MESSAGES_PATHS);
    prove_each(
        BEDROCK,
        &MESSAGING,
        language,
        "anthropic_clouds_answers",
        check,
    )
    .await
}

#[rstest]
#[tokio::test]
async fn vertex_ai_answers_predictions(#[values(Python, Node)] language: Language) -> Result<()> {
    let check = |ends: &Ends| sdk::check_operations(ends, &sdk::VERTEX_CLAUDE_PATHS);
    let script = "anthropic_clouds_answers";
    prove_each(Cloud::VertexAi, &PREDICTING, language, script, check).await
}

#[rstest]
#[tokio::test]
async fn answers_of_a_provider_behind_tls(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    for (cloud, client) in [(BEDROCK, "bedrock"), (Cloud::VertexAi, "vertex")] {
        let rig = CloudRig::start_tls(cloud).await?;
        let script = Clients::find()?.script(language, "anthropic_clouds_answers")?;
        sdk::check_operations(&rig.prove(script, client).await?, &[])?;
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn errors_of_bedrock_are_the_providers_and_come_once(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let clients = ["bedrock", "mantle"];
    let script = "anthropic_clouds_errors";
    prove_each(BEDROCK, &clients, language, script, sdk::check_statuses).await
}

#[rstest]
#[tokio::test]
async fn errors_of_vertex_ai_are_the_providers_and_come_once(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let script = "anthropic_clouds_errors";
    prove_each(
        Cloud::VertexAi,
        &["vertex"],
        language,
        script,
        sdk::check_statuses,
    )
    .await
}

#[rstest]
#[tokio::test]
async fn broken_streams_of_bedrock_are_errors(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let clients = ["bedrock", "mantle"];
    let script = "anthropic_clouds_broken_streams";
    prove_each(
        BEDROCK,
        &clients,
        language,
        script,
        sdk::check_broken_streams,
    )
    .await
}

#[rstest]
#[tokio::test]
async fn broken_streams_of_vertex_ai_are_errors(
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let script = "anthropic_clouds_broken_streams";
    let check = sdk::check_broken_streams;
    prove_each(Cloud::VertexAi, &["vertex"], language, script, check).await
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
