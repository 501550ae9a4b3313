//! What the process survives: dead readers of its logs, announced bodies, the loss of a worker.

#![cfg(test)]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, ChildStderr, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyray_gateway::{
    accounting::{log_buffer::LogBuffer, metrics::Metrics},
    config,
    outbound::upstream::Upstreams,
    pipeline::state::{App, Worker},
    process::server,
};
use tempfile::TempDir;

/// Longest wait for any answer.
const LIMIT: Duration = Duration::from_secs(20);

/// A provider that nobody can reach, because port 1 of loopback refuses, and a key of another one
/// that has no credential.
const CONFIG: &str = r#"{"schemaVersion":1,"auth":{"clientKeys":"Optional"},
    "egress":{"allowPrivateAddresses":true},
    "providerKeys":[{"name":"a","provider":"openai","credential":{"file":"key"},
    "endpoint":{"url":"http://127.0.0.1:1/v1","allowInsecure":true}},
    {"name":"suspended","provider":"anthropic"}]}"#;

const REFUSED: &str = "POST /v1/embeddings HTTP/1.1\r\nhost: gw\r\ncontent-length: 2\r\n\r\n{}";

fn config_dir() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    fs::write(directory.path().join("gateway.json"), CONFIG).expect("the configuration");
    fs::write(directory.path().join("key"), "sk-1").expect("the key");
    directory
}

/// A gateway with one worker; killed when dropped.
struct Gateway {
    child: Child,
    stderr: Option<BufReader<ChildStderr>>,
    address: SocketAddr,
    _config: TempDir,
}

impl Gateway {
    fn start() -> Self {
        let config = config_dir();
        let mut child = Command::new(env!("CARGO_BIN_EXE_anyray-gateway"))
            .arg("--config-dir")
            .arg(config.path())
            .args([
                "--listen",
                "127.0.0.1:0",
                "--ops-listen",
                "127.0.0.1:0",
                "--workers",
                "1",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the gateway starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("a line");
        let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let address = event["listen.addr"].as_str().and_then(|a| a.parse().ok());
        let address = address.expect("an address");
        Self {
            child,
            stderr: Some(stderr),
            address,
            _config: config,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, LIMIT).expect("a connection");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit");
        stream
    }

    /// The first bytes of the answer.
    fn ask(&self, stream: &mut TcpStream, request: &str) -> String {
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = [0; 4096];
        let count = stream.read(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer[..count]).into_owned()
    }

    /// Makes the gateway write more diagnostics than a pipe holds, then asks whether it lives.
    fn warn_and_ask(&self) {
        let mut stream = self.connect();
        for _ in 0..1000 {
            let answer = self.ask(&mut stream, REFUSED);
            assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        }
        let alive = self.ask(
            &mut self.connect(),
            "GET /livez HTTP/1.1\r\nhost: gw\r\n\r\n",
        );
        assert!(alive.starts_with("HTTP/1.1 200"), "{alive}");
    }

    fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("a living process");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("VmRSS");
        let kib: u64 = line
            .split_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok())
            .expect("KiB");
        kib << 10
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn diagnostics_that_nobody_reads_hold_nobody_up() {
    Gateway::start().warn_and_ask();
}

#[test]
fn a_dead_reader_of_diagnostics_is_no_reason_to_end() {
    let mut gateway = Gateway::start();
    drop(gateway.stderr.take());
    gateway.warn_and_ask();
}

#[test]
fn a_key_without_a_credential_is_a_424_that_names_it_whatever_the_caller_brings() {
    let gateway = Gateway::start();
    for own in ["", "x-api-key: sk-own\r\n"] {
        let request =
            format!("POST /v1/messages HTTP/1.1\r\nhost: gw\r\n{own}content-length: 2\r\n\r\n{{}}");
        let answer = gateway.ask(&mut gateway.connect(), &request);
        assert!(answer.starts_with("HTTP/1.1 424"), "{answer}");
        assert!(answer.contains(r#"{"type":"error","error":{"#), "{answer}");
        let message = "the provider key suspended has no credential at present";
        assert!(answer.contains(message), "{answer}");
    }
}

/// Row R21 of the reliability catalogue.
#[test]
fn r21_a_body_that_is_merely_announced_costs_no_memory() {
    const BODIES: usize = 300;
    let gateway = Gateway::start();
    let head = "POST /v1/embeddings HTTP/1.1\r\nhost: gw\r\ncontent-length: 1000000\r\n\r\n{";
    let mut streams: Vec<_> = (0..BODIES).map(|_| gateway.connect()).collect();
    for part in [head, "\"", "a"] {
        for stream in &mut streams {
            stream.write_all(part.as_bytes()).expect("sent");
        }
        // Answers only after what was sent before it was read: there is one worker.
        gateway.ask(
            &mut gateway.connect(),
            "GET /livez HTTP/1.1\r\nhost: gw\r\n\r\n",
        );
    }
    let resident = gateway.resident_bytes();
    assert!(resident < 64 << 20, "{resident} bytes are resident");
}

#[test]
fn the_end_of_a_worker_is_noticed() {
    let directory = config_dir();
    let (snapshot, _) = config::load(directory.path()).expect("a configuration");
    let app = App::new(
        snapshot,
        None,
        Metrics::new(Default::default()),
        0,
        jiff::Timestamp::UNIX_EPOCH,
    );
    let mut listeners =
        server::bind("127.0.0.1:0".parse().expect("an address"), 1).expect("a port");
    let worker = Arc::new(Worker {
        app: Arc::clone(&app),
        upstreams: Upstreams::default(),
        log: LogBuffer::new(Default::default()),
        count: 1,
        connection_closed: tokio::sync::Notify::new(),
    });
    let listener = listeners.pop().expect("a listener");
    let thread = server::start_worker(worker, listener).expect("a thread");
    assert!(!app.worker_ended.is_cancelled());
    app.drain.closing.cancel();
    thread.join().expect("an orderly end");
    assert!(app.worker_ended.is_cancelled());
}
