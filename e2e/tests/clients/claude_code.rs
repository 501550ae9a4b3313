//! Claude Code works unchanged through the gateway.
//!
//! The real program runs one prompt with `-p`; the model name chooses what the fake
//! provider does, and both ends of the gateway are compared.

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    clients::{Client, Clients},
    ends::{CALLER_KEY, Ends, PLACEHOLDER},
    rig::Rig,
    sdk,
};
use anyray_fakes::Scenario;

const MESSAGES: &str = "/v1/messages?beta=true";

/// Claude Code with a prompt, set up as a user of the gateway sets it up.
fn claude(rig: &Rig) -> Result<Client> {
    let client = Clients::find()?.claude()?;
    Ok(client
        .env("ANTHROPIC_BASE_URL", &rig.tap.url())
        .env("ANTHROPIC_AUTH_TOKEN", PLACEHOLDER)
        .env("DISABLE_AUTOUPDATER", "1")
        .env("DISABLE_ERROR_REPORTING", "1")
        .env("DISABLE_TELEMETRY", "1")
        .args(["-p", "say hi"]))
}

/// The same, without what it does beside the prompt.
fn quiet_claude(rig: &Rig) -> Result<Client> {
    Ok(claude(rig)?.env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"))
}

#[tokio::test]
async fn a_prompt_is_answered_in_one_request() -> Result<()> {
    let rig = Rig::start().await?;
    let (finished, ends) = rig.observe(quiet_claude(&rig)?).await?;
    let finished = finished.succeeded()?;
    ensure!(finished.stdout == "echo: say hi\n", "{}", finished.report());
    ensure!(ends.paths() == [MESSAGES], "{:?}", ends.paths());
    ensure!(ends.own_answers.is_empty(), "{:?}", ends.own_answers);
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn a_prompt_is_answered_by_a_provider_behind_tls() -> Result<()> {
    let rig = Rig::start_tls().await?;
    let (finished, ends) = rig.observe(quiet_claude(&rig)?).await?;
    let finished = finished.succeeded()?;
    ensure!(finished.stdout == "echo: say hi\n", "{}", finished.report());
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn an_api_key_is_replaced_like_a_token() -> Result<()> {
    let rig = Rig::start().await?;
    // The token is unset by an empty value; the key then goes as `x-api-key`.
    let client = quiet_claude(&rig)?
        .env("ANTHROPIC_AUTH_TOKEN", "")
        .env("ANTHROPIC_API_KEY", CALLER_KEY);
    let (finished, ends) = rig.observe(client).await?;
    let finished = finished.succeeded()?;
    ensure!(finished.stdout == "echo: say hi\n", "{}", finished.report());
    let sent = ends
        .pairs
        .first()
        .context("no request")?
        .client
        .request
        .header("x-api-key");
    ensure!(
        sent == Some(CALLER_KEY),
        "the key was not sent as x-api-key"
    );
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn the_two_headers_of_a_key_helper_become_one_credential() -> Result<()> {
    let rig = Rig::start().await?;
    let client = quiet_claude(&rig)?
        .env("ANTHROPIC_AUTH_TOKEN", "")
        .env(
            "ANTHROPIC_CUSTOM_HEADERS",
            "x-anyray-metadata: {\"team\":\"blue\"}",
        )
        .args([
            "--settings",
            &format!(r#"{{"apiKeyHelper":"echo {PLACEHOLDER}"}}"#),
        ]);
    let (finished, ends) = rig.observe(client).await?;
    let finished = finished.succeeded()?;
    ensure!(finished.stdout == "echo: say hi\n", "{}", finished.report());
    let sent = &ends.pairs.first().context("no request")?.client.request;
    for name in ["authorization", "x-api-key", "x-anyray-metadata"] {
        ensure!(sent.header(name).is_some(), "{name} was not sent: {sent:?}");
    }
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn the_probe_at_the_start_stays_at_the_gateway() -> Result<()> {
    let rig = Rig::start().await?;
    // `--bare` leaves out plugins, hooks and the like, but not the probe.
    let (finished, ends) = rig.observe(claude(&rig)?.args(["--bare"])).await?;
    finished.succeeded()?;
    let [probe] = ends.own_answers.as_slice() else {
        anyhow::bail!("answered by the gateway: {:?}", ends.own_answers);
    };
    let is_probe = probe.method == "HEAD" && probe.path_and_query == "/api/hello";
    ensure!(is_probe && probe.status == Some(200), "{probe:?}");
    ensure!(ends.paths() == [MESSAGES], "{:?}", ends.paths());
    Ok(())
}

#[tokio::test]
async fn models_are_discovered_through_the_gateway() -> Result<()> {
    let rig = Rig::start().await?;
    let client = quiet_claude(&rig)?.env("CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY", "1");
    let (finished, ends) = rig.observe(client).await?;
    finished.succeeded()?;
    ensure!(
        ends.paths().contains(&"/v1/models?limit=1000"),
        "{:?}",
        ends.paths()
    );
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn a_tool_runs_and_its_result_reaches_the_provider() -> Result<()> {
    let rig = Rig::start().await?;
    // The fake calls the first tool, with this as the file to read.
    let client = quiet_claude(&rig)?
        .env("ENABLE_TOOL_SEARCH", "false")
        .args(["--model", "fake-tools", "--tools", "Read"]);
    std::fs::write(client.home().join("work/Zürich"), "forty-two")?;
    let (finished, ends) = rig.observe(client).await?;
    let finished = finished.succeeded()?;
    ensure!(
        finished.stdout.contains("forty-two"),
        "{}",
        finished.report()
    );
    ensure!(ends.paths() == [MESSAGES, MESSAGES], "{:?}", ends.paths());
    let second = ends.pairs.last().context("no request")?;
    let body = String::from_utf8_lossy(&second.provider.body);
    ensure!(
        body.contains("tool_result") && body.contains("forty-two"),
        "no tool result"
    );
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn an_overloaded_provider_is_tried_again() -> Result<()> {
    let rig = Rig::start().await?;
    let client = quiet_claude(&rig)?.args(["--model", "fake-fail-1-529"]);
    let (finished, ends) = rig.observe(client).await?;
    let finished = finished.succeeded()?;
    ensure!(finished.stdout == "echo: say hi\n", "{}", finished.report());
    let statuses = statuses(&ends);
    ensure!(statuses == [529, 200], "{statuses:?}");
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn a_refusal_is_shown_in_the_providers_words() -> Result<()> {
    let rig = Rig::start().await?;
    let client = quiet_claude(&rig)?.args(["--model", "fake-status-400"]);
    let (finished, ends) = rig.observe(client).await?;
    let text = "API Error: 400 messages.0.content: Input should be a valid list";
    ensure!(finished.stdout.contains(text), "{}", finished.report());
    // It asks six times, without a gateway as well.
    let statuses = statuses(&ends);
    ensure!(statuses.iter().all(|status| *status == 400), "{statuses:?}");
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn a_cut_stream_is_recovered_by_asking_without_a_stream() -> Result<()> {
    check_recovery(Scenario::Cut { after: 3 }, [true, false]).await
}

#[tokio::test]
async fn a_stream_cut_within_an_event_is_recovered_by_streaming_again() -> Result<()> {
    check_recovery(Scenario::CutMidFrame { after: 3 }, [true, true]).await
}

#[tokio::test]
async fn an_error_event_is_recovered_by_asking_without_a_stream() -> Result<()> {
    check_recovery(Scenario::ErrorEvent { after: 2 }, [true, false]).await
}

/// One broken stream, and then the answer; `streams` says which requests ask for
/// a stream.
async fn check_recovery(broken: Scenario, streams: [bool; 2]) -> Result<()> {
    let rig = Rig::start().await?;
    rig.fake.script([broken]);
    let (finished, ends) = rig.observe(quiet_claude(&rig)?).await?;
    let finished = finished.succeeded()?;
    ensure!(finished.stdout == "echo: say hi\n", "{}", finished.report());
    let asked: Vec<bool> = ends
        .pairs
        .iter()
        .map(|pair| String::from_utf8_lossy(&pair.provider.body).contains(r#""stream":true"#))
        .collect();
    ensure!(asked == streams, "asked for streams: {asked:?}");
    Ok(())
}

fn statuses(ends: &Ends) -> Vec<u16> {
    ends.pairs
        .iter()
        .filter_map(|pair| pair.client.status)
        .collect()
}
