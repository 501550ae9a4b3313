//! Listeners, workers and connections, and their orderly end.
//!
//! Each worker is a thread with a single-threaded runtime, its own listening socket on the shared
//! port and its own connection pools, so that a request never changes threads.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::Router;
use hyper::{
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

use crate::{api, pipeline::state::Worker};

/// Connections that the kernel holds ready for each worker.
const BACKLOG: i32 = 4096;

/// Time for a new connection to send its first request's head.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Time from one answer to the next request's head: longer than the 60 s for which load balancers
/// keep idle connections, so that it is they who close them and no request meets a closed one.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(75);

/// Largest request head; a longer one is a 431.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Bytes that a connection holds in either direction: room for the largest head, and for writing
/// large answers in few calls.
const MAX_BUFFER_BYTES: usize = 128 << 10;

/// Connections to the ops port at once: probes, a scraper and a person.
const MAX_OPS_CONNECTIONS: usize = 64;

/// Silence after which the kernel asks whether a caller still exists.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Time between two looks at a limit on connections that was reached.
const ROOM_POLL: Duration = Duration::from_secs(1);

/// Pause after the system refused a connection, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long connections may take to write their last bytes after the cut-off.
const CUTOFF_GRACE: Duration = Duration::from_secs(2);

/// Binds the sockets of `count` workers to one port; port 0 is any free one.
///
/// # Errors
/// Those of the system, for example where the port is taken.
pub fn bind(address: SocketAddr, count: usize) -> io::Result<Vec<StdListener>> {
    // Sockets that share a port also share it with another gateway of this user, which would then
    // get half of the requests: a socket that does not share finds that out.
    let probe = StdListener::bind(address)?;
    let address = probe.local_addr()?;
    drop(probe);
    (0..count).map(|_| bind_one(address)).collect()
}

fn bind_one(address: SocketAddr) -> io::Result<StdListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Starts one worker on its listener.
///
/// # Errors
/// Those of making a runtime or a thread.
pub fn start_worker(worker: Arc<Worker>, listener: StdListener) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("worker".to_owned())
        .spawn(move || {
            let _ended = worker.app.worker_ended.clone().drop_guard();
            runtime.block_on(async {
                match TcpListener::from_std(listener) {
                    Ok(listener) => accept_all(worker, listener).await,
                    Err(error) => tracing::error!(%error, "cannot listen: {error}"),
                }
            });
            // A name look-up that hangs must not keep the process.
            runtime.shutdown_background();
        })
}

/// Accepts until the drain closes the door, then waits for what is still running.
async fn accept_all(worker: Arc<Worker>, listener: TcpListener) {
    let connections = TaskTracker::new();
    let router = api::router(Arc::clone(&worker));
    loop {
        let accepted = tokio::select! {
            biased;
            () = worker.app.drain.closing.cancelled() => break,
            accepted = accept(&worker, &listener, &connections) => accepted,
        };
        match accepted {
            Ok(stream) => {
                let open = Open::new(&worker);
                let router = router.clone();
                connections.spawn(async move { serve(&open.worker, router, stream).await });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    let give_up = async {
        worker.app.drain.cutoff.cancelled().await;
        sleep(CUTOFF_GRACE).await;
    };
    tokio::select! {
        () = connections.wait() => {}
        () = give_up => {}
    }
}

/// The next connection, once there is room for it.
async fn accept(
    worker: &Worker,
    listener: &TcpListener,
    connections: &TaskTracker,
) -> io::Result<TcpStream> {
    let room = || {
        let limit = worker.app.config.load().limits.max_connections as usize;
        connections.len() < (limit / worker.count).max(1)
    };
    while !room() {
        // Also looks now and then, as the limit may have been raised.
        let _ = timeout(ROOM_POLL, worker.connection_closed.notified()).await;
    }
    listener.accept().await.map(|(stream, _)| stream)
}

/// A connection that counts as open until it is dropped.
struct Open {
    worker: Arc<Worker>,
}

impl Open {
    fn new(worker: &Arc<Worker>) -> Self {
        let connections = &worker.app.metrics.connections;
        connections.fetch_add(1, Ordering::Relaxed);
        Self {
            worker: Arc::clone(worker),
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let connections = &self.worker.app.metrics.connections;
        connections.fetch_sub(1, Ordering::Relaxed);
        self.worker.connection_closed.notify_one();
    }
}

/// Serves the ops port: the same limits on heads, and a bound of its own on connections, so that
/// nobody who reaches it can use up what callers need.
pub async fn serve_ops(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MAX_OPS_CONNECTIONS));
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(FIRST_HEAD_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _permit = permit;
            let _ = connection.await;
        });
    }
}

/// One connection, from its first request to its last.
async fn serve(worker: &Worker, router: Router, stream: TcpStream) {
    let idle = worker.app.config.load().timeouts.idle;
    if prepare(&stream, idle).is_ok() {
        let has_asked = AtomicBool::new(false);
        let router = TowerToHyperService::new(router);
        let service = service_fn(|request| {
            has_asked.store(true, Ordering::Relaxed);
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(KEEP_ALIVE_TIMEOUT)
            .max_header_size(MAX_HEAD_BYTES)
            .max_buf_size(MAX_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        // A connection that a caller broke is no fault of ours; its requests are on record.
        let _ = tokio::select! {
            biased;
            ended = connection.as_mut() => ended,
            () = worker.app.drain.closing.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = first_head_timeout(&has_asked) => Ok(()),
        };
    }
}

/// Ends when a new connection has not asked for anything in time.
async fn first_head_timeout(has_asked: &AtomicBool) {
    sleep(FIRST_HEAD_TIMEOUT).await;
    if has_asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
}

/// Sends small pieces at once, and has the kernel give up on a caller that is gone or that takes
/// nothing for as long as a provider may be silent.
fn prepare(stream: &TcpStream, idle: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
    socket.set_tcp_user_timeout(Some(idle))
}
