//! `anyray-connect` against a real gateway: an invite is used once, and its key is never lost.

#![cfg(test)]

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    client_keys::{KeyFolder, ask_admin, make_invite, make_key, start, start_another},
    clients::Finished,
    developer::Developer,
    gateway::Gateway,
    stand::Stand,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

/// Tools that need not be installed to be set up.
const TOOLS: [&str; 2] = ["--tools", "claude-code,codex,shell-env"];

const FILES: [&str; 3] = [
    ".claude/settings.json",
    ".codex/anyray.config.toml",
    ".bashrc",
];

/// A gateway with a store of keys, and a developer.
struct Ground {
    folder: KeyFolder,
    stand: Stand,
    ada: Developer,
}

impl Ground {
    async fn start() -> Result<Self> {
        let folder = KeyFolder::new()?;
        let stand = start(&folder).await?;
        Ok(Self {
            folder,
            stand,
            ada: Developer::new()?,
        })
    }

    fn gateway(&self) -> &Gateway {
        &self.stand.gateway
    }

    fn url(&self) -> String {
        format!("http://{}", self.gateway().address())
    }

    async fn invite(&self) -> Result<String> {
        let fields = json!({"user": "ada@example.com", "team": "research"});
        Ok(make_invite(self.gateway(), &fields).await?.code)
    }

    /// Runs a set-up with an invite at an address, however it ends.
    async fn redeem_at(&self, url: &str, code: &str) -> Result<Finished> {
        let arguments = [
            "--gateway",
            url,
            "--invite",
            code,
            "--yes",
            TOOLS[0],
            TOOLS[1],
        ];
        self.ada.connect(&arguments).await?.run().await
    }

    async fn redeem(&self, code: &str) -> Result<Finished> {
        self.redeem_at(&self.url(), code).await
    }

    fn read(&self, below: &str) -> Result<String> {
        let path = self.ada.home().join(below);
        fs::read_to_string(&path).with_context(|| below.to_owned())
    }

    /// The key that is kept, as the program prints it.
    async fn printed_key(&self) -> Result<String> {
        let finished = self.ada.run_connect(&["print-key"]).await?;
        Ok(finished.stdout.trim().to_owned())
    }

    /// How many keys there are at the gateway.
    fn keys(&self) -> Result<usize> {
        Ok(self.folder.key_files()?.len())
    }
}

fn failed(finished: &Finished, text: &str) -> Result<()> {
    ensure!(finished.status.code() == Some(1), "{}", finished.report());
    ensure!(
        finished.stderr.contains(text),
        "no {text:?}: {}",
        finished.report()
    );
    Ok(())
}

#[tokio::test]
async fn an_invite_becomes_a_key_in_every_tool_and_is_used_once() -> Result<()> {
    let ground = Ground::start().await?;
    let code = ground.invite().await?;
    let finished = ground.redeem(&code).await?.succeeded()?;
    let key = ground.printed_key().await?;
    ensure!(key.starts_with("ark_"), "no key");
    ensure!(!finished.report().contains(&key), "the key is shown");
    for file in FILES {
        let text = ground.read(file)?;
        ensure!(text.contains(&key), "{file} has no key");
        ensure!(!text.contains(&code), "{file} has the code");
        let mode = fs::metadata(ground.ada.home().join(file))?
            .permissions()
            .mode();
        ensure!(mode & 0o777 == 0o600, "{file} has mode {mode:o}");
    }
    ensure!(ground.read(FILES[1])?.contains("research"), "no team");
    ground.ada.run_connect(&["doctor"]).await?;

    // The same command again uses nothing up.
    let again = ground.redeem(&code).await?.succeeded()?;
    ensure!(
        again.stdout.contains("Everything is set up already"),
        "{}",
        again.report()
    );
    ensure!(ground.keys()? == 1);

    let eve = Developer::new()?;
    let url = ground.url();
    let arguments = [
        "--gateway",
        &url,
        "--invite",
        &code,
        "--yes",
        TOOLS[0],
        TOOLS[1],
    ];
    let refused = eve.connect(&arguments).await?.run().await?;
    failed(&refused, "410")?;
    ensure!(eve.tree()?.is_empty(), "{:?}", eve.tree()?.keys());
    Ok(())
}

#[tokio::test]
async fn what_is_said_of_user_and_team_wins_over_the_invite() -> Result<()> {
    let ground = Ground::start().await?;
    let code = ground.invite().await?;
    let url = ground.url();
    let arguments = [
        "--gateway",
        &url,
        "--invite",
        &code,
        "--yes",
        TOOLS[0],
        TOOLS[1],
    ];
    let arguments = [&arguments[..], &["--team", "platform"]].concat();
    ground.ada.run_connect(&arguments).await?;
    let text = ground.read(FILES[1])?;
    ensure!(
        text.contains("platform") && text.contains("ada@example.com"),
        "{text}"
    );
    ensure!(!text.contains("research"), "{text}");
    Ok(())
}

#[tokio::test]
async fn a_file_that_cannot_be_changed_leaves_the_invite_unused() -> Result<()> {
    let ground = Ground::start().await?;
    let code = ground.invite().await?;
    fs::create_dir(ground.ada.home().join(".claude"))?;
    let settings = ground.ada.home().join(FILES[0]);
    fs::write(&settings, "{\n  \"env\": nonsense\n}\n")?;
    let before = ground.ada.tree()?;
    failed(&ground.redeem(&code).await?, "line 2")?;
    fs::write(&settings, "{}")?;
    fs::set_permissions(&settings, fs::Permissions::from_mode(0o444))?;
    failed(&ground.redeem(&code).await?, "read-only")?;
    ensure!(ground.keys()? == 0, "the invite is used up");

    fs::set_permissions(&settings, fs::Permissions::from_mode(0o644))?;
    fs::write(&settings, "{\n  \"env\": nonsense\n}\n")?;
    ensure!(ground.ada.tree()? == before);
    fs::write(&settings, "{}")?;
    ground.redeem(&code).await?.succeeded()?;
    ensure!(ground.keys()? == 1);
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_changes_nothing() -> Result<()> {
    let ground = Ground::start().await?;
    let code = ground.invite().await?;
    let closed = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let finished = ground.redeem_at(&format!("http://{closed}"), &code).await?;
    failed(&finished, "nothing listens there")?;
    let finished = ground.redeem_at("https://llm.invalid", &code).await?;
    failed(&finished, "its host is not known")?;
    ensure!(!finished.stderr.contains("used"), "{}", finished.stderr);
    // The fake provider is no gateway.
    let finished = ground.redeem_at(&ground.stand.fake.url(), &code).await?;
    failed(&finished, "404")?;
    ensure!(
        ground.ada.tree()?.is_empty(),
        "{:?}",
        ground.ada.tree()?.keys()
    );
    Ok(())
}

/// Relays one redemption, and does something between the gateway's answer and its arrival.
async fn relay(to: SocketAddr, before: impl FnOnce() + Send + 'static) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        let (mut caller, _) = listener.accept().await?;
        before();
        let mut gateway = TcpStream::connect(to).await?;
        copy_bidirectional(&mut caller, &mut gateway).await
    });
    Ok(url)
}

#[tokio::test]
async fn a_write_that_fails_after_the_redemption_keeps_the_key() -> Result<()> {
    let ground = Ground::start().await?;
    let code = ground.invite().await?;
    let home = ground.ada.home().to_owned();
    let in_the_way = home.join(".codex");
    let at = in_the_way.clone();
    // A file where the folder would have to be.
    let block = move || fs::write(&at, "").unwrap_or_default();
    let url = relay(ground.gateway().address(), block).await?;
    let finished = ground.redeem_at(&url, &code).await?;
    failed(&finished, "so is the key")?;
    ensure!(ground.keys()? == 1, "nothing was redeemed");
    let arguments = ["--gateway", &url, "--yes", TOOLS[0], TOOLS[1]];
    let still = ground.ada.connect(&arguments).await?.run().await?;
    failed(&still, ".codex")?;

    fs::remove_file(&in_the_way)?;
    ground.ada.run_connect(&arguments).await?;
    let key = ground.printed_key().await?;
    for file in FILES {
        ensure!(ground.read(file)?.contains(&key), "{file} has no key");
    }
    ground.ada.run_connect(&["--revert", "--yes"]).await?;
    ensure!(
        ground.ada.tree()?.is_empty(),
        "{:?}",
        ground.ada.tree()?.keys()
    );
    Ok(())
}

/// Runs a command on a home that is a small disk of its own, in a mount namespace of its own.
fn on_a_small_disk(home: &Path, script: &str) -> Result<std::process::Output> {
    let mount = format!(
        "mount -t tmpfs -o size=64k,mode=700 tmpfs {} && {script}",
        home.display()
    );
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "--user", "sh", "-c", &mount])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", home)
        .env("SHELL", "/bin/bash")
        .output();
    output.context("run unshare")
}

#[tokio::test]
async fn a_full_disk_leaves_the_invite_unused_and_the_home_as_it_was() -> Result<()> {
    let ground = Ground::start().await?;
    let code = ground.invite().await?;
    let program = anyray_e2e::binaries::connect().await?;
    let url = ground.url();
    let script = format!(
        "cd && echo '{{}}' >settings && mkdir .claude && mv settings .claude/settings.json && \
         dd if=/dev/zero of=fill bs=1k 2>/dev/null; \
         {} --gateway {url} --invite {code} --yes --tools claude-code,codex,shell-env; \
         echo status $?; cat .claude/settings.json; ls -A",
        program.display(),
    );
    let output = on_a_small_disk(ground.ada.home(), &script)?;
    let (out, errors) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    ensure!(
        errors.contains("No space left on device"),
        "{out}\n{errors}"
    );
    ensure!(
        out.ends_with("status 1\n{}\n.claude\nfill\n"),
        "{out}\n{errors}"
    );
    ensure!(ground.keys()? == 0, "the invite is used up");
    Ok(())
}

#[tokio::test]
async fn a_key_that_cannot_be_kept_is_put_where_its_owner_finds_it() -> Result<()> {
    let ground = Ground::start().await?;
    let code = ground.invite().await?;
    let state = ground.ada.home().join(".anyray/connect.json");
    let block = move || fs::create_dir(&state).unwrap_or_default();
    let url = relay(ground.gateway().address(), block).await?;
    let arguments = [
        "--gateway",
        &url,
        "--invite",
        &code,
        "--yes",
        TOOLS[0],
        TOOLS[1],
    ];
    let client = ground.ada.connect(&arguments).await?;
    let temporary = ground.ada.home().to_string_lossy().into_owned();
    let finished = client.env("TMPDIR", &temporary).run().await?;
    failed(&finished, "the key of the invite is in ")?;
    ensure!(ground.keys()? == 1, "nothing was redeemed");
    let told = finished.report();
    let (_, rest) = told
        .split_once("the key of the invite is in ")
        .context("told")?;
    let key = fs::read_to_string(rest.split(':').next().context("a path")?)?;
    ensure!(!told.contains(key.trim()), "the key is shown");

    fs::remove_dir_all(ground.ada.home().join(".anyray"))?;
    let arguments = ["--gateway", &ground.url(), "--yes", TOOLS[0], TOOLS[1]];
    let client = ground.ada.connect(&arguments).await?;
    let client = client.env("ANYRAY_CLIENT_KEY", key.trim());
    client.run().await?.succeeded()?;
    ground.ada.run_connect(&["doctor"]).await?;
    Ok(())
}

#[tokio::test]
async fn a_key_of_the_environment_replaces_the_one_that_is_kept() -> Result<()> {
    let ground = Ground::start().await?;
    ground.redeem(&ground.invite().await?).await?.succeeded()?;
    let old = ground.printed_key().await?;
    let new = make_key(ground.gateway(), &json!({"user": "ada@example.com"})).await?;
    let arguments = ["--yes", TOOLS[0], TOOLS[1]];
    let client = ground.ada.connect(&arguments).await?;
    client
        .env("ANYRAY_CLIENT_KEY", &new.secret)
        .run()
        .await?
        .succeeded()?;
    for file in FILES {
        let text = ground.read(file)?;
        ensure!(text.contains(&new.secret) && !text.contains(&old), "{file}");
    }
    Ok(())
}

#[tokio::test]
async fn doctor_finds_what_is_wrong_and_says_what_to_do() -> Result<()> {
    let ground = Ground::start().await?;
    ground.redeem(&ground.invite().await?).await?.succeeded()?;
    let told = ground.ada.run_connect(&["doctor", "--json"]).await?;
    let checks: Value = serde_json::from_str(&told.stdout)?;
    let checks = checks.as_array().context("a list")?;
    ensure!(
        checks.iter().all(|check| check["outcome"] != "failed"),
        "{checks:?}"
    );
    ensure!(
        told.stdout.contains("ada@example.com, team research"),
        "{}",
        told.stdout
    );

    let doctor = async || ground.ada.connect(&["doctor"]).await?.run().await;
    let settings = ground.read(FILES[0])?;
    let elsewhere = settings.replace(&ground.url(), "https://elsewhere.example.com");
    fs::write(ground.ada.home().join(FILES[0]), elsewhere)?;
    let finished = doctor().await?;
    failed(&finished, "1 check failed")?;
    ensure!(
        finished
            .stdout
            .contains("anyray-connect --tools claude-code"),
        "{}",
        finished.report()
    );
    fs::write(ground.ada.home().join(FILES[0]), settings)?;

    let list = ask_admin(ground.gateway(), "GET", "/admin/client-keys", None).await?;
    let id = list.json()?["data"][0]["id"]
        .as_str()
        .context("an id")?
        .to_owned();
    let path = format!("/admin/client-keys/{id}");
    let deleted = ask_admin(ground.gateway(), "DELETE", &path, None).await?;
    ensure!(deleted.status() == 204);
    let finished = doctor().await?;
    failed(&finished, "1 check failed")?;
    ensure!(
        finished.stdout.contains("client key"),
        "{}",
        finished.report()
    );
    Ok(())
}

#[tokio::test]
async fn keys_of_two_gateways_are_kept_apart() -> Result<()> {
    let ground = Ground::start().await?;
    let second_gateway = start_another(&ground.stand, &ground.folder).await?;
    let other = format!("http://{}", second_gateway.address());
    ground.redeem(&ground.invite().await?).await?.succeeded()?;
    let first = ground.printed_key().await?;
    let code = ground.invite().await?;
    ground.redeem_at(&other, &code).await?.succeeded()?;
    let second = ground.printed_key().await?;
    ensure!(first != second);
    let back = ["--gateway", &ground.url(), "--yes", TOOLS[0], TOOLS[1]];
    ground.ada.run_connect(&back).await?;
    ensure!(ground.printed_key().await? == first);
    ensure!(ground.read(FILES[0])?.contains(&first));
    Ok(())
}

#[tokio::test]
async fn what_is_written_while_the_gateway_takes_its_time_stays() -> Result<()> {
    let ground = Ground::start().await?;
    let code = ground.invite().await?;
    let settings = ground.ada.home().join(FILES[0]);
    fs::create_dir(ground.ada.home().join(".claude"))?;
    fs::write(&settings, "{}")?;
    let own = r#"{"model": "opus"}"#;
    let at = settings.clone();
    let edit = move || fs::write(&at, own).unwrap_or_default();
    let url = relay(ground.gateway().address(), edit).await?;
    ground.redeem_at(&url, &code).await?.succeeded()?;
    let text = ground.read(FILES[0])?;
    ensure!(text.contains("opus") && text.contains("ark_"), "{text}");
    ground.ada.run_connect(&["--revert", "--yes"]).await?;
    ensure!(ground.read(FILES[0])? == own, "{}", ground.read(FILES[0])?);
    Ok(())
}

/// A server that answers everything with this JSON, whatever it is asked.
async fn answer_all(json: Value) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let body = json.to_string();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    tokio::spawn(async move {
        loop {
            let (mut caller, _) = listener.accept().await?;
            let mut head = [0; 4096];
            let _ = caller.read(&mut head).await?;
            caller.write_all(answer.as_bytes()).await?;
        }
        #[expect(unreachable_code, reason = "it says what the errors are")]
        Ok::<(), std::io::Error>(())
    });
    Ok(url)
}

#[tokio::test]
async fn an_answer_that_is_no_key_gets_into_no_file() -> Result<()> {
    let ground = Ground::start().await?;
    let code = ground.invite().await?;
    let good = make_key(ground.gateway(), &json!({"user": "ada"}))
        .await?
        .secret;
    for (key, user) in [
        ("ark_x\nX-Evil: 1", "ada"),
        ("sk-hello", "ada"),
        ("", "ada"),
        ("anyray-placeholder", "ada"),
        (&good, "ada\u{1b}]0;x\u{7}"),
        (&good, "ada\nok"),
        (&good, &"a".repeat(255)),
    ] {
        let url = answer_all(json!({"key": key, "keyId": "x", "user": user})).await?;
        let finished = ground.redeem_at(&url, &code).await?;
        failed(&finished, "none of an Anyray gateway")?;
        ensure!(
            finished.stderr.contains("ask for another invite"),
            "{}",
            finished.stderr
        );
        ensure!(ground.ada.tree()?.is_empty(), "{key:?} {user:?}");
    }
    Ok(())
}

#[tokio::test]
async fn nothing_of_an_answer_is_obeyed_by_the_terminal() -> Result<()> {
    let ground = Ground::start().await?;
    let user = "u\u{1b}]0;x\u{7}\r\nok    Fake: line\u{202e}";
    let answer = json!({
        "clientKeys": "Optional", "subscriptionPassthrough": false, "key": {"user": user},
    });
    let url = answer_all(answer).await?;
    let finished = ground
        .ada
        .run_connect(&["doctor", "--gateway", &url])
        .await?;
    let told = finished.stdout;
    ensure!(told.contains("Fake"), "{told}");
    ensure!(
        !told.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}']),
        "{told:?}"
    );
    ensure!(
        !told.lines().any(|line| line.starts_with("ok    Fake")),
        "{told}"
    );
    Ok(())
}
