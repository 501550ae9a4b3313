//! The real gateway as a process, on ephemeral ports and a configuration of its own.
//!
//! What the configuration says is in `config`; this file finds the binary, starts
//! it, waits for it and keeps what it logs.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Output, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

use crate::{binaries, config::Config, ops::Ops, wait};

/// Longest start: reading two files and binding two ports, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Longest drain of a gateway that has nothing left to do.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Lets the system choose.
const ANY_PORT: &str = "127.0.0.1:0";

/// A gateway that is ready; it is killed when it is dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    ops_address: SocketAddr,
    diagnostics: Lines,
    access_log: Lines,
    child: Child,
    config_dir: TempDir,
}

/// Lines of an output, as they come.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Gateway {
    /// Writes the configuration, starts the gateway and waits until it is ready.
    ///
    /// # Errors
    ///
    /// The binary could not be built or started, or was not ready within 20 seconds;
    /// the message has what it printed.
    pub async fn start(config: &Config) -> Result<Self> {
        let config_dir = TempDir::new().context("create the configuration directory")?;
        config.write(config_dir.path())?;
        Self::start_in(config_dir, &[]).await
    }

    /// Starts the gateway on a directory that is written already, with further environment
    /// variables, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// As for [`Self::start`].
    pub async fn start_in(config_dir: TempDir, env: &[(&str, &str)]) -> Result<Self> {
        let program = Command::new(binaries::gateway().await?);
        Self::start_program(program, config_dir, env).await
    }

    /// Like [`Self::start_in`], with a table of hosts of its own in place of `/etc/hosts`: names
    /// that no resolver of this machine knows lead where the test says, without any other process
    /// seeing it. Returns the path of the table, which may be overwritten while the gateway runs.
    ///
    /// The gateway runs in a mount namespace of its own, for which a caller that is not root gets
    /// a user namespace, too.
    ///
    /// # Errors
    ///
    /// As for [`Self::start`].
    pub async fn start_with_hosts(
        config_dir: TempDir,
        hosts: &str,
        env: &[(&str, &str)],
    ) -> Result<(Self, PathBuf)> {
        let table = config_dir.path().join("hosts");
        fs::write(&table, hosts).context("write the table of hosts")?;
        let program = with_hosts(binaries::gateway().await?, &table);
        let gateway = Self::start_program(program, config_dir, env).await?;
        Ok((gateway, table))
    }

    async fn start_program(
        program: Command,
        config_dir: TempDir,
        env: &[(&str, &str)],
    ) -> Result<Self> {
        let mut child = spawn(program, config_dir.path(), ANY_PORT, env)?;
        let (mut diagnostics, mut access_log) = (Lines::default(), Lines::default());
        diagnostics.follow(child.stderr.take());
        access_log.follow(child.stdout.take());
        let (address, ops_address) = wait_until_bound(&mut child, &diagnostics).await?;
        let gateway = Self {
            address,
            ops_address,
            diagnostics,
            access_log,
            child,
            config_dir,
        };
        gateway.wait_until_ready().await?;
        Ok(gateway)
    }

    /// Starts the gateway on a directory that it will not accept, and waits for its end.
    ///
    /// Its port is taken, which it must not notice: nothing is bound before the configuration was
    /// read.
    ///
    /// # Errors
    ///
    /// It could not be started, or had not ended within 20 seconds.
    pub async fn run_to_end(config_dir: &Path) -> Result<Output> {
        let taken = TcpListener::bind("127.0.0.1:0").await?;
        let listen = taken.local_addr()?.to_string();
        let program = Command::new(binaries::gateway().await?);
        let child = spawn(program, config_dir, &listen, &[])?;
        Ok(wait::at_most("the gateway to end", START_LIMIT, child.wait_with_output()).await??)
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port for readiness, metrics and configuration status.
    pub fn ops(&self) -> Ops {
        Ops::new(self.ops_address)
    }

    /// The process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Sends a signal, such as `TERM`.
    ///
    /// # Errors
    ///
    /// The gateway has ended.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let process = self.child.id().context("the gateway has already ended")?;
        let signal = format!("-{name}");
        let asked = Command::new("kill")
            .arg(signal)
            .arg(process.to_string())
            .status()
            .await?;
        if !asked.success() {
            bail!("could not signal the gateway");
        }
        Ok(())
    }

    /// Waits for the end of the process.
    ///
    /// # Errors
    ///
    /// It still runs after `limit`.
    pub async fn wait_for_end(&mut self, limit: Duration) -> Result<ExitStatus> {
        Ok(wait::at_most("the gateway to end", limit, self.child.wait()).await??)
    }

    /// The directory that holds `gateway.json` and `keys/`.
    pub fn config_dir(&self) -> &Path {
        self.config_dir.path()
    }

    /// Lines of the access log so far.
    pub fn access_log(&self) -> Vec<String> {
        self.access_log.all()
    }

    /// Lines of the diagnostics so far.
    pub fn diagnostics(&self) -> Vec<String> {
        self.diagnostics.all()
    }

    /// Asks for the end with SIGTERM and waits for it.
    ///
    /// # Errors
    ///
    /// The gateway did not end within 20 seconds, or not with status 0.
    pub async fn stop(mut self) -> Result<()> {
        self.signal("TERM").await?;
        let ended = wait::at_most("the gateway to end", STOP_LIMIT, self.child.wait()).await??;
        if !ended.success() {
            bail!(
                "the gateway ended with {ended}:\n{}",
                self.diagnostics.all().join("\n")
            );
        }
        Ok(())
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let ready = async || (ask_ready(self.ops_address).await.ok()? == 200).then_some(());
        wait::until("/readyz of the gateway", START_LIMIT, ready)
            .await
            .with_context(|| self.diagnostics.all().join("\n"))
    }
}

impl Lines {
    fn follow(&mut self, output: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let Some(output) = output else { return };
        let lines = self.clone();
        // Ends with the process, whose end of the pipe it reads.
        tokio::spawn(async move {
            let mut read = BufReader::new(output).lines();
            while let Ok(Some(line)) = read.next_line().await {
                lines
                    .0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
    }

    fn all(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The program with another file in place of `/etc/hosts`; each step becomes the next one, so that
/// the process is the gateway in the end.
fn with_hosts(binary: &Path, table: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !Uid::effective().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let steps = r#"mount --bind "$1" /etc/hosts && shift && exec "$@""#;
    command.args(["sh", "-c", steps, "sh"]);
    command.arg(table).arg(binary);
    command
}

fn spawn(
    mut program: Command,
    config_dir: &Path,
    listen: &str,
    env: &[(&str, &str)],
) -> Result<Child> {
    program
        .arg("--config-dir")
        .arg(config_dir)
        .args([
            "--listen",
            listen,
            "--ops-listen",
            ANY_PORT,
            "--workers",
            "2",
        ])
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {program:?}"))
}

async fn wait_until_bound(child: &mut Child, lines: &Lines) -> Result<(SocketAddr, SocketAddr)> {
    let mut ended = None;
    let bound = wait::until("the gateway to bind its ports", START_LIMIT, async || {
        ended = child.try_wait().ok().flatten();
        let found = lines.all().iter().find_map(|line| find_addresses(line));
        found.map(Some).or_else(|| ended.map(|_| None))
    });
    match bound.await.with_context(|| lines.all().join("\n"))? {
        Some(addresses) => Ok(addresses),
        None => bail!(
            "the gateway ended with {ended:?}:\n{}",
            lines.all().join("\n")
        ),
    }
}

/// Both addresses, if the line is the one that tells them.
fn find_addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let event: Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| {
        let value = event.get(name).or_else(|| event.get("fields")?.get(name))?;
        value.as_str()?.parse().ok()
    };
    Some((field("listen.addr")?, field("ops.addr")?))
}

/// The status of `GET /readyz`.
async fn ask_ready(ops_address: SocketAddr) -> Result<u16> {
    let mut stream = TcpStream::connect(ops_address).await?;
    let request = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer
        .split(' ')
        .nth(1)
        .context("an answer without a status")?;
    Ok(status.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_flat_and_nested() {
        let nested = r#"{"level":"INFO","fields":{"message":"listening","listen.addr":"127.0.0.1:1","ops.addr":"127.0.0.1:2"}}"#;
        let flat =
            r#"{"message":"listening","listen.addr":"127.0.0.1:1","ops.addr":"127.0.0.1:2"}"#;
        for line in [nested, flat] {
            let (listen, ops) = find_addresses(line).expect("addresses");
            assert_eq!((listen.port(), ops.port()), (1, 2));
        }
        assert!(find_addresses(r#"{"message":"reading"}"#).is_none());
        assert!(find_addresses("not JSON").is_none());
    }
}
