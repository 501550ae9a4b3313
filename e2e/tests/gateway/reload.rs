//! Row R17: a directory that is not one good configuration never comes into force.
//!
//! What happens to requests while a good one does is in `rotation`.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use anyray_e2e::{
    call::Dialect,
    config::{Config, OPENAI_KEY},
    gateway::Gateway,
    mount::Mount,
    stand::send,
    wait,
};
use anyray_fakes::FakeProvider;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// How long a change may take to be noticed.
const NOTICE_LIMIT: Duration = Duration::from_secs(5);

const REJECTED: &str = "config_reloads_total{result=\"rejected\"}";
const ACCEPTED: &str = "config_reloads_total{result=\"accepted\"}";

/// A way to spoil a good directory, and what the reason must name.
struct Spoiling {
    name: &'static str,
    spoil: fn(&Path) -> Result<()>,
    reason: &'static str,
}

const fn spoiling(
    name: &'static str,
    spoil: fn(&Path) -> Result<()>,
    reason: &'static str,
) -> Spoiling {
    Spoiling {
        name,
        spoil,
        reason,
    }
}

const SPOILINGS: [Spoiling; 16] = [
    spoiling(
        "an empty directory",
        |dir| {
            Ok(fs::remove_dir_all(dir.join("keys"))
                .and(fs::remove_file(dir.join("gateway.json")))
                .and(fs::remove_file(dir.join("index.json")))?)
        },
        "gateway.json",
    ),
    spoiling(
        "no gateway.json",
        |dir| Ok(fs::remove_file(dir.join("gateway.json"))?),
        "gateway.json",
    ),
    spoiling(
        "half of gateway.json",
        |dir| rewrite(dir, |text| text.split_at(text.len() / 2).0.to_owned()),
        "gateway.json",
    ),
    spoiling(
        "gateway.json without a word",
        |dir| rewrite(dir, |_| String::new()),
        "gateway.json",
    ),
    spoiling(
        "a gateway.json of two MiB",
        |dir| rewrite(dir, |text| text + &" ".repeat(2 << 20)),
        "gateway.json",
    ),
    spoiling(
        "a directory in place of a key",
        |dir| {
            Ok(fs::remove_file(dir.join("keys/openai"))
                .and(fs::create_dir(dir.join("keys/openai")))?)
        },
        "providerKeys[0].credential.file",
    ),
    spoiling(
        "no key file",
        |dir| Ok(fs::remove_file(dir.join("keys/anthropic"))?),
        "providerKeys[1].credential.file",
    ),
    spoiling(
        "an empty key file",
        |dir| Ok(fs::write(dir.join("keys/openai"), "\n")?).and_then(|()| index(dir)),
        "providerKeys[0].credential.file",
    ),
    spoiling(
        "a key of two lines",
        |dir| Ok(fs::write(dir.join("keys/openai"), "sk-1\nsk-2")?).and_then(|()| index(dir)),
        "providerKeys[0].credential.file",
    ),
    spoiling(
        "a key of another set",
        |dir| Ok(fs::write(dir.join("keys/openai"), "sk-torn")?),
        "keys/openai",
    ),
    spoiling(
        "a gateway.json of another set",
        |dir| rewrite(dir, |text| format!("{text}\n")),
        "gateway.json",
    ),
    spoiling(
        "an index that lacks a file",
        |dir| Ok(fs::write(dir.join("index.json"), "{\"files\":{}}")?),
        "gateway.json",
    ),
    spoiling(
        "an index that is none",
        |dir| Ok(fs::write(dir.join("index.json"), "torn")?),
        "index.json",
    ),
    spoiling(
        "an unknown field",
        |dir| change(dir, "/egress", json!({"allowPrivate": true})),
        "allowPrivate",
    ),
    spoiling(
        "a wrong type",
        |dir| change(dir, "/providerKeys/1/endpoint/url", json!(7)),
        "providerKeys[1].endpoint.url",
    ),
    spoiling(
        "a value out of range",
        |dir| change(dir, "/timeouts", json!({"idleMs": 0})),
        "timeouts.idleMs",
    ),
];

/// A good directory with its index.
fn write_good(directory: &Path, url: &str, key: &str) -> Result<()> {
    let config = Config::for_provider(url).with("timeouts", json!({}));
    config.write(directory)?;
    fs::write(directory.join("keys/openai"), key)?;
    index(directory)
}

/// Writes the index of the files as they are.
fn index(directory: &Path) -> Result<()> {
    let digest = |name: &str| -> Result<String> {
        let bytes = Sha256::digest(fs::read(directory.join(name))?);
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    };
    let files = json!({
        "gateway.json": digest("gateway.json")?,
        "keys/openai": digest("keys/openai")?,
        "keys/anthropic": digest("keys/anthropic")?,
    });
    Ok(fs::write(
        directory.join("index.json"),
        json!({"files": files}).to_string(),
    )?)
}

fn rewrite(directory: &Path, change: impl FnOnce(String) -> String) -> Result<()> {
    let path = directory.join("gateway.json");
    let text = fs::read_to_string(&path)?;
    Ok(fs::write(path, change(text))?)
}

/// Sets one value of gateway.json, and its index to match.
fn change(directory: &Path, pointer: &str, value: Value) -> Result<()> {
    let path = directory.join("gateway.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path)?)?;
    *config
        .pointer_mut(pointer)
        .with_context(|| format!("no {pointer}"))? = value;
    fs::write(path, config.to_string())?;
    index(directory)
}

/// The credential with which the gateway goes to OpenAI now.
async fn key_in_use(gateway: &Gateway, fake: &FakeProvider) -> Result<String> {
    let answer = send(gateway, &Dialect::Chat.request("m")).await?;
    ensure!(answer.status() == 200, "{}", answer.text());
    let request = fake
        .take_requests()
        .pop()
        .context("nothing reached the provider")?;
    let value = request.header("authorization").context("no credential")?;
    Ok(value.trim_start_matches("Bearer ").to_owned())
}

async fn check_spoiling(spoiling: &Spoiling) -> Result<()> {
    let fake = FakeProvider::start().await?;
    let directory = TempDir::new()?;
    let mut mount = Mount::at(directory.path());
    mount.swap(|dir| write_good(dir, &fake.url(), OPENAI_KEY))?;
    let gateway = Gateway::start_in(directory, &[]).await?;
    let (ops, before) = (gateway.ops(), gateway.ops().config().await?);

    mount.swap(|dir| {
        write_good(dir, &fake.url(), OPENAI_KEY).and_then(|()| (spoiling.spoil)(dir))
    })?;
    let find_reason = async || ops.rejection().await.ok().flatten();
    let reason = wait::until("the refusal", NOTICE_LIMIT, find_reason).await?;
    ensure!(reason.contains(spoiling.reason), "the reason is {reason:?}");
    ensure!(
        ops.config().await?.get("hash") == before.get("hash"),
        "another hash is in force"
    );
    ensure!(
        key_in_use(&gateway, &fake).await? == OPENAI_KEY,
        "the key has changed"
    );

    mount.swap(|dir| write_good(dir, &fake.url(), "sk-recovered"))?;
    wait::until("the recovery", NOTICE_LIMIT, async || {
        (ops.metric(ACCEPTED).await.ok()? == 1).then_some(())
    })
    .await?;
    ensure!(
        ops.rejection().await?.is_none(),
        "the refusal is still told"
    );
    ensure!(
        key_in_use(&gateway, &fake).await? == "sk-recovered",
        "the key has not changed"
    );
    // More than one look lies between, each of which saw the same files.
    ensure!(
        ops.metric(REJECTED).await? == 1,
        "one change was refused more than once"
    );
    ensure!(gateway.pid().is_some(), "the gateway has ended");
    Ok(())
}

#[tokio::test]
async fn r17_a_torn_or_invalid_mount_keeps_the_last_good_configuration() -> Result<()> {
    let check = async |spoiling| check_spoiling(spoiling).await.context(spoiling.name);
    wait::for_all(SPOILINGS.iter().map(check)).await?;
    Ok(())
}

#[tokio::test]
async fn r17_a_torn_or_invalid_mount_is_refused_at_start() -> Result<()> {
    for spoiling in &SPOILINGS {
        let directory = TempDir::new()?;
        Mount::at(directory.path()).swap(|dir| {
            write_good(dir, "http://127.0.0.1:1", OPENAI_KEY)?;
            (spoiling.spoil)(dir)
        })?;
        let output = Gateway::run_to_end(directory.path()).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.code() == Some(64),
            "{}: {said}",
            spoiling.name
        );
        ensure!(said.contains(spoiling.reason), "{}: {said}", spoiling.name);
        ensure!(
            !said.contains(OPENAI_KEY),
            "{}: the key was told",
            spoiling.name
        );
    }
    Ok(())
}

#[tokio::test]
async fn r17_each_bad_change_is_counted_once() -> Result<()> {
    let directory = TempDir::new()?;
    let mut mount = Mount::at(directory.path());
    let url = "http://127.0.0.1:1";
    mount.swap(|dir| write_good(dir, url, OPENAI_KEY))?;
    let gateway = Gateway::start_in(directory, &[]).await?;
    for count in 1..=3 {
        mount.swap(|dir| {
            write_good(dir, url, OPENAI_KEY)?;
            change(dir, "/timeouts", json!({"idleMs": 0, "firstByteMs": count}))
        })?;
        gateway.ops().wait_for_metric(REJECTED, count).await?;
    }
    let metrics = gateway.ops().metrics().await?;
    if metrics.contains(ACCEPTED) {
        bail!("a bad change was accepted: {metrics}");
    }
    Ok(())
}
