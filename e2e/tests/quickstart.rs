//! The README works as printed: `make run`, then its snippets with the real clients.
//!
//! Its ports are used as printed where they are free; where somebody has them, the test runs on
//! others and reads the README as if it named those.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command as StdCommand, ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use anyray_e2e::{
    binaries,
    clients::{Client, Clients, Finished},
    wait,
};
use tempfile::TempDir;
use tokio::process::{Child, Command};

const README: &str = include_str!("../../README.md");

/// The addresses of the gateway, its ops port and the echo provider, as printed.
const PRINTED: [&str; 3] = ["127.0.0.1:8787", "127.0.0.1:8789", "127.0.0.1:8786"];

/// Longest start, on a machine that is busy; the programs have been built before.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Longest start that builds the programs first.
const BUILD_LIMIT: Duration = Duration::from_secs(600);

/// Longest end: no request is in flight.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// What every snippet says, and gets back.
const ANSWER: &str = "echo: hello";

/// A running quick start; whatever it started is killed when it is dropped.
#[derive(Debug)]
struct Quickstart {
    child: Child,
    group: u32,
    addresses: [String; 3],
    folder: TempDir,
}

impl Quickstart {
    /// Starts `command` in a process group of its own, as a terminal does.
    async fn start(command: &str, addresses: [String; 3], keys: &[(&str, &str)]) -> Result<Self> {
        let folder = TempDir::new().context("create a folder")?;
        let log = File::create(folder.path().join("log")).context("create a file")?;
        let mut start = quickstart(command, &addresses, folder.path()).await?;
        start.envs(keys.iter().copied());
        start.stdout(log.try_clone()?).stderr(log);
        let child = start.process_group(0).spawn().context("start it")?;
        let group = child.id().context("it has no process id")?;
        let mut run = Self {
            child,
            group,
            addresses,
            folder,
        };
        run.wait_until_ready().await?;
        Ok(run)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let is_ready = async || {
            let has_ended = self.child.try_wait().is_ok_and(|ended| ended.is_some());
            (has_ended || self.log().contains("The gateway is ready.")).then_some(has_ended)
        };
        let limit = if is_soak() { BUILD_LIMIT } else { START_LIMIT };
        let has_ended = wait::until("the quick start", limit, is_ready).await?;
        ensure!(!has_ended, "it ended:\n{}", self.log());
        Ok(())
    }

    /// All that it printed.
    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The README as if it named the addresses in use.
    fn readme(&self) -> String {
        let pairs = PRINTED.iter().zip(&self.addresses);
        pairs.fold(README.to_owned(), |text, (printed, used)| {
            text.replace(printed, used)
        })
    }

    /// The configuration directory that it made.
    fn config_dir(&self) -> Result<PathBuf> {
        find_config_dir(self.folder.path()).context("there is no configuration directory")
    }

    /// Does what Ctrl-C does in a terminal, waits for the end, and looks for what is left.
    async fn interrupt(mut self) -> Result<()> {
        signal_group("-INT", self.group)?;
        wait::at_most("the end", STOP_LIMIT, self.child.wait()).await??;
        let log = self.log();
        ensure!(!log.contains("panicked"), "{log}");
        for address in &self.addresses {
            TcpListener::bind(address).with_context(|| format!("{address} is taken:\n{log}"))?;
        }
        let left = find_config_dir(self.folder.path());
        ensure!(left.is_none(), "{left:?} is left");
        Ok(())
    }
}

impl Drop for Quickstart {
    fn drop(&mut self) {
        // After an orderly end there is no such group any more.
        let _ = signal_group("-KILL", self.group);
    }
}

/// The command that starts a quick start, in an environment without this test's own settings.
///
/// It takes the programs that the tests have: a person gets ones without the feature `cluster`,
/// which `.ci/lint` checks, and CI would compile all that they need another time. In soak it builds
/// its own.
async fn quickstart(command: &str, addresses: &[String; 3], folder: &Path) -> Result<Command> {
    let mut start = Command::new("bash");
    start.args(["-c", command]);
    start.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    for name in [
        "ANYRAY_PROVIDER_KEY_OPENAI",
        "ANYRAY_PROVIDER_KEY_ANTHROPIC",
        "ANYRAY_LOG",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
    ] {
        start.env_remove(name);
    }
    let variables = ["ANYRAY_LISTEN", "ANYRAY_OPS_LISTEN", "ANYRAY_FAKES_LISTEN"];
    start.envs(variables.iter().zip(addresses));
    start.env("TMPDIR", folder).env_remove("ANYRAY_PROGRAMS");
    if !is_soak() {
        start.env("ANYRAY_PROGRAMS", binaries::quickstart().await?);
    }
    start.stdin(Stdio::null()).kill_on_drop(true);
    Ok(start)
}

/// Whether `make soak` runs this.
fn is_soak() -> bool {
    std::env::var_os("ANYRAY_SOAK").is_some_and(|value| value == "1")
}

/// The shell's own `kill`: a system may lack the program.
fn signal_group(signal: &str, group: u32) -> Result<ExitStatus> {
    let mut kill = StdCommand::new("bash");
    kill.args(["-c", &format!("kill {signal} -- -{group}")]);
    Ok(kill.stderr(Stdio::null()).status()?)
}

/// The command lines of all processes.
fn command_lines() -> Result<String> {
    let entries = fs::read_dir("/proc").context("list the processes")?;
    // A process may end meanwhile, and not every entry is one.
    let lines = entries.filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    let lines: Vec<Vec<u8>> = lines.collect();
    Ok(String::from_utf8_lossy(&lines.join(&b'\n')).into_owned())
}

fn find_config_dir(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path().join("config")));
    paths.find(|path| path.join("gateway.json").is_file())
}

/// The addresses that the README prints, or others where somebody has one of them.
fn choose_addresses() -> Result<[String; 3]> {
    let are_free = PRINTED
        .iter()
        .all(|address| TcpListener::bind(address).is_ok());
    if are_free {
        Ok(PRINTED.map(str::to_owned))
    } else {
        free_addresses()
    }
}

/// Three addresses that nobody has.
fn free_addresses() -> Result<[String; 3]> {
    // All are held until all are known, or one might be given out twice.
    let bind = || TcpListener::bind("127.0.0.1:0");
    let held = [bind()?, bind()?, bind()?];
    let [first, second, third] = held.each_ref().map(TcpListener::local_addr);
    Ok([first?, second?, third?].map(|address| address.to_string()))
}

/// The first fenced block of a language that contains a text.
fn find_block<'a>(readme: &'a str, language: &str, text: &str) -> Result<&'a str> {
    let fence = format!("```{language}\n");
    let mut blocks = readme
        .split(fence.as_str())
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let found = blocks.find(|block| block.contains(text));
    found.with_context(|| format!("the README has no {language} block with {text}"))
}

/// The variables that a block exports.
fn read_exports(block: &str) -> Vec<(&str, &str)> {
    let lines = block.lines();
    let pairs = lines.filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs.collect()
}

/// Runs an SDK's snippet with the exported variables, once for each form of the base URL.
async fn run_sdk(readme: &str, make: impl Fn() -> Result<Client>) -> Result<()> {
    let exports = find_block(readme, "sh", "export OPENAI_BASE_URL")?;
    for version in ["", "/v1"] {
        let mut client = make()?;
        for (name, value) in read_exports(exports) {
            let is_versioned = name == "OPENAI_BASE_URL";
            let version = if is_versioned { version } else { "" };
            client = client.env(name, &format!("{value}{version}"));
        }
        let finished = client.run().await?.succeeded()?;
        let expected = format!("{ANSWER}\n{ANSWER}\n");
        ensure!(finished.stdout == expected, "{}", finished.report());
    }
    Ok(())
}

/// Runs a printed command line of a coding tool: variables, the tool's name, arguments.
async fn run_tool(line: &str, name: &str, tool: Client) -> Result<Finished> {
    let quoted = line.trim().split('"').enumerate();
    let words = quoted.flat_map(|(place, part)| match place % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    let (mut tool, mut is_named) = (tool, false);
    for word in words {
        tool = match word.split_once('=') {
            _ if is_named => tool.args([word]),
            Some((variable, value)) => tool.env(variable, value),
            None => {
                ensure!(word == name, "{line} runs {word}");
                is_named = true;
                tool
            }
        };
    }
    tool.run().await?.succeeded()
}

async fn try_curl(readme: &str) -> Result<()> {
    let block = find_block(readme, "sh", "curl ")?;
    let curl = Command::new("bash").args(["-c", block]).output().await?;
    let answer = String::from_utf8_lossy(&curl.stdout);
    ensure!(answer.contains(ANSWER), "curl printed {answer}");
    Ok(())
}

async fn try_python(readme: &str, folder: &Path) -> Result<()> {
    let script = folder.join("readme.py");
    fs::write(&script, find_block(readme, "python", "openai")?)?;
    let script = script.to_str().context("a path")?;
    // An absolute path leads away from the folder of scripts.
    run_sdk(readme, || Clients::find()?.python(script)).await
}

async fn try_node(readme: &str) -> Result<()> {
    let block = find_block(readme, "js", "openai")?;
    let make = || {
        let client = Clients::find()?.node("readme.mjs")?;
        fs::write(client.home().join("scripts/readme.mjs"), block)?;
        Ok(client)
    };
    run_sdk(readme, make).await
}

async fn try_claude_code(readme: &str) -> Result<()> {
    let line = find_block(readme, "sh", "claude ")?;
    let finished = run_tool(line, "claude", Clients::find()?.claude()?).await?;
    ensure!(finished.stdout.contains(ANSWER), "{}", finished.report());
    Ok(())
}

async fn try_codex(readme: &str) -> Result<()> {
    let line = find_block(readme, "sh", "codex ")?;
    let profile = find_block(readme, "toml", "model_provider")?;
    let codex = Clients::find()?.codex()?;
    fs::create_dir(codex.home().join(".codex"))?;
    fs::write(codex.home().join(".codex/anyray.config.toml"), profile)?;
    // Codex works in repositories only, unless told otherwise.
    let work = codex.home().join("work");
    let made = StdCommand::new("git")
        .args(["init", "--quiet"])
        .arg(work)
        .status()?;
    ensure!(made.success(), "could not make a repository");
    let finished = run_tool(line, "codex", codex).await?;
    ensure!(finished.stdout.contains(ANSWER), "{}", finished.report());
    Ok(())
}

#[tokio::test]
async fn the_readme_works_as_printed() -> Result<()> {
    ensure!(README.contains("\nmake run "), "README has no make run");
    let run = Quickstart::start("make run", choose_addresses()?, &[]).await?;
    let readme = run.readme();
    try_curl(&readme).await.context("curl")?;
    let folder = run.folder.path();
    try_python(&readme, folder).await.context("Python")?;
    try_node(&readme).await.context("Node")?;
    try_claude_code(&readme).await.context("Claude Code")?;
    try_codex(&readme).await.context("Codex")?;
    run.interrupt().await
}

#[tokio::test]
async fn a_taken_port_is_named_with_the_variable_that_moves_it() -> Result<()> {
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let [first, _, third] = free_addresses()?;
    let folder = TempDir::new()?;
    let addresses = [first, address.clone(), third];
    let mut run = quickstart("examples/quickstart/run.sh", &addresses, folder.path()).await?;
    let ended = run.output().await?;
    let said = String::from_utf8_lossy(&ended.stderr);
    let is_clear = said.contains(&address) && said.contains("ANYRAY_OPS_LISTEN");
    ensure!(is_clear && !ended.status.success(), "it said: {said}");
    Ok(())
}

#[tokio::test]
async fn a_given_key_leads_to_the_real_provider_and_is_shown_nowhere() -> Result<()> {
    let key = "sk-canary-4f1d";
    let keys = [("ANYRAY_PROVIDER_KEY_ANTHROPIC", key)];
    let script = "exec examples/quickstart/run.sh";
    let run = Quickstart::start(script, free_addresses()?, &keys).await?;
    let config_dir = run.config_dir()?;
    let text = fs::read_to_string(config_dir.join("gateway.json"))?;
    let config: serde_json::Value = serde_json::from_str(&text)?;
    let keys = config["providerKeys"].as_array().context("no keys")?;
    let has_url = |name: &str, url: &str| {
        keys.iter()
            .any(|key| key["name"] == name && key["endpoint"]["url"] == url)
    };
    let echo = format!("http://{}/v1", run.addresses[2]);
    ensure!(has_url("openai", &echo), "{text}");
    ensure!(has_url("anthropic", "https://api.anthropic.com"), "{text}");
    let file = config_dir.join("key.anthropic");
    ensure!(fs::read_to_string(&file)?.trim() == key, "another key");
    let mode = fs::metadata(&file)?.permissions().mode();
    ensure!(mode & 0o077 == 0, "the key's mode is {mode:o}");
    let lines = command_lines()?;
    ensure!(lines.contains("--config-dir"), "no command line was read");
    ensure!(!lines.contains(key), "a command line has the key");
    ensure!(!run.log().contains(key), "the key was printed");
    run.interrupt().await
}
