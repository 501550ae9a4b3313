//! The network namespace of a node: its addresses, how it is made, and how a thread enters it.
//!
//! Nothing leads out of it, so that two clusters can have the same addresses.

use std::{
    fs::{self, File},
    io::Write,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};
use tokio::runtime;

/// The node, on a bridge without ports.
pub const NODE: Ipv4Addr = Ipv4Addr::new(10, 90, 0, 1);

/// Addresses of Services.
pub(crate) const SERVICE_RANGE: &str = "10.96.0.0/16";

/// The Service `kubernetes`: the first address of the range.
pub(crate) const API_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// The Service `kube-dns`, where kubeadm puts it.
pub(crate) const DNS_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// Addresses of pods.
pub(crate) const POD_RANGE: &str = "10.244.0.0/16";

/// The API server on the node.
pub(crate) const API_SERVER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(NODE, 6443));

/// etcd, where it listens without being told.
pub(crate) const ETCD: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 2379));

/// The file that stands for a network namespace.
pub(crate) fn path(namespace: &str) -> PathBuf {
    Path::new("/run/netns").join(namespace)
}

/// Makes the namespace with the node's address and loopback.
pub(crate) fn create(namespace: &str) -> Result<()> {
    ip(&["netns", "add", namespace], "")?;
    let steps = format!(
        "link set lo up\nlink add node0 type bridge\naddress add {NODE}/24 dev node0\n\
         link set node0 up\nroute add default dev node0\n"
    );
    ip(&["-netns", namespace, "-batch", "-"], &steps)?;
    inside(namespace, async || {
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("set ip_forward")
    })
}

/// Deletes the namespace and what is in it, if it is there.
pub(crate) fn delete(namespace: &str) -> Result<()> {
    if path(namespace).exists() {
        ip(&["netns", "delete", namespace], "")?;
    }
    Ok(())
}

/// Brings the calling thread into the namespace, and with it the threads and processes that it
/// starts from then on.
pub(crate) fn enter(namespace: &str) -> Result<()> {
    let path = path(namespace);
    let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
    setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("enter {}", path.display()))
}

/// Runs work on a thread inside the namespace, and waits for it.
pub(crate) fn inside<T: Send>(
    namespace: &str,
    work: impl AsyncFnOnce() -> Result<T> + Send,
) -> Result<T> {
    on_a_thread(async || {
        enter(namespace)?;
        work().await
    })
}

/// Runs work on a thread and a runtime of its own, and waits for it: the caller may be
/// on a runtime that must not block, or on none.
pub(crate) fn on_a_thread<T: Send>(work: impl AsyncFnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let running = scope.spawn(|| {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(work())
        });
        running.join().map_err(|_| anyhow!("the work panicked"))?
    })
}

fn ip(arguments: &[&str], input: &str) -> Result<()> {
    let mut child = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("run ip, of Debian's package iproute2")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("ip {}: {}", arguments.join(" "), message.trim());
    }
    Ok(())
}
