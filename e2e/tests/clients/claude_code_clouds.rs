//! Claude Code works unchanged through the gateway in its modes for Bedrock and Vertex AI, and
//! as it is where the gateway leads its models to one of them.
//!
//! As in `claude_code`, the real program runs one prompt with `-p`. It has nothing but the
//! gateway's key: the credentials for the cloud providers are the gateway's, and the fake checks
//! them.

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    clients::{Client, Clients, Finished},
    clouds::{AwsPair, Cloud, CloudRig},
    ends::{Ends, Pair},
    sdk,
};
use anyray_fakes::{Recorded, Scenario, StreamFault};
use serde_json::{Value, json};

const BEDROCK: Cloud = Cloud::Bedrock(AwsPair::LongTerm);

/// The modes, each with a model as its cloud spells it.
const MODES: [(Cloud, &str); 2] = [
    (BEDROCK, "us.anthropic.claude-opus-4-7"),
    (Cloud::VertexAi, "claude-opus-4-7"),
];

/// The model that Claude Code asks for by itself.
const DEFAULT_MODEL: &str = "claude-opus-5-5";

/// Where the caller's key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Where the mode has a credential of its own.
    Bearer,
    /// In a header of ours, because the mode's credential is left out.
    CustomHeader,
}

/// Claude Code with a prompt, in the mode of a cloud, set up as a user of the gateway sets it
/// up.
fn claude(rig: &CloudRig, cloud: Cloud, model: &str) -> Result<Client> {
    claude_with(rig, cloud, model, Place::Bearer)
}

fn claude_with(rig: &CloudRig, cloud: Cloud, model: &str, place: Place) -> Result<Client> {
    let client = quiet_claude()?.args(["--model", model]);
    let client = match cloud {
        Cloud::VertexAi => on_vertex(client, rig, place),
        _ => on_bedrock(client, rig, place),
    };
    Ok(match place {
        Place::Bearer => client,
        Place::CustomHeader => client.env(
            "ANTHROPIC_CUSTOM_HEADERS",
            &format!("x-anyray-api-key: {}", rig.key()),
        ),
    })
}

fn quiet_claude() -> Result<Client> {
    Ok(Clients::find()?
        .claude()?
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .env("DISABLE_AUTOUPDATER", "1")
        .env("DISABLE_ERROR_REPORTING", "1")
        .env("DISABLE_TELEMETRY", "1")
        .args(["-p", "say hi"]))
}

/// Claude Code with a prompt, without any mode, and with its default model.
fn plain_claude(rig: &CloudRig) -> Result<Client> {
    Ok(quiet_claude()?
        .env("ANTHROPIC_BASE_URL", &rig.rig.tap.url())
        .env("ANTHROPIC_AUTH_TOKEN", rig.key()))
}

/// A gateway that leads every Claude to a cloud, and the default model to this one of it.
async fn route_to(cloud: Cloud, model: &str) -> Result<CloudRig> {
    let provider = cloud.provider();
    let rules = json!({"models": [{"match": "claude-*", "providerKey": provider}]});
    let names = json!({ DEFAULT_MODEL: model });
    CloudRig::start_with(cloud, |config| {
        config.with("routing", rules).with_models(provider, &names)
    })
    .await
}

/// Every request was for this model, asked for a stream, and was answered.
fn check_streams(requests: &[Recorded], model: &str) -> Result<()> {
    ensure!(!requests.is_empty(), "nothing reached the provider");
    for request in requests {
        let path = &request.path_and_query;
        let is_mapped = path.contains(&format!("/{model}"));
        ensure!(is_mapped && is_streaming(path), "{path}");
    }
    Ok(())
}

fn on_bedrock(client: Client, rig: &CloudRig, place: Place) -> Client {
    let client = client
        .env("CLAUDE_CODE_USE_BEDROCK", "1")
        .env("AWS_REGION", "eu-central-1")
        .env("ANTHROPIC_BEDROCK_BASE_URL", &rig.rig.tap.url());
    match place {
        Place::Bearer => client.env("AWS_BEARER_TOKEN_BEDROCK", rig.key()),
        Place::CustomHeader => client.env("CLAUDE_CODE_SKIP_BEDROCK_AUTH", "1"),
    }
}

fn on_vertex(client: Client, rig: &CloudRig, place: Place) -> Client {
    let client = client
        .env("CLAUDE_CODE_USE_VERTEX", "1")
        .env("CLAUDE_CODE_SKIP_VERTEX_AUTH", "1")
        .env("CLOUD_ML_REGION", "europe-west1")
        .env("ANTHROPIC_VERTEX_PROJECT_ID", "a-project")
        .env("ANTHROPIC_VERTEX_BASE_URL", &rig.rig.tap.url());
    match place {
        Place::Bearer => client.env("ANTHROPIC_AUTH_TOKEN", rig.key()),
        Place::CustomHeader => client,
    }
}

/// It gave the answer, over the mode's own path and with nothing added on the way.
fn check_answer(finished: Finished, ends: &Ends) -> Result<()> {
    let finished = finished.succeeded()?;
    ensure!(finished.stdout == "echo: say hi\n", "{}", finished.report());
    check_paths(ends)?;
    check_probes(ends)?;
    sdk::check_whole(ends)
}

/// Every prompt was streamed over a path of the cloud.
fn check_paths(ends: &Ends) -> Result<()> {
    let paths = ends.paths();
    let mut streaming = paths.iter().filter(|path| is_streaming(path));
    ensure!(streaming.next().is_some(), "{paths:?}");
    let is_clouds = |path: &&str| path.starts_with("/model/") || path.starts_with("/v1/projects/");
    ensure!(paths.iter().all(is_clouds), "{paths:?}");
    Ok(())
}

fn is_streaming(path: &str) -> bool {
    path.ends_with("/invoke-with-response-stream") || path.ends_with(":streamRawPredict")
}

/// Bedrock's mode looks for inference profiles, which no answer may hold up.
fn check_probes(ends: &Ends) -> Result<()> {
    for probe in &ends.own_answers {
        let is_known = probe.path_and_query.starts_with("/inference-profiles");
        let is_answered = probe.status.is_some_and(|status| status < 500);
        ensure!(is_known && is_answered, "{probe:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_prompt_is_answered_with_the_key_in_either_place() -> Result<()> {
    for place in [Place::Bearer, Place::CustomHeader] {
        for (cloud, model) in MODES {
            let rig = CloudRig::start(cloud).await?;
            let client = claude_with(&rig, cloud, model, place)?;
            let (finished, ends) = rig.observe(client).await?;
            check_answer(finished, &ends).with_context(|| format!("{cloud:?} {place:?}"))?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_prompt_is_answered_by_a_provider_behind_tls() -> Result<()> {
    for (cloud, model) in MODES {
        let rig = CloudRig::start_tls(cloud).await?;
        let (finished, ends) = rig.observe(claude(&rig, cloud, model)?).await?;
        check_answer(finished, &ends).with_context(|| format!("{cloud:?}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_prompt_is_answered_by_temporary_keys_and_by_bedrocks_own() -> Result<()> {
    for cloud in [Cloud::Bedrock(AwsPair::Temporary), Cloud::BedrockApiKey] {
        let rig = CloudRig::start(cloud).await?;
        let client = claude(&rig, cloud, "us.anthropic.claude-opus-4-7")?;
        let (finished, ends) = rig.observe(client).await?;
        check_answer(finished, &ends).with_context(|| format!("{cloud:?}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_tool_runs_and_its_result_reaches_the_provider() -> Result<()> {
    for (cloud, _) in MODES {
        let rig = CloudRig::start(cloud).await?;
        // The fake calls the first tool, with this as the file to read.
        let client = claude(&rig, cloud, "anthropic.claude-fake-tools")?
            .env("ENABLE_TOOL_SEARCH", "false")
            .args(["--tools", "Read"]);
        std::fs::write(client.home().join("work/Zürich"), "forty-two")?;
        let (finished, ends) = rig.observe(client).await?;
        let finished = finished.succeeded()?;
        let has_read = finished.stdout.contains("forty-two");
        ensure!(has_read, "{cloud:?}: {}", finished.report());
        let last = ends.pairs.last().context("no request")?;
        let body = String::from_utf8_lossy(&last.provider.body);
        ensure!(body.contains("tool_result"), "{cloud:?}: no tool result");
        sdk::check_whole(&ends)?;
    }
    Ok(())
}

/// It asks Anthropic for more than either cloud takes: one beta or field too many is a 400.
#[tokio::test]
async fn a_rule_leads_claude_code_without_a_mode_to_a_cloud() -> Result<()> {
    let model = "anthropic.claude-mapped";
    for (cloud, _) in MODES {
        let rig = route_to(cloud, model).await?;
        let (finished, requests) = rig.observe_wrapped(plain_claude(&rig)?).await?;
        let finished = finished.succeeded()?;
        let is_answered = finished.stdout == "echo: say hi\n";
        ensure!(is_answered, "{cloud:?}: {}", finished.report());
        check_streams(&requests, model).with_context(|| format!("{cloud:?}"))?;
        ensure!(requests.len() == 1, "{cloud:?}: it had to ask again");
    }
    Ok(())
}

#[tokio::test]
async fn tools_of_claude_code_without_a_mode_run_with_a_clouds_model() -> Result<()> {
    let model = "anthropic.claude-fake-tools";
    for (cloud, _) in MODES {
        let rig = route_to(cloud, model).await?;
        let client = plain_claude(&rig)?
            .env("ENABLE_TOOL_SEARCH", "false")
            .args(["--tools", "Read"]);
        std::fs::write(client.home().join("work/Zürich"), "forty-two")?;
        let (finished, requests) = rig.observe_wrapped(client).await?;
        let finished = finished.succeeded()?;
        let has_read = finished.stdout.contains("forty-two");
        ensure!(has_read, "{cloud:?}: {}", finished.report());
        check_streams(&requests, model).with_context(|| format!("{cloud:?}"))?;
        let last = requests.last().context("no request")?;
        let body = String::from_utf8_lossy(&last.body);
        ensure!(body.contains("tool_result"), "{cloud:?}: no tool result");
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_is_shown_in_the_providers_words() -> Result<()> {
    let model = "anthropic.claude-fake-status-400";
    for (cloud, _) in MODES {
        let rig = CloudRig::start(cloud).await?;
        let (finished, ends) = rig.observe(claude(&rig, cloud, model)?).await?;
        let is_of_model = |pair: &&Pair| pair.provider.path_and_query.contains(model);
        let refused = ends.pairs.iter().find(is_of_model);
        let refused = refused.context("the model was not asked")?;
        ensure!(refused.client.status == Some(400), "{:?}", refused.client);
        let error: Value = serde_json::from_slice(&refused.provider.sent)?;
        let message = error.pointer("/error/message").or(error.get("message"));
        let message = message.and_then(Value::as_str).context("no message")?;
        let text = format!("API Error: 400 {message}");
        let is_shown = finished.stdout.contains(&text);
        ensure!(is_shown, "{text:?} is not in {}", finished.report());
        sdk::check_whole(&ends)?;
    }
    Ok(())
}

/// The scenario changes only streams: what is asked for without one is answered.
#[tokio::test]
async fn a_stream_that_breaks_is_recovered_by_asking_without_a_stream() -> Result<()> {
    let fault = StreamFault::ServiceUnavailable;
    for scenario in [
        Scenario::Cut { after: 3 },
        Scenario::EndEarly { after: 3 },
        Scenario::Exception { fault, after: 2 },
    ] {
        for (cloud, _) in MODES {
            let rig = CloudRig::start(cloud).await?;
            let model = format!("anthropic.claude-{scenario}");
            let (finished, ends) = rig.observe(claude(&rig, cloud, &model)?).await?;
            let finished = finished.succeeded()?;
            let is_answered = finished.stdout == "echo: say hi\n";
            ensure!(is_answered, "{cloud:?} {scenario}: {}", finished.report());
            let whole = ["/invoke", ":rawPredict"];
            let asked = ends
                .paths()
                .into_iter()
                .filter(|path| path.contains(&model));
            let asked: Vec<_> = asked
                .map(|path| whole.iter().any(|end| path.ends_with(end)))
                .collect();
            ensure!(asked == [false, true], "{cloud:?} {scenario}: {asked:?}");
        }
    }
    Ok(())
}
