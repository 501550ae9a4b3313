//! Row S4: what is secret or a caller's never shows in what the gateway says of itself.
//!
//! Unique strings go in wherever something secret or private may stand, through successes, errors
//! and faults, with every diagnostic switched on. None may come out in logs, metrics, the status
//! of the configuration, or an error that the gateway itself wrote.

use std::{fs, path::Path, rc::Rc, time::Duration};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    call::{Dialect, Request},
    config::Config,
    gateway::Gateway,
    mount::Mount,
    raw::Answer,
    stand::{Stand, send},
    wait,
};
use anyray_fakes::Recorded;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Part of every secret, and of nothing else.
const CANARY: &str = "canary";

const OPENAI_CANARY: &str = "sk-canary-provider-openai";
const ANTHROPIC_CANARY: &str = "sk-ant-canary-provider-anthropic";

/// Headers that carry something of the caller's.
const HEADERS: &[(&str, &str)] = &[
    ("authorization", "Bearer sk-canary-caller"),
    ("x-api-key", "ark_canary_caller"),
    ("x-anyray-api-key", "ark_canary_gateway"),
    ("x-anyray-metadata", "{\"user\":\"canary@example.test\"}"),
    ("cookie", "session=canary-cookie"),
    ("x-forwarded-for", "canary-address"),
    ("x-client", "canary-header"),
    ("user-agent", "canary-agent"),
];

/// What providers do in these tests.
const SCENARIOS: &[&str] = &[
    "m",
    "fake-status-401",
    "fake-status-429",
    "fake-status-529",
    "fake-html",
    "fake-cut-2",
    "fake-cut-mid-2",
    "fake-cut-body",
    "fake-end-early-2",
    "fake-error-event-2",
    "fake-malformed",
    "fake-hang",
    "fake-hang-stream-2",
    "fake-wrong-length",
    "fake-no-usage",
    "fake-nonsense",
    "fake-split-bytes",
    "fake-huge-frame-5000000",
];

fn write_canaries(config: &Config, directory: &Path) -> Result<()> {
    config.write(directory)?;
    fs::write(directory.join("keys/openai"), OPENAI_CANARY)?;
    Ok(fs::write(
        directory.join("keys/anthropic"),
        ANTHROPIC_CANARY,
    )?)
}

fn with_canaries(request: Request) -> Request {
    HEADERS.iter().fold(request, |request, (name, value)| {
        request.header(name, value)
    })
}

/// A request whose prompt, and so its answer, has a canary, streaming or not.
fn ask(dialect: Dialect, model: &str, stream: &Value) -> Request {
    let prompt = json!([{"role": "user", "content": "canary-prompt"}]);
    let more = match dialect {
        Dialect::Responses => json!({"stream": stream, "input": prompt}),
        Dialect::Chat | Dialect::Messages => json!({"stream": stream, "messages": prompt}),
    };
    with_canaries(dialect.request_with(model, more))
}

/// Requests that the gateway refuses itself.
fn refused_requests() -> Vec<Request> {
    let chat = || ask(Dialect::Chat, "m", &json!(false));
    vec![
        chat().header("authorization", "Bearer sk-canary-second"),
        chat().header("x-anyray-provider", "canary-provider"),
        chat().header("content-encoding", "canary-coding"),
        chat().to("/v1/canary-path?key=canary-query"),
        chat().to("/v1/models/../canary-path"),
        chat().to("/v1/models?key=canary-query"),
        chat()
            .header("connection", "upgrade")
            .header("upgrade", "websocket"),
        chat().header("x-anyray-provider", "anthropic"),
    ]
}

/// Bytes that are no request.
const MALFORMED: &[&str] = &[
    "GET /v1/models HTTP/1.1\r\nauthorization : Bearer canary\r\n\r\n",
    "GET /v1/models HTTP/1.1\r\nauthorization: canary\0\r\n\r\n",
    "GET /v1/canary\0 HTTP/1.1\r\nhost: x\r\n\r\n",
    "canary canary canary\r\n\r\n",
    "POST /v1/messages HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\ncanary\r\n",
];

fn check(what: &str, text: &str) -> Result<()> {
    let found = text
        .lines()
        .find(|line| line.to_ascii_lowercase().contains(CANARY));
    ensure!(found.is_none(), "{what} tells {found:?}");
    Ok(())
}

/// All that the gateway has said of itself so far.
async fn check_everything_said(gateway: &Gateway) -> Result<()> {
    check("the access log", &gateway.access_log().join("\n"))?;
    check("standard error", &gateway.diagnostics().join("\n"))?;
    for path in ["/metrics", "/config", "/readyz", "/livez", "/canary"] {
        let answer = gateway.ops().get(path).await?;
        check(path, &format!("{:?}{}", answer.head, answer.text()))?;
    }
    Ok(())
}

/// An answer of the gateway's own has no canary; one of the provider's is the provider's matter.
fn check_own_answer(answer: &Answer) -> Result<()> {
    check("an answer's head", &format!("{:?}", answer.head))?;
    check("an own error", &answer.text())
}

/// A gateway with canaries for keys, and every diagnostic on.
async fn start_with_canaries() -> Result<Stand> {
    let timeouts = json!({"firstByteMs": 1500, "idleMs": 1000, "pingMs": 100});
    let with_timeouts = |config: Config| config.with("timeouts", timeouts.clone());
    let stand = Stand::start_env(with_timeouts, &[("ANYRAY_LOG", "trace")]).await?;
    let config = with_timeouts(Config::for_provider(&stand.fake.url()));
    write_canaries(&config, stand.gateway.config_dir())?;
    let accepted = "config_reloads_total{result=\"accepted\"}";
    stand.gateway.ops().wait_for_metric(accepted, 1).await?;
    Ok(stand)
}

/// Plays every scenario to callers of one dialect: one after the other, because traces of a large
/// frame leave nothing else the time to be in time.
async fn play_scenarios(stand: &Rc<Stand>, dialect: Dialect) -> Result<()> {
    for scenario in SCENARIOS {
        let sending = [false, true].map(|is_streaming| {
            let request = ask(dialect, scenario, &json!(is_streaming));
            let stand = Rc::clone(stand);
            // A connection that was broken off is one of the cases.
            async move { Ok(stand.send(&request).await.is_ok()) }
        });
        wait::for_all(sending).await?;
    }
    let count = 2 * SCENARIOS.len();
    let sent = stand.fake.take_requests();
    let has_key = |value: &[u8]| String::from_utf8_lossy(value).contains("canary-provider");
    let is_signed = |request: &Recorded| request.headers.iter().any(|(_, value)| has_key(value));
    ensure!(
        sent.len() == count,
        "{} of {count} requests reached the provider",
        sent.len()
    );
    ensure!(sent.iter().all(is_signed), "the canaries were not in use");
    Ok(())
}

#[tokio::test]
async fn s4_no_canary_is_told_whatever_happens_to_requests() -> Result<()> {
    let stand = Rc::new(start_with_canaries().await?);
    for dialect in Dialect::ALL {
        play_scenarios(&stand, dialect).await?;
    }
    for request in refused_requests() {
        check_own_answer(&stand.send(&request).await?)?;
    }
    for bytes in MALFORMED {
        let mut caller = stand.open().await?;
        caller.send(bytes).await?;
        check(
            "an own error",
            &String::from_utf8_lossy(&caller.read_to_close().await?),
        )?;
    }
    let mut leaving = stand.open().await?;
    leaving
        .send(ask(Dialect::Messages, "fake-hang", &json!(true)).to_bytes())
        .await?;
    drop(leaving);
    stand
        .gateway
        .ops()
        .wait_for_metric("requests_in_flight", 0)
        .await?;
    check_everything_said(&stand.gateway).await
}

#[tokio::test]
async fn s4_no_canary_is_told_where_providers_cannot_be_reached() -> Result<()> {
    let config = Config::for_provider("https://127.0.0.1:1/canary-path");
    let directory = TempDir::new()?;
    write_canaries(&config, directory.path())?;
    let gateway = Gateway::start_in(directory, &[("ANYRAY_LOG", "trace")]).await?;
    for dialect in Dialect::ALL {
        let answer = send(&gateway, &ask(dialect, "m", &json!(true))).await?;
        dialect.check_error(&answer, 502)?;
        check_own_answer(&answer)?;
    }
    check_everything_said(&gateway).await
}

/// One way to write a secret where none belongs.
struct Blunder {
    name: &'static str,
    pointer: &'static str,
    value: fn() -> Value,
}

const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n";

const BLUNDERS: &[Blunder] = &[
    Blunder {
        name: "the key in place of its file",
        pointer: "/providerKeys/0/credential",
        value: || json!(OPENAI_CANARY),
    },
    Blunder {
        name: "the key beside its file",
        pointer: "/providerKeys/0/credential",
        value: || json!({"file": "keys/openai", "key": OPENAI_CANARY}),
    },
    Blunder {
        name: "the key in place of the version",
        pointer: "/providerKeys/0/credential",
        value: || json!({"file": "keys/openai", "version": [OPENAI_CANARY]}),
    },
    Blunder {
        name: "the key as a number's value",
        pointer: "/timeouts",
        value: || json!({"idleMs": OPENAI_CANARY}),
    },
    Blunder {
        name: "the key as a setting",
        pointer: "/auth",
        value: || json!({"clientKeys": OPENAI_CANARY}),
    },
    Blunder {
        name: "a password in the URL",
        pointer: "/providerKeys/0/endpoint/url",
        value: || json!("https://user:canary@example.test/v1"),
    },
    Blunder {
        name: "a key in the URL",
        pointer: "/providerKeys/0/endpoint/url",
        value: || json!("https://example.test/v1?key=canary"),
    },
    Blunder {
        name: "a key in place of the URL",
        pointer: "/providerKeys/0/endpoint/url",
        value: || json!("sk canary"),
    },
    Blunder {
        name: "the key as the provider",
        pointer: "/providerKeys/0/provider",
        value: || json!(OPENAI_CANARY),
    },
    Blunder {
        name: "a private key as the bundle",
        pointer: "/providerKeys/0/endpoint",
        value: || json!({"url": "https://example.test", "caBundle": PRIVATE_KEY}),
    },
];

fn write_blunder(directory: &Path, blunder: &Blunder) -> Result<()> {
    let config = Config::for_provider("http://127.0.0.1:1").with("timeouts", json!({}));
    write_canaries(&config, directory)?;
    let path = directory.join("gateway.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path)?)?;
    let place = config.pointer_mut(blunder.pointer);
    *place.context("no such field")? = (blunder.value)();
    Ok(fs::write(path, config.to_string())?)
}

fn write_broken_key(directory: &Path, key: &str) -> Result<()> {
    write_canaries(&Config::for_provider("http://127.0.0.1:1"), directory)?;
    Ok(fs::write(directory.join("keys/openai"), key)?)
}

/// Ways to break a key file that holds a canary.
const BROKEN_KEYS: &[&str] = &[
    "sk-canary\nsk-canary-2",
    "sk-canary-\u{e9}",
    "sk-canary\0",
    "\u{1}canary",
];

#[tokio::test]
async fn s4_a_configuration_refused_at_start_is_told_without_its_values() -> Result<()> {
    let mut told = Vec::new();
    for blunder in BLUNDERS {
        let directory = TempDir::new()?;
        write_blunder(directory.path(), blunder)?;
        let checked = check_refused_at_start(directory.path())
            .await
            .context(blunder.name);
        told.extend(checked.err().map(|error| format!("{error:#}")));
    }
    for key in BROKEN_KEYS {
        let directory = TempDir::new()?;
        write_broken_key(directory.path(), key)?;
        let checked = check_refused_at_start(directory.path())
            .await
            .context("a broken key file");
        told.extend(checked.err().map(|error| format!("{error:#}")));
    }
    ensure!(told.is_empty(), "{}", told.join("\n"));
    Ok(())
}

#[tokio::test]
async fn s4_a_configuration_refused_later_is_told_without_its_values() -> Result<()> {
    let directory = TempDir::new()?;
    let mut mount = Mount::at(directory.path());
    let good = Config::for_provider("http://127.0.0.1:1");
    mount.swap(|dir| write_canaries(&good, dir))?;
    let gateway = Gateway::start_in(directory, &[("ANYRAY_LOG", "trace")]).await?;
    let blunder = BLUNDERS.first().context("no blunder")?;
    mount.swap(|dir| write_blunder(dir, blunder))?;
    let rejected = "config_reloads_total{result=\"rejected\"}";
    gateway.ops().wait_for_metric(rejected, 1).await?;
    check_everything_said(&gateway).await?;
    mount.swap(|dir| write_broken_key(dir, "sk-canary\nsk-canary"))?;
    gateway.ops().wait_for_metric(rejected, 2).await?;
    check_everything_said(&gateway).await
}

async fn check_refused_at_start(directory: &Path) -> Result<()> {
    let limit = Duration::from_secs(10);
    let ended = Gateway::run_to_end(directory);
    let output = wait::at_most("the gateway to refuse", limit, ended).await??;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(64),
        "{}: {said}",
        output.status
    );
    ensure!(
        said.contains("providerKeys[0]") || said.contains("idleMs") || said.contains("clientKeys"),
        "{said}"
    );
    check("standard error", &said)?;
    check("standard output", &String::from_utf8_lossy(&output.stdout))
}
