//! The real clients as processes: where they are, what they may see, how long they may run.
//!
//! `e2e/clients/install.sh` installs them; the scripts that use the SDKs are beside it.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, process::Command};

use crate::wait;

/// Longest run of a client: the slowest takes a few seconds on an idle machine.
const RUN_LIMIT: Duration = Duration::from_secs(180);

/// Longest time that a killed client's pipes may stay open.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// The discard port of loopback, which is closed on every machine of today.
const CLOSED_PORT: &str = "http://127.0.0.1:9";

/// Where the scripts are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// What a script is written in.
#[derive(Clone, Copy, Debug)]
pub enum Language {
    /// `clients/python`.
    Python,
    /// `clients/node`.
    Node,
}

/// The installed clients.
#[derive(Clone, Debug)]
pub struct Clients {
    root: PathBuf,
}

/// A client about to run, in a home of its own and with nothing of this
/// machine's environment: no keys, no proxies, no settings of a person.
#[derive(Debug)]
pub struct Client {
    command: Command,
    home: TempDir,
}

/// What a client left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it printed as errors.
    pub stderr: String,
}

impl Clients {
    /// Finds what the installer installed.
    ///
    /// # Errors
    ///
    /// The installer has not run, or not to its end.
    pub fn find() -> Result<Self> {
        let cache = match std::env::var_os("ANYRAY_CACHE") {
            Some(cache) => PathBuf::from(cache),
            None => Path::new(&std::env::var_os("HOME").context("HOME is not set")?)
                .join(".cache/anyray"),
        };
        let root = cache.join("clients");
        ensure!(
            root.join("installed").is_file(),
            "the clients are not in {}: run e2e/clients/install.sh first",
            root.display()
        );
        Ok(Self { root })
    }

    /// The script of this name, without its ending, in one of the languages.
    ///
    /// # Errors
    ///
    /// As for [`Self::python`] and [`Self::node`].
    pub fn script(&self, language: Language, name: &str) -> Result<Client> {
        match language {
            Language::Python => self.python(&format!("{name}.py")),
            Language::Node => self.node(&format!("{name}.mjs")),
        }
    }

    /// A script of `clients/python`.
    ///
    /// # Errors
    ///
    /// No temporary home could be made.
    pub fn python(&self, script: &str) -> Result<Client> {
        let mut client = Client::new(&self.root.join("python/bin/python"))?;
        client
            .command
            .arg(Path::new(SCRIPTS).join("python").join(script));
        // Scripts import each other; their folder stays as it is in the repository.
        client.command.env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(client)
    }

    /// A script of `clients/node`.
    ///
    /// # Errors
    ///
    /// The scripts could not be laid beside the packages, where they find them.
    pub fn node(&self, script: &str) -> Result<Client> {
        let mut client = Client::new(&self.root.join("node/node"))?;
        let folder = client.home().join("scripts");
        fs::create_dir(&folder).context("create a folder")?;
        for entry in fs::read_dir(Path::new(SCRIPTS).join("node")).context("list the scripts")? {
            let path = entry?.path();
            if path.extension() == Some(OsStr::new("mjs")) {
                fs::copy(&path, folder.join(path.file_name().unwrap_or_default()))?;
            }
        }
        let packages = self.root.join("node/node_modules");
        std::os::unix::fs::symlink(packages, folder.join("node_modules"))?;
        client.command.arg(folder.join(script));
        Ok(client)
    }

    /// Claude Code, without arguments.
    ///
    /// # Errors
    ///
    /// No temporary home could be made.
    pub fn claude(&self) -> Result<Client> {
        let client = Client::new(&self.root.join("node/node_modules/.bin/claude"))?;
        Ok(client.keep_on_loopback())
    }

    /// Codex, without arguments.
    ///
    /// # Errors
    ///
    /// No temporary home could be made.
    pub fn codex(&self) -> Result<Client> {
        let mut client = Client::new(&self.root.join("node/node"))?;
        client.command.arg(
            self.root
                .join("node/node_modules/@openai/codex/bin/codex.js"),
        );
        Ok(client.keep_on_loopback())
    }
}

impl Client {
    /// A program that sees nothing of this environment, in a home of its own.
    ///
    /// # Errors
    ///
    /// No temporary home could be made.
    pub fn new(program: &Path) -> Result<Self> {
        let home = TempDir::new().context("create a home for the client")?;
        let work = home.path().join("work");
        fs::create_dir(&work).context("create a folder to work in")?;
        let mut command = Command::new(program);
        command.env_clear();
        command.env("HOME", home.path()).env("TMPDIR", home.path());
        command
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C.UTF-8");
        command.current_dir(work);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A group of its own, so that what it starts can be killed with it.
        command.process_group(0).kill_on_drop(true);
        Ok(Self { command, home })
    }

    /// Sends what an agent asks of hosts other than ours, such as lists of plugins,
    /// to a port that nobody listens on. `HTTPS_PROXY` would do it as well, but
    /// with that Claude Code leaves out its probe of the base URL.
    fn keep_on_loopback(mut self) -> Self {
        self.command
            .env("ALL_PROXY", CLOSED_PORT)
            .env("NO_PROXY", "127.0.0.1");
        self
    }

    /// The client's home; it is removed when the client has run.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Runs it to its end, however it ends.
    ///
    /// # Errors
    ///
    /// It could not be started, or ran for more than 180 seconds and was killed,
    /// with all that it had started.
    pub async fn run(self) -> Result<Finished> {
        self.run_within(RUN_LIMIT).await
    }

    async fn run_within(mut self, limit: Duration) -> Result<Finished> {
        let mut child = self.command.spawn().context("start the client")?;
        let group = child.id().context("the client has no process id")?;
        let mut output = child.stdout.take().context("the client's output")?;
        let mut errors = child.stderr.take().context("the client's errors")?;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let mut reading = Box::pin(async {
            tokio::try_join!(
                output.read_to_end(&mut stdout),
                errors.read_to_end(&mut stderr)
            )
        });
        let ended = wait::at_most("the client to end", limit, &mut reading).await;
        if ended.is_err() {
            kill_group(group).await?;
            wait::at_most("the killed client's pipes", KILL_LIMIT, &mut reading).await??;
        }
        drop(reading);
        let status = wait::at_most("the client's status", KILL_LIMIT, child.wait()).await??;
        let stdout = String::from_utf8_lossy(&stdout).into_owned();
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        let finished = Finished {
            status,
            stdout,
            stderr,
        };
        ended.with_context(|| finished.report())??;
        Ok(finished)
    }
}

impl Finished {
    /// Passes on a client that ended well.
    ///
    /// # Errors
    ///
    /// It did not; the message has all that it printed.
    pub fn succeeded(self) -> Result<Self> {
        if !self.status.success() {
            bail!("{}", self.report());
        }
        Ok(self)
    }

    /// Everything there is to say, for messages of failed tests.
    pub fn report(&self) -> String {
        let Self {
            status,
            stdout,
            stderr,
        } = self;
        format!("the client ended with {status}\n--- output\n{stdout}\n--- errors\n{stderr}")
    }
}

async fn kill_group(group: u32) -> Result<()> {
    let killed = Command::new("kill")
        .args(["-KILL", "--", &format!("-{group}")])
        .status()
        .await?;
    ensure!(killed.success(), "could not kill the client");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_sees_nothing_of_this_environment() {
        let client = Client::new(Path::new("/usr/bin/env")).expect("a client");
        let finished = client.env("A", "b").run().await.expect("it runs");
        let mut names: Vec<&str> = finished
            .stdout
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0))
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["A", "HOME", "LANG", "PATH", "TMPDIR"]);
    }

    #[tokio::test]
    async fn a_client_that_does_not_end_is_killed_with_what_it_started() {
        let client = Client::new(Path::new("/bin/sh")).expect("a client");
        let client = client.args(["-c", "echo started; sleep 600 & wait"]);
        // The pipes close only when the sleeper is gone as well.
        let error = client
            .run_within(Duration::from_secs(2))
            .await
            .expect_err("it hangs");
        let text = format!("{error:#}");
        assert!(
            text.contains("started") && text.contains("waited 2s"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_failure_tells_what_was_printed() {
        let client = Client::new(Path::new("/bin/sh")).expect("a client");
        let client = client.args(["-c", "echo said; echo complained >&2; exit 3"]);
        let error = client
            .run()
            .await
            .expect("it runs")
            .succeeded()
            .expect_err("status 3");
        let text = error.to_string();
        assert!(text.contains("said") && text.contains("complained") && text.contains('3'));
    }
}
