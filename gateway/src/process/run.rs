//! The process: start, serve, drain.

use std::{
    error::Error,
    hash::{BuildHasher as _, RandomState},
    io,
    net::{SocketAddr, TcpListener as StdListener},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
    time::{Instant, sleep},
};

use crate::{
    access::{
        Access,
        callers::{Callers, Names},
        issuer::Accounts,
        store::{Store, files::FileStore, snapshot},
    },
    accounting::{
        log_buffer::{LogBuffer, Output, Writer},
        metrics::Metrics,
    },
    config::{self, ConfigError},
    outbound::upstream::Upstreams,
    pipeline::state::{App, Worker},
    process::{cli::Options, ops, server, watch},
};

/// Name of the gateway in objects of a folder, which belongs to one gateway alone.
const FILES_GATEWAY: &str = "local";

/// How long the gateway goes on taking requests after SIGTERM: callers learn from `connection:
/// close` and from readiness to go elsewhere.
const LAME_DUCK: Duration = Duration::from_secs(3);

/// Time between two looks at whether all is done.
const DRAIN_POLL: Duration = Duration::from_millis(50);

/// Why the process could not start or serve.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration is not acceptable.
    #[error("configuration: {0}")]
    LoadConfig(#[from] ConfigError),
    /// The folder of client keys cannot be used.
    #[error("cannot keep client keys in {}", path.display())]
    OpenStore {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no way to the cluster's API.
    #[error("cannot find the cluster that --kubernetes-gateway is about")]
    FindCluster(#[source] Box<dyn Error + Send + Sync>),
    /// A port could not be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// Which one.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A worker's thread ended although nothing asked it to.
    #[error("a worker has ended; the log says why")]
    LoseWorker,
    /// A thread, runtime or signal handler could not be made.
    #[error("cannot start")]
    Start(#[from] io::Error),
}

impl RunError {
    /// The exit status for it: 64 (`EX_USAGE`) for a bad configuration, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::LoadConfig(_) => 64,
            Self::OpenStore { .. }
            | Self::FindCluster(_)
            | Self::Bind { .. }
            | Self::LoseWorker
            | Self::Start(_) => 1,
        }
    }
}

/// Runs the gateway until a signal ends it.
///
/// `diagnostics_dropped` counts the lines that the diagnostics had no room for.
///
/// # Errors
/// [`RunError`]; nothing is bound before the configuration was accepted.
pub fn run(options: &Options, diagnostics_dropped: Counter) -> Result<(), RunError> {
    let (snapshot, digest) = config::load(&options.config_dir)?;
    let hash = snapshot.hash.clone();
    let metrics = Metrics::new(diagnostics_dropped);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let callers = start_callers(options, &runtime)?;
    let app = App::new(
        snapshot,
        callers,
        metrics,
        random_prefix(),
        Timestamp::now(),
    );
    app.check_config(&app.config.load())?;
    // The default of 1,024 descriptors holds some 500 streams; what the system allows holds more.
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        tracing::warn!(%error, "cannot raise the limit on file descriptors: {error}");
    }
    let listeners =
        server::bind(options.listen, options.workers()).map_err(|source| RunError::Bind {
            address: options.listen,
            source,
        })?;
    let address = listeners
        .first()
        .map_or(Ok(options.listen), StdListener::local_addr)?;
    let (workers, log_writer) = start_threads(&app, listeners)?;
    runtime.block_on(async {
        let signals = Signals::new()?;
        let ops_address = start_ops(options.ops_listen, &app).await?;
        tokio::spawn(watch::follow(
            Arc::clone(&app),
            options.config_dir.clone(),
            digest,
        ));
        tracing::info!(
            listen.addr = %address,
            ops.addr = %ops_address,
            config.hash = %hash,
            workers = workers.len(),
            "listening on {address}"
        );
        tokio::select! {
            () = drain(&app, signals, options.shutdown_drain()) => Ok(()),
            () = worker_loss(&app) => Err(RunError::LoseWorker),
        }
    })?;
    workers.into_iter().for_each(join);
    if !log_writer.finish() {
        tracing::warn!("left lines of the access log behind: nobody reads standard output");
    }
    tracing::info!("shutdown complete");
    Ok(())
}

/// Opens the store of client keys that the options name, if any, and begins to follow it.
fn start_callers(options: &Options, runtime: &Runtime) -> Result<Option<Callers>, RunError> {
    #[cfg(feature = "cluster")]
    if let Some(gateway) = &options.kubernetes_gateway {
        let (store, accounts) = runtime
            .block_on(crate::access::cluster::connect(gateway))
            .map_err(|error| RunError::FindCluster(Box::new(error)))?;
        let opened = (store, gateway.name.clone(), Some(accounts));
        return Ok(Some(follow(options, runtime, opened)));
    }
    let Some(folder) = &options.client_keys_dir else {
        return Ok(None);
    };
    let store = FileStore::open(folder).map_err(|source| RunError::OpenStore {
        path: folder.clone(),
        source,
    })?;
    let opened: Opened = (Arc::new(store), FILES_GATEWAY.to_owned(), None);
    Ok(Some(follow(options, runtime, opened)))
}

/// A store, the gateway's name in it, and who checks tokens of `ServiceAccount`s.
type Opened = (Arc<dyn Store>, String, Option<Accounts>);

fn follow(options: &Options, runtime: &Runtime, (store, gateway, accounts): Opened) -> Callers {
    let access = Arc::new(Access::default());
    if let Some(folder) = &options.state_dir {
        snapshot::restore(folder, &access);
        runtime.spawn(snapshot::keep(folder.clone(), Arc::clone(&access)));
    }
    runtime.spawn(Arc::clone(&store).follow(Arc::clone(&access)));
    let names = Names {
        gateway,
        replica: options.replica_name.clone(),
    };
    Callers::new(store, access, names, accounts, runtime.handle().clone())
}

/// A number that two replicas hardly share.
fn random_prefix() -> u32 {
    let [a, b, c, d, ..] = RandomState::new()
        .hash_one(std::process::id())
        .to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

type Threads = (Vec<JoinHandle<()>>, Writer);

/// Starts the workers and the thread that writes their logs.
fn start_threads(app: &Arc<App>, listeners: Vec<StdListener>) -> Result<Threads, RunError> {
    let count = listeners.len();
    let mut logs = Vec::with_capacity(count);
    let mut threads = Vec::with_capacity(count);
    for listener in listeners {
        let log = LogBuffer::new(app.metrics.log_lines_dropped.clone());
        logs.push(Arc::clone(&log));
        let worker = Arc::new(Worker {
            app: Arc::clone(app),
            upstreams: Upstreams::default(),
            log,
            count,
            connection_closed: Notify::new(),
        });
        threads.push(server::start_worker(worker, listener)?);
    }
    Ok((threads, Writer::start(Output::Stdout, logs)?))
}

/// Serves the ops port in the background; returns where it is.
async fn start_ops(address: SocketAddr, app: &Arc<App>) -> Result<SocketAddr, RunError> {
    let failed = |source| RunError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr()?;
    let router = ops::router(Arc::clone(app));
    tokio::spawn(server::serve_ops(listener, router));
    Ok(bound)
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread panicked");
    }
}

/// Waits for a worker to end before its time: a process that listens with fewer workers than it
/// says, or with none, must not seem ready.
async fn worker_loss(app: &App) {
    app.worker_ended.cancelled().await;
    if app.drain.closing.is_cancelled() {
        std::future::pending::<()>().await;
    }
}

/// The signals that end the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal; true where a person is waiting at the keyboard.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => false,
            _ = self.interrupt.recv() => true,
        }
    }
}

/// Waits for a signal, then lets go of callers step by step; a second signal skips the waiting.
async fn drain(app: &App, mut signals: Signals, limit: Duration) {
    let is_urgent = signals.next().await;
    let started = Instant::now();
    tracing::info!(
        "shutdown signal received, draining for at most {} ms",
        limit.as_millis()
    );
    app.drain.announced.store(true, Ordering::Relaxed);
    tokio::select! {
        () = let_go(app, is_urgent, started, limit) => {}
        _ = signals.next() => {}
    }
    app.drain.closing.cancel();
    app.drain.cutoff.cancel();
}

async fn let_go(app: &App, is_urgent: bool, started: Instant, limit: Duration) {
    if !is_urgent {
        wait_for_silence(app, started + LAME_DUCK.min(limit)).await;
    }
    app.drain.closing.cancel();
    wait_for_silence(app, started + limit).await;
}

/// Waits until no caller is connected, at most until `deadline`.
async fn wait_for_silence(app: &App, deadline: Instant) {
    while app.metrics.connections.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
        sleep(DRAIN_POLL).await;
    }
}
