//! Real clients whose key is refused: they ask once, or as seldom as they can be brought to, and
//! show the gateway's words.
//!
//! Calls are counted before the gateway, by the tap, and in the gateway's own access log; the
//! provider never sees one.

use std::{io::Write, time::Duration};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    client_keys::{ClientKey, KeyFolder, ask_admin, make_key, start, text},
    clients::{
        Client, Clients, Finished,
        Language::{self, Node, Python},
    },
    rig::Rig,
    wait,
};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::{Value, json};

/// What the gateway says of a key that it does not know.
const WORDS: &str = "does not know the client key";

/// Codex asks again whatever it is told, at most so often.
const CODEX_CALLS: usize = 6;

/// And for no longer than this after its first call.
const CODEX_LIMIT: SignedDuration = SignedDuration::from_secs(10);

/// How long a line of the log may take.
const LOG_LIMIT: Duration = Duration::from_secs(5);

/// A gateway that demands keys, and a key that it refuses.
struct Refusing {
    rig: Rig,
    key: ClientKey,
    _folder: KeyFolder,
}

impl Refusing {
    /// The key is another gateway's.
    async fn with_unknown_key() -> Result<Self> {
        let folder = KeyFolder::new()?;
        let other_folder = KeyFolder::new()?;
        let other = start(&other_folder).await?;
        let key = make_key(&other.gateway, &json!({"user": "ada"})).await?;
        let rig = Rig::start_with_keys(&folder).await?;
        Ok(Self {
            rig,
            key,
            _folder: folder,
        })
    }

    /// The key was good, served `client`, and is deleted while the gateway runs.
    async fn with_deleted_key(client: impl Fn(&Rig, &str) -> Result<Client>) -> Result<Self> {
        let folder = KeyFolder::new()?;
        let rig = Rig::start_with_keys(&folder).await?;
        let key = make_key(&rig.gateway, &json!({"user": "ada"})).await?;
        client(&rig, &key.secret)?.run().await?;
        let served = rig.fake.take_requests().len();
        ensure!(served > 0, "the key was no good");
        let path = format!("/admin/client-keys/{}", key.id);
        let answer = ask_admin(&rig.gateway, "DELETE", &path, None).await?;
        ensure!(answer.status() == 204, "{}", answer.text());
        Ok(Self {
            rig,
            key,
            _folder: folder,
        })
    }

    /// Runs a client; returns what it said and when it called, by the log. All its calls are of
    /// this path.
    async fn run(&self, client: Client, path: &str) -> Result<(Finished, Vec<Timestamp>)> {
        let before = self.rig.tap.exchanges()?.len();
        let finished = client.run().await?;
        self.rig.tap.settle().await?;
        let exchanges = self.rig.tap.exchanges()?.split_off(before);
        ensure!(
            self.rig.fake.requests().is_empty(),
            "the provider was asked"
        );
        let mut calls = 0;
        for exchange in &exchanges {
            let is_of_path = exchange.path_and_query.split('?').next() == Some(path);
            if exchange.method == "POST" && is_of_path {
                ensure!(exchange.status == Some(401), "{exchange:?}");
                calls += 1;
            }
        }
        let is_logged = async || (self.refusals().ok()?.len() >= calls).then_some(());
        wait::until("a line for each call", LOG_LIMIT, is_logged).await?;
        let refusals = self.refusals()?;
        ensure!(refusals.len() == calls, "{refusals:?} of {exchanges:?}");
        for line in self.rig.gateway.access_log() {
            ensure!(!line.contains(&self.key.secret), "the log tells the key");
        }
        Ok((finished, refusals))
    }

    /// When calls were refused for their key, by the access log.
    fn refusals(&self) -> Result<Vec<Timestamp>> {
        let lines = self.rig.gateway.access_log();
        let lines = lines.iter().map(|line| serde_json::from_str(line));
        let lines = lines.collect::<Result<Vec<Value>, _>>()?;
        let is_refusal = |line: &&Value| line.get("outcome") == Some(&json!("client_key_unknown"));
        let refusals = lines.iter().filter(is_refusal);
        refusals
            .map(|line| Ok(text(line, "timestamp")?.parse()?))
            .collect()
    }
}

/// Claude Code with a prompt and a key.
fn claude(rig: &Rig, key: &str) -> Result<Client> {
    Ok(Clients::find()?
        .claude()?
        .env("ANTHROPIC_BASE_URL", &rig.tap.url())
        .env("ANTHROPIC_AUTH_TOKEN", key)
        .env("DISABLE_AUTOUPDATER", "1")
        .env("DISABLE_ERROR_REPORTING", "1")
        .env("DISABLE_TELEMETRY", "1")
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .args(["-p", "say hi"]))
}

/// Codex with a prompt and a key.
fn codex(rig: &Rig, key: &str) -> Result<Client> {
    let client = Clients::find()?.codex()?;
    let folder = client.home().join(".codex");
    std::fs::create_dir(&folder)?;
    let settings = format!(
        "check_for_update_on_startup = false\nmodel = \"gpt-5.6\"\nmodel_provider = \"anyray\"\n\n\
         [analytics]\nenabled = false\n\n[model_providers.anyray]\nname = \"Anyray\"\n\
         base_url = \"{}/v1\"\nenv_key = \"ANYRAY_API_KEY\"\nwire_api = \"responses\"\n",
        rig.tap.url()
    );
    std::fs::write(folder.join("config.toml"), settings)?;
    Ok(client.env("ANYRAY_API_KEY", key).args([
        "exec",
        "--json",
        "--skip-git-repo-check",
        "say hi",
    ]))
}

fn with_settings(client: Client, rig: &Rig, key: &str) -> Client {
    let url = rig.tap.url();
    client
        .env("OPENAI_BASE_URL", &format!("{url}/v1"))
        .env("OPENAI_API_KEY", key)
        .env("ANTHROPIC_BASE_URL", &url)
        .env("ANTHROPIC_API_KEY", key)
}

/// Both ways to a refused key, with the same client.
async fn for_both<R>(
    client: impl Fn(&Rig, &str) -> Result<Client>,
    check: impl AsyncFn(Refusing, Client) -> Result<R>,
) -> Result<()> {
    for refusing in [
        Refusing::with_unknown_key().await?,
        Refusing::with_deleted_key(&client).await?,
    ] {
        let started = client(&refusing.rig, &refusing.key.secret)?;
        check(refusing, started).await?;
    }
    Ok(())
}

#[tokio::test]
async fn claude_code_asks_once_and_shows_the_gateways_words() -> Result<()> {
    for_both(claude, async |refusing, client| {
        let (finished, calls) = refusing.run(client, "/v1/messages").await?;
        ensure!(!finished.status.success(), "{}", finished.report());
        let shown = [finished.stdout.as_str(), &finished.stderr].concat();
        ensure!(shown.contains(WORDS), "{}", finished.report());
        assert_eq!(calls.len(), 1, "{}", finished.report());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn codex_asks_a_few_times_within_seconds_and_gives_up() -> Result<()> {
    for_both(codex, async |refusing, client| {
        let (finished, calls) = refusing.run(client, "/v1/responses").await?;
        ensure!(!finished.status.success(), "{}", finished.report());
        let (first, last) = (calls.first(), calls.last());
        let first = first.context("no call")?;
        let took = last.context("no call")?.duration_since(*first);
        let count = calls.len();
        writeln!(std::io::stderr(), "codex: {count} calls in {took:#}")?;
        ensure!(count <= CODEX_CALLS, "{count} calls in {took:#}");
        ensure!(took < CODEX_LIMIT, "{count} calls in {took:#}");
        ensure!(finished.stdout.contains(WORDS), "{}", finished.report());
        Ok(())
    })
    .await
}

/// An SDK with its usual retries raises an error after one call.
#[rstest]
#[case::openai("openai_refused", "/v1/chat/completions")]
#[case::anthropic("anthropic_refused", "/v1/messages")]
#[tokio::test]
async fn an_sdk_asks_once_and_raises_the_gateways_words(
    #[case] script: &str,
    #[case] path: &str,
    #[values(Python, Node)] language: Language,
) -> Result<()> {
    let client = |rig: &Rig, key: &str| {
        let client = Clients::find()?.script(language, script)?;
        Ok(with_settings(client, rig, key))
    };
    for_both(client, async |refusing, client| {
        let (finished, calls) = refusing.run(client, path).await?;
        let finished = finished.succeeded()?;
        assert_eq!(calls.len(), 1, "{}", finished.report());
        Ok(())
    })
    .await
}
