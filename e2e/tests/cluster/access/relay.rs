//! A relay before the API server that loses answers: what was asked is done, and who asked does
//! not learn of it.
//!
//! TLS ends at a `kubectl proxy` behind the relay, which asks as the account of a gateway, so that
//! the relay sees which answer it has before it.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use anyray_e2e::wait;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::harness::Context;

/// For `kubectl proxy` to listen.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Longest head of a request or answer.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Whether to lose the answer of this status to a request, which is told by its first line.
type Rule = Box<dyn FnMut(&str, u16) -> bool + Send>;

/// A running relay; it stops when it is dropped.
pub(super) struct Relay {
    address: SocketAddr,
    losses: Arc<Losses>,
    files: TempDir,
    accepting: JoinHandle<()>,
    _proxy: Child,
}

struct Losses(Mutex<(Rule, usize)>);

impl Losses {
    fn loses(&self, request: &str, status: u16) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_lost = (state.0)(request, status);
        state.1 += usize::from(is_lost);
        is_lost
    }
}

impl Relay {
    /// Starts a relay that asks as the `ServiceAccount` of the gateway `g`, and loses nothing yet.
    pub(super) async fn start(context: &Context) -> Result<Self> {
        let files = TempDir::new()?;
        let (proxy, behind) = start_proxy(context, &files).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let losses = Arc::new(Losses(Mutex::new((Box::new(|_, _| false), 0))));
        let accepting = tokio::spawn(accept(listener, behind, Arc::clone(&losses)));
        let kubeconfig = kubeconfig(
            &json!({ "server": format!("http://{address}") }),
            &json!({}),
        );
        std::fs::write(files.path().join("relay"), kubeconfig.to_string())?;
        Ok(Self {
            address,
            losses,
            files,
            accepting,
            _proxy: proxy,
        })
    }

    /// Path of the kubeconfig that leads here.
    pub(super) fn kubeconfig(&self) -> Result<String> {
        let path = self.files.path().join("relay");
        Ok(path.to_str().context("a path")?.to_owned())
    }

    /// From now on loses the answers for which this holds.
    pub(super) fn lose(&self, rule: impl FnMut(&str, u16) -> bool + Send + 'static) {
        let mut state = self.losses.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (Box::new(rule), 0);
    }

    /// How many answers were lost since.
    pub(super) fn lost(&self) -> usize {
        self.losses
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn kubeconfig(cluster: &Value, user: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "c", "cluster": cluster }],
        "users": [{ "name": "u", "user": user }],
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
        "current-context": "c",
    })
}

/// `kubectl proxy` with a token of the account, and where it listens.
async fn start_proxy(context: &Context, files: &TempDir) -> Result<(Child, SocketAddr)> {
    let admin = context
        .kubectl(&[
            "config",
            "view",
            "--raw",
            "--minify",
            "--flatten",
            "--output=json",
        ])
        .await?;
    let admin: Value = serde_json::from_str(&admin)?;
    let token = context.kubectl(&["create", "token", "g"]).await?;
    let user = json!({ "token": token.trim() });
    let path = files.path().join("proxy");
    let config = kubeconfig(&admin["clusters"][0]["cluster"], &user);
    std::fs::write(&path, config.to_string())?;
    let mut command = Command::from(context.cluster().kubectl());
    command
        .env("KUBECONFIG", &path)
        .args(["proxy", "--port=0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut proxy = command.spawn()?;
    let output = proxy.stdout.take().context("kubectl has no output")?;
    let mut line = String::new();
    let mut output = BufReader::new(output);
    let read = output.read_line(&mut line);
    wait::at_most("kubectl proxy", START_LIMIT, read).await??;
    // Starting to serve on 127.0.0.1:40001
    let address = line.split_whitespace().find_map(|word| word.parse().ok());
    let address = address.with_context(|| format!("no address: {line}"))?;
    Ok((proxy, address))
}

async fn accept(listener: TcpListener, behind: SocketAddr, losses: Arc<Losses>) {
    while let Ok((client, _)) = listener.accept().await {
        let losses = Arc::clone(&losses);
        // Either end may go at any time; there is nobody to tell.
        tokio::spawn(async move { carry(client, behind, &losses).await });
    }
}

/// One request and its answer, or what comes of a watch.
async fn carry(mut client: TcpStream, behind: SocketAddr, losses: &Losses) -> Result<()> {
    let (mut from_client, mut to_client) = client.split();
    let mut request = Vec::new();
    let end = read_line(&mut from_client, &mut request).await?;
    let line = String::from_utf8_lossy(&request[..end]).into_owned();
    let mut server = TcpStream::connect(behind).await?;
    let (mut from_server, mut to_server) = server.split();
    // So that the connection has no further request.
    to_server.write_all(&request[..end]).await?;
    to_server.write_all(b"connection: close\r\n").await?;
    to_server.write_all(&request[end..]).await?;
    let upwards = copy(&mut from_client, &mut to_server);
    let downwards = async {
        let mut answer = Vec::new();
        let end = read_line(&mut from_server, &mut answer).await?;
        let first = String::from_utf8_lossy(&answer[..end]);
        let status = first.split(' ').nth(1).and_then(|it| it.parse().ok());
        // The API server answers once it is done.
        if losses.loses(&line, status.context("no status")?) {
            return Ok(());
        }
        to_client.write_all(&answer).await?;
        copy(&mut from_server, &mut to_client).await?;
        anyhow::Ok(())
    };
    tokio::select! {
        gone = upwards => { gone?; }
        done = downwards => done?,
    }
    Ok(())
}

/// Reads until there is a first line; returns where it ends.
async fn read_line(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
) -> Result<usize> {
    loop {
        if let Some(at) = bytes.windows(2).position(|pair| pair == b"\r\n") {
            return Ok(at + 2);
        }
        anyhow::ensure!(bytes.len() < MAX_HEAD_BYTES, "no end of the first line");
        anyhow::ensure!(from.read_buf(bytes).await? > 0, "ended early");
    }
}
