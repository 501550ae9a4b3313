//! The way of a new user: install, apply the quickstart, wait, and call the gateway with the real
//! clients through its Service.

use anyhow::{Context as _, Result, ensure};
use anyray_e2e::clients::{Client, Clients, Finished};

use crate::{
    harness::{Context, Entry, shared},
    operator::read,
};

/// What SDKs and tools send where they want a key; it never goes to a provider.
const PLACEHOLDER: &str = "anyray-placeholder";

/// A conversation with each API, whole and streamed, as the README has it.
const PYTHON: &str = "cluster_hello.py";
const NODE: &str = "cluster_hello.mjs";

pub(crate) fn tests() -> Vec<Entry> {
    vec![shared(
        "quickstart_becomes_ready_and_serves_every_client",
        serves,
    )]
}

async fn serves(context: Context) -> Result<()> {
    context.operator().await?;
    for file in ["gateway", "provider-keys", "keys", "echo"] {
        context
            .apply_file(&format!("examples/quickstart/{file}.yaml"))
            .await?;
    }
    context
        .wait_for("anyraygateway/quickstart", "Ready")
        .await?;
    context.wait_for("providerkey/openai", "Ready").await?;
    context
        .kubectl(&["rollout", "status", "deployment/echo", "--timeout=90s"])
        .await?;
    let gateway = context.read("anyraygateway/quickstart").await?;
    let address = format!("http://quickstart.{}.svc:8787", context.namespace());
    ensure!(gateway["status"]["address"] == address, "{gateway}");
    ensure!(gateway["status"]["replicaSummary"] == "2/2", "{gateway}");
    context.expect_echo("quickstart").await?;
    let url = context.gateway_url("quickstart").await?;
    let clients = Clients::find()?;
    try_sdk(clients.python(PYTHON)?, &url)
        .await
        .context("Python")?;
    try_sdk(clients.node(NODE)?, &url).await.context("Node")?;
    try_claude_code(clients.claude()?, &url)
        .await
        .context("Claude Code")?;
    try_codex(clients.codex()?, &url).await.context("Codex")?;
    let (snapshots, current) = context.statuses()?;
    ensure!(
        snapshots > 0 && current > 0,
        "{snapshots} statuses, {current} of them done"
    );
    Ok(())
}

async fn try_sdk(client: Client, url: &str) -> Result<()> {
    let finished = client
        .env("OPENAI_BASE_URL", &format!("{url}/v1"))
        .env("OPENAI_API_KEY", PLACEHOLDER)
        .env("ANTHROPIC_BASE_URL", url)
        .env("ANTHROPIC_API_KEY", PLACEHOLDER)
        .run()
        .await?
        .succeeded()?;
    let answers = finished.stdout.matches("echo: hello").count();
    ensure!(answers == 4, "{}", finished.report());
    Ok(())
}

async fn try_claude_code(client: Client, url: &str) -> Result<()> {
    let client = client
        .env("ANTHROPIC_BASE_URL", url)
        .env("NO_PROXY", host(url))
        .env("ANTHROPIC_AUTH_TOKEN", PLACEHOLDER)
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .args(["-p", "hello"]);
    check_echo(client.run().await?)
}

/// Codex with the profile that the README prints.
async fn try_codex(client: Client, url: &str) -> Result<()> {
    let readme = read("README.md")?;
    let profile = readme
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let profile = profile.context("the README has no profile for Codex")?;
    let profile = profile.replace("http://127.0.0.1:8787", url);
    let folder = client.home().join(".codex");
    std::fs::create_dir(&folder)?;
    std::fs::write(folder.join("anyray.config.toml"), profile)?;
    let client = client
        .env("NO_PROXY", host(url))
        .env("ANYRAY_API_KEY", PLACEHOLDER)
        .args([
            "exec",
            "--profile",
            "anyray",
            "--skip-git-repo-check",
            "hello",
        ]);
    check_echo(client.run().await?)
}

/// What a tool must reach without the proxy that leads nowhere and keeps it to itself.
fn host(url: &str) -> &str {
    let authority = url.strip_prefix("http://").unwrap_or(url);
    authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host)
}

fn check_echo(finished: Finished) -> Result<()> {
    let finished = finished.succeeded()?;
    ensure!(
        finished.stdout.contains("echo: hello"),
        "{}",
        finished.report()
    );
    Ok(())
}
