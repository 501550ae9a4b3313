//! A relay in front of the gateway that keeps every byte of both directions.
//!
//! The client talks to the tap, the tap to the gateway: what the tap recorded is
//! what the client really sent and received, not what a library made of it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::{JoinHandle, JoinSet},
};

use crate::{
    exchange::{Exchange, read_exchanges},
    wait,
};

/// Bytes read at once; larger than most requests.
const BUFFER_BYTES: usize = 64 * 1024;

/// How long the last bytes may take after the client has ended.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);

/// A running relay; it stops when it is dropped.
#[derive(Debug)]
pub struct Tap {
    address: SocketAddr,
    recordings: Arc<Recordings>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Recordings {
    connections: Mutex<Vec<Arc<Mutex<Recording>>>>,
    reads: AtomicU64,
}

/// One connection. No derived `Debug`: the bytes hold keys and prompts.
#[derive(Default)]
struct Recording {
    to_gateway: Vec<u8>,
    to_client: Vec<u8>,
    /// For each read from the client: where it begins, and its place among all reads.
    reads: Vec<(usize, u64)>,
    is_closed: bool,
}

impl std::fmt::Debug for Recording {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recording")
            .field("to_gateway_bytes", &self.to_gateway.len())
            .field("to_client_bytes", &self.to_client.len())
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

impl Tap {
    /// Listens on an ephemeral port and relays to `target`.
    ///
    /// # Errors
    ///
    /// No port could be bound.
    pub async fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("bind the tap")?;
        let address = listener
            .local_addr()
            .context("read the address of the tap")?;
        let recordings = Arc::new(Recordings::default());
        let accepting = tokio::spawn(accept(listener, target, Arc::clone(&recordings)));
        Ok(Self {
            address,
            recordings,
            accepting,
        })
    }

    /// The URL that clients use instead of the gateway's, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All exchanges so far, in the order in which the requests began.
    ///
    /// # Errors
    ///
    /// A connection carried something other than HTTP/1.1.
    pub fn exchanges(&self) -> Result<Vec<Exchange>> {
        let mut exchanges = Vec::new();
        for connection in lock(&self.recordings.connections).iter() {
            let recording = lock(connection);
            let order_of = |offset| recording.order_of(offset);
            exchanges.extend(read_exchanges(
                &recording.to_gateway,
                &recording.to_client,
                order_of,
            )?);
        }
        exchanges.sort_by_key(|exchange| exchange.order);
        Ok(exchanges)
    }

    /// Waits until every connection is closed: the client has ended, and so will
    /// its connections as soon as the last bytes are recorded.
    ///
    /// # Errors
    ///
    /// A connection was still open after 10 seconds.
    pub async fn settle(&self) -> Result<()> {
        let all_closed = async || {
            let connections = lock(&self.recordings.connections).clone();
            connections
                .iter()
                .all(|connection| lock(connection).is_closed)
                .then_some(())
        };
        wait::until(
            "the client's connections to close",
            SETTLE_LIMIT,
            all_closed,
        )
        .await
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Recording {
    fn order_of(&self, offset: usize) -> u64 {
        let read = self.reads.iter().rev().find(|(start, _)| *start <= offset);
        read.map(|(_, order)| *order).unwrap_or_default()
    }
}

impl Recordings {
    fn open(&self) -> Arc<Mutex<Recording>> {
        let recording = Arc::new(Mutex::new(Recording::default()));
        lock(&self.connections).push(Arc::clone(&recording));
        recording
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, recordings: Arc<Recordings>) {
    // Connections end with their clients; dropping the set ends those left over.
    let mut relays = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let recording = recordings.open();
        let recordings = Arc::clone(&recordings);
        relays.spawn(async move {
            // A reset of either side is a way for the connection to end.
            let _ = relay(client, target, &recordings, &recording).await;
            lock(&recording).is_closed = true;
        });
    }
}

/// Relays until both directions have ended; an error of one ends the other, so
/// that a cut reaches the client as a cut.
async fn relay(
    client: TcpStream,
    target: SocketAddr,
    recordings: &Recordings,
    recording: &Mutex<Recording>,
) -> Result<()> {
    let gateway = TcpStream::connect(target)
        .await
        .context("connect to the gateway")?;
    client.set_nodelay(true)?;
    gateway.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_gateway, to_gateway) = gateway.into_split();
    let asking = relay_direction(from_client, to_gateway, |read| {
        let order = recordings.reads.fetch_add(1, Ordering::Relaxed);
        let mut recording = lock(recording);
        let start = recording.to_gateway.len();
        recording.reads.push((start, order));
        recording.to_gateway.extend_from_slice(read);
    });
    let answering = relay_direction(from_gateway, to_client, |read| {
        lock(recording).to_client.extend_from_slice(read);
    });
    tokio::try_join!(asking, answering)?;
    Ok(())
}

/// Passes one direction on to its end; `record` sees each piece before the other side does.
async fn relay_direction(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    record: impl Fn(&[u8]),
) -> Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        let read = buffer.get(..length).unwrap_or_default();
        if read.is_empty() {
            to.shutdown().await?;
            return Ok(());
        }
        record(read);
        to.write_all(read).await?;
    }
}

/// A panic of a test must not hide behind a poisoned lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
