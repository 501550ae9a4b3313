//! Codex works unchanged through the gateway.
//!
//! The real program runs one prompt with `exec`, once with a provider of its own and
//! once with the built-in one; both ends of the gateway are compared.

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    clients::{Client, Clients, Finished},
    ends::PLACEHOLDER,
    rig::Rig,
    sdk,
};
use anyray_fakes::Scenario;

const RESPONSES: &str = "/v1/responses";

/// What keeps Codex to itself.
const QUIET: &str = "check_for_update_on_startup = false\n\n[analytics]\nenabled = false\n";

/// Codex with a prompt and a profile that names the gateway as a provider.
fn codex(rig: &Rig, model: &str) -> Result<Client> {
    let client = Clients::find()?.codex()?;
    let url = rig.tap.url();
    let profile = format!(
        "model = \"{model}\"\nmodel_provider = \"anyray\"\n\n[model_providers.anyray]\n\
         name = \"Anyray\"\nbase_url = \"{url}/v1\"\nenv_key = \"ANYRAY_API_KEY\"\n\
         wire_api = \"responses\"\n"
    );
    write_settings(
        &client,
        &[("config.toml", QUIET), ("anyray.config.toml", &profile)],
    )?;
    Ok(client.env("ANYRAY_API_KEY", PLACEHOLDER).args([
        "exec",
        "--profile",
        "anyray",
        "--json",
        "--skip-git-repo-check",
        "say hi",
    ]))
}

/// Codex with a prompt and its built-in provider at another address.
fn built_in_codex(rig: &Rig) -> Result<Client> {
    let client = Clients::find()?.codex()?;
    let url = rig.tap.url();
    let settings = format!("model = \"gpt-5.6\"\nopenai_base_url = \"{url}/v1\"\n{QUIET}");
    write_settings(&client, &[("config.toml", &settings)])?;
    Ok(client.env("CODEX_API_KEY", PLACEHOLDER).args([
        "exec",
        "--json",
        "--skip-git-repo-check",
        "say hi",
    ]))
}

fn write_settings(client: &Client, files: &[(&str, &str)]) -> Result<()> {
    let folder = client.home().join(".codex");
    std::fs::create_dir(&folder).context("create the folder of settings")?;
    for (name, text) in files {
        std::fs::write(folder.join(name), text).context("write settings")?;
    }
    Ok(())
}

/// The run ended well, and the last message has this text.
fn check_answer(finished: Finished, text: &str) -> Result<()> {
    let finished = finished.succeeded()?;
    let mut messages = finished
        .stdout
        .lines()
        .filter(|line| line.contains("agent_message"));
    let last = messages.next_back().with_context(|| finished.report())?;
    ensure!(last.contains(text), "{}", finished.report());
    Ok(())
}

#[tokio::test]
async fn a_prompt_is_answered_in_one_request() -> Result<()> {
    let rig = Rig::start().await?;
    let (finished, ends) = rig.observe(codex(&rig, "gpt-5.6")?).await?;
    check_answer(finished, "echo: say hi")?;
    ensure!(ends.paths() == [RESPONSES], "{:?}", ends.paths());
    ensure!(ends.own_answers.is_empty(), "{:?}", ends.own_answers);
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn a_prompt_is_answered_by_a_provider_behind_tls() -> Result<()> {
    let rig = Rig::start_tls().await?;
    let (finished, ends) = rig.observe(codex(&rig, "gpt-5.6")?).await?;
    check_answer(finished, "echo: say hi")?;
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn the_built_in_provider_falls_back_from_its_websocket_at_once() -> Result<()> {
    let rig = Rig::start().await?;
    let (finished, ends) = rig.observe(built_in_codex(&rig)?).await?;
    ensure!(
        !finished.stdout.contains("Reconnecting"),
        "{}",
        finished.report()
    );
    check_answer(finished, "echo: say hi")?;
    let [attempt] = ends.own_answers.as_slice() else {
        anyhow::bail!("answered by the gateway: {:?}", ends.own_answers);
    };
    let is_attempt = attempt.method == "GET" && attempt.request.header("upgrade").is_some();
    ensure!(is_attempt && attempt.status == Some(426), "{attempt:?}");
    ensure!(ends.paths() == [RESPONSES], "{:?}", ends.paths());
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn a_tool_runs_and_its_result_reaches_the_provider() -> Result<()> {
    let rig = Rig::start().await?;
    let (finished, ends) = rig.observe(codex(&rig, "fake-tools")?).await?;
    // The fake calls the first tool with a command that there is not, and then
    // repeats what came of it.
    check_answer(finished, "echo: ")?;
    ensure!(ends.paths() == [RESPONSES, RESPONSES], "{:?}", ends.paths());
    let second = ends.pairs.last().context("no request")?;
    let body = String::from_utf8_lossy(&second.provider.body);
    ensure!(
        body.contains("function_call_output"),
        "no result of the tool"
    );
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn a_failing_provider_is_tried_again() -> Result<()> {
    let rig = Rig::start().await?;
    let (finished, ends) = rig.observe(codex(&rig, "fake-fail-1-500")?).await?;
    check_answer(finished, "echo: say hi")?;
    let statuses: Vec<_> = ends
        .pairs
        .iter()
        .filter_map(|pair| pair.client.status)
        .collect();
    ensure!(statuses == [500, 200], "{statuses:?}");
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn a_refusal_is_shown_in_the_providers_words_after_one_request() -> Result<()> {
    let rig = Rig::start().await?;
    let (finished, ends) = rig.observe(codex(&rig, "fake-status-400")?).await?;
    ensure!(!finished.status.success(), "{}", finished.report());
    ensure!(
        finished.stdout.contains("Invalid value: 'fake'."),
        "{}",
        finished.report()
    );
    ensure!(ends.paths() == [RESPONSES], "{:?}", ends.paths());
    sdk::check_whole(&ends)
}

#[tokio::test]
async fn a_cut_stream_is_recovered_by_asking_again() -> Result<()> {
    let rig = Rig::start().await?;
    rig.fake.script([Scenario::Cut { after: 3 }]);
    let (finished, ends) = rig.observe(codex(&rig, "gpt-5.6")?).await?;
    check_answer(finished, "echo: say hi")?;
    ensure!(ends.paths() == [RESPONSES, RESPONSES], "{:?}", ends.paths());
    Ok(())
}
