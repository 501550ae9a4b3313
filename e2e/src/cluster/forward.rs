//! The way from the host to an API server in a network that nothing leads into.
//!
//! A socket stays in the namespace where it was made: a process listens on the host's loopback,
//! then enters the node's network, and relays.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use anyhow::{Context, Result};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener as AsyncListener, TcpStream},
    runtime,
    sync::Semaphore,
};

use super::{
    network::{self, API_SERVER},
    state::State,
};

/// Connections at a time; `kubectl` keeps one or two.
const MAX_CONNECTIONS: usize = 256;

/// Starts the program that calls [`run`] for `program forward NAMESPACE`, and returns where it
/// listens on the host.
pub(crate) fn start(state: &State, program: &Path) -> Result<SocketAddr> {
    let mut child = Command::new("setsid")
        .arg(program)
        .args(["forward", state.mark()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(state.log("forward"))?)
        .spawn()
        .context("start the forwarder")?;
    state.note("forward", child.id())?;
    let output = child.stdout.take().context("the forwarder has no output")?;
    let mut address = String::new();
    BufReader::new(output).read_line(&mut address)?;
    let address = address.trim().parse();
    address.with_context(|| state.tail("forward"))
}

/// Listens on the host's loopback, tells the address, and relays until it is killed.
///
/// # Errors
///
/// It could not listen, enter the namespace or accept.
pub fn run(namespace: &str, tell: impl FnOnce(SocketAddr)) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    network::enter(namespace)?;
    tell(listener.local_addr()?);
    // On this thread alone: it is the one inside.
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = AsyncListener::from_std(listener)?;
        let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let place = Arc::clone(&free).acquire_owned().await?;
            let (mut client, _) = listener.accept().await?;
            tokio::spawn(async move {
                if let Ok(mut server) = TcpStream::connect(API_SERVER).await {
                    // Either end may go at any time; there is nobody to tell.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                }
                drop(place);
            });
        }
    })
}
