//! The container runtime of a node, with a socket, folders and a pod network of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tokio::net::UnixStream;

use super::{network::POD_RANGE, state::State};
use crate::wait;

/// Of its log, and of its note among the processes.
pub(crate) const NAME: &str = "containerd";

/// As `e2e/cluster/install.sh` names it.
const PAUSE_IMAGE: &str = "docker.io/library/anyray-pause:dev";

/// Where Debian's package containernetworking-plugins puts them.
const PLUGINS: &str = "/usr/lib/cni";

const START_LIMIT: Duration = Duration::from_secs(30);

/// Where it listens.
pub(crate) fn socket(state: &State) -> PathBuf {
    state.path("containerd.sock")
}

/// Starts it, and waits until it listens; the calling thread is inside the node's namespace.
pub(crate) async fn start(state: &State) -> Result<()> {
    fs::write(state.path("containerd.toml"), configuration(state))?;
    let network = pod_network(state).to_string();
    fs::write(state.path("cni/pods.conflist"), network)?;
    let flags = [format!("--config={}", state.text("containerd.toml"))];
    state.spawn(NAME, Path::new("containerd"), &flags)?;
    let connected = async || UnixStream::connect(socket(state)).await.ok();
    wait::until("containerd to listen", START_LIMIT, connected)
        .await
        .with_context(|| state.tail(NAME))?;
    Ok(())
}

/// Makes the images of an archive available to pods.
pub(crate) fn import(state: &State, archive: &Path) -> Result<()> {
    let output = Command::new("ctr")
        .arg("--address")
        .arg(socket(state))
        .args(["--namespace", "k8s.io", "images", "import"])
        .arg(archive)
        .output()
        .context("run ctr, of Debian's package containerd")?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        bail!("import {}: {}", archive.display(), message.trim());
    }
    Ok(())
}

/// The configuration, of version 2 (containerd's docs/cri/config.md, release 1.6).
fn configuration(state: &State) -> String {
    let (root, run) = (state.text("containerd"), state.text("run"));
    let (socket, cni) = (socket(state).display().to_string(), state.text("cni"));
    // `restrict_oom_score_adj`: in a container this may not be lowered, and no sandbox starts.
    format!(
        r#"version = 2
root = "{root}"
state = "{run}"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]
[grpc]
address = "{socket}"
[ttrpc]
address = "{socket}.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{PLUGINS}"
conf_dir = "{cni}"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"#
    )
}

/// Each pod has a link of its own to the node and no bridge to the others: the way to a Service
/// and back then always passes the node's tables, whatever the kernel does for bridges.
fn pod_network(state: &State) -> serde_json::Value {
    let addresses = json!({
        "type": "host-local",
        "dataDir": state.text("cni/addresses"),
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    });
    json!({
        "cniVersion": "1.0.0",
        "name": state.mark(),
        "plugins": [{"type": "ptp", "ipam": addresses}],
    })
}
