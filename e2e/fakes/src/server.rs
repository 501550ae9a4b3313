//! The running fake: its socket, its connections, its end.
//!
//! What it has to do with tokens is in `tokens`.

mod tokens;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    record::{Outcome, Recorded, WaitError},
    scenario::Scenario,
    service::{State, serve},
    tls::{Tls, TlsError, build_tls},
};

/// Most connections at a time: far more than the tests hold; more wait in the
/// kernel's queue.
const MAX_CONNECTIONS: usize = 16_384;

/// Longest TLS handshake: long for a loopback, so that only a dead one ends.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);

/// Longest wait for the head of a request, on an idle connection as well.
const HEAD_LIMIT: Duration = Duration::from_secs(300);

/// Pause after a failed accept, which means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A fake could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address is taken, or not one of this machine.
    #[error("could not listen on {addr}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No certificate, no TLS.
    #[error("could not set up TLS")]
    SetUpTls(#[from] TlsError),
}

/// A provider that answers on a socket of this process, in all dialects.
///
/// It runs on the tokio runtime in which it was started and ends, with all its
/// connections, when it is dropped.
#[derive(Debug)]
pub struct FakeProvider {
    addr: SocketAddr,
    ca_pem: Option<String>,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl FakeProvider {
    /// Starts on a free port of 127.0.0.1, over plain HTTP.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] if there is no port.
    pub async fn start() -> Result<Self, StartError> {
        Self::bind(free_port()).await
    }

    /// Starts on a free port of 127.0.0.1, over TLS; see [`Self::ca_pem`].
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub async fn start_tls() -> Result<Self, StartError> {
        Self::bind_tls(free_port(), &[]).await
    }

    /// Starts on an address, over plain HTTP.
    ///
    /// # Errors
    ///
    /// [`StartError::Listen`] if the address cannot be had.
    pub async fn bind(addr: SocketAddr) -> Result<Self, StartError> {
        let (listener, addr) = listen(addr).await?;
        Ok(Self::run(listener, addr, None))
    }

    /// Starts on an address, over TLS, with a certificate for `names` as well as
    /// for localhost, 127.0.0.1 and `::1`.
    ///
    /// # Errors
    ///
    /// See [`StartError`].
    pub async fn bind_tls(addr: SocketAddr, names: &[String]) -> Result<Self, StartError> {
        let tls = build_tls(names)?;
        let (listener, addr) = listen(addr).await?;
        Ok(Self::run(listener, addr, Some(tls)))
    }

    fn run(listener: TcpListener, addr: SocketAddr, tls: Option<Tls>) -> Self {
        let (acceptor, ca_pem) = tls.map(|tls| (tls.acceptor, tls.ca_pem)).unzip();
        let state = Arc::new(State::default());
        let task = tokio::spawn(accept(listener, acceptor, Arc::clone(&state)));
        Self {
            addr,
            ca_pem,
            state,
            task,
        }
    }

    /// The base without `/v1` and without a slash at its end.
    pub fn url(&self) -> String {
        let port = self.addr.port();
        match self.ca_pem {
            Some(_) => format!("https://localhost:{port}"),
            None => format!("http://{}", self.addr),
        }
    }

    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The authority that signed its certificate, if it speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Adds scenarios for the next requests to take in order, whatever model they
    /// name; at most [`MAX_SCRIPT`](crate::director::MAX_SCRIPT) wait, more are
    /// left out.
    ///
    /// Requests that are refused for their credentials take none.
    pub fn script(&self, scenarios: impl IntoIterator<Item = Scenario>) {
        self.state.director.extend(scenarios);
    }

    /// All requests so far, in order of their arrival, `/healthz` and the token
    /// servers left out.
    pub fn requests(&self) -> Vec<Recorded> {
        self.state.recorder.requests()
    }

    /// Like [`Self::requests`], and forgets them: the next one has index 0.
    pub fn take_requests(&self) -> Vec<Recorded> {
        self.state.recorder.take_requests()
    }

    /// How many requests were not kept because recording was off or at
    /// [`MAX_RECORDED`](crate::record::MAX_RECORDED).
    pub fn unrecorded(&self) -> u64 {
        self.state.recorder.unrecorded()
    }

    /// Keeps no request from now on, for a fake that runs for long.
    pub fn stop_recording(&self) {
        self.state.recorder.turn_off();
        self.state.tokens.recorder.turn_off();
    }

    /// Waits until `count` requests arrived, their bodies whole or their clients
    /// gone, and returns all.
    ///
    /// # Errors
    ///
    /// [`WaitError::CountRequests`] if they did not within `limit`.
    pub async fn wait_for(
        &self,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<Recorded>, WaitError> {
        self.state.recorder.wait_for(count, limit).await
    }

    /// Waits until the request at `index` of [`Self::requests`] has this outcome.
    ///
    /// # Errors
    ///
    /// [`WaitError::ReachOutcome`] if it had not within `limit`.
    pub async fn wait_for_outcome(
        &self,
        index: usize,
        outcome: Outcome,
        limit: Duration,
    ) -> Result<Recorded, WaitError> {
        let recorder = &self.state.recorder;
        recorder.wait_for_outcome(index, outcome, limit).await
    }

    /// Ends like a drop, and returns when the port is free.
    pub async fn stop(mut self) {
        self.task.abort();
        // Aborted is how it is meant to end.
        let _ = (&mut self.task).await;
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        // The connections live in the task's set and end with it.
        self.task.abort();
    }
}

fn free_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

async fn listen(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let fail = |source| StartError::Listen { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    Ok((listener, bound))
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    let mut number = 0;
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                let Ok((socket, _)) = accepted else {
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                number += 1;
                connections.spawn(connect(socket, acceptor.clone(), Arc::clone(&state), number));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(socket: TcpStream, acceptor: Option<TlsAcceptor>, state: Arc<State>, number: u64) {
    // Without it each event would wait for the acknowledgement of the last; a
    // socket that refuses is served all the same.
    let _ = socket.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return speak(socket, &state, number).await;
    };
    if let Ok(Ok(stream)) = timeout(HANDSHAKE_LIMIT, acceptor.accept(socket)).await {
        speak(stream, &state, number).await;
    }
}

async fn speak(io: impl AsyncRead + AsyncWrite + Unpin, state: &State, number: u64) {
    let service = service_fn(|request| serve(state, number, request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .serve_connection(TokioIo::new(io), service)
        .await;
    // An error is a client that left or a scenario that cut: both are recorded.
    drop(served);
}
