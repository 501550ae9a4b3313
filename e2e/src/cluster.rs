//! A real Kubernetes for tests: one of ours on this machine, or one that a kubeconfig names.
//!
//! Ours is a single node in a network namespace of its own, with all its files in a folder of
//! the cache. A test enters that namespace and reaches pods, Services and the API server
//! directly. What is found out about Kubernetes on a bare machine is told where it is used:
//! `components`, `containerd`, `network`.

mod access;
mod certificates;
mod components;
mod containerd;
mod faults;
pub mod forward;
mod images;
mod network;
mod process;
mod start;
mod state;
mod teardown;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;
use tempfile::TempDir;
use tokio::sync::Mutex;

use self::{process::Process, state::State};

pub use self::{
    access::{PortForward, output_of},
    faults::BlackHole,
    images::IMAGES,
    network::NODE,
    start::Options,
};

/// A cluster that is ready. One of ours is taken down when this is dropped, unless it was
/// detached.
#[derive(Debug)]
pub struct Cluster {
    bin_dir: PathBuf,
    kubeconfig: PathBuf,
    images: Images,
    /// For what `kubectl` and `helm` keep.
    scratch: TempDir,
    own: Option<Own>,
    forwards: Mutex<BTreeMap<(String, String, u16), PortForward>>,
}

/// Where the images under test come from.
#[derive(Debug)]
struct Images {
    /// Before the names, without a slash at its end.
    registry: Option<String>,
    tag: String,
}

/// What only a cluster of ours has.
#[derive(Debug)]
struct Own {
    state: State,
    bin_dir: PathBuf,
    is_detached: bool,
}

/// There is no cluster and none can be started here; the text says what is missing.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(String);

impl Cluster {
    /// The cluster that `ANYRAY_E2E_KUBECONFIG` or `KUBECONFIG` names, with the images of
    /// `IMAGE_REGISTRY` and `IMAGE_TAG`; or else one of ours.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if there is neither a kubeconfig nor the right to start a cluster; or what
    /// failed while one was started.
    pub fn from_environment() -> Result<Self> {
        let named = ["ANYRAY_E2E_KUBECONFIG", "KUBECONFIG"].map(std::env::var_os);
        let named = named.into_iter().flatten().find(|path| !path.is_empty());
        if let Some(kubeconfig) = named {
            return Self::join(kubeconfig);
        }
        if !Uid::effective().is_root() {
            let why = "only root can start a cluster, and neither KUBECONFIG nor ANYRAY_E2E_KUBECONFIG names one";
            bail!(Unavailable(why.to_owned()));
        }
        Self::start(Options::of_a_test()?)
    }

    /// A cluster that someone else keeps.
    fn join(kubeconfig: OsString) -> Result<Self> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let registry = variable("IMAGE_REGISTRY").map(|it| it.trim_end_matches('/').to_owned());
        Ok(Self {
            bin_dir: images::install(&["helm"])?,
            kubeconfig: std::path::absolute(kubeconfig).context("find the kubeconfig")?,
            images: Images {
                registry,
                tag: variable("IMAGE_TAG").unwrap_or_else(|| "dev".to_owned()),
            },
            scratch: TempDir::new()?,
            own: None,
            forwards: Mutex::default(),
        })
    }

    /// Whether its control plane and its node are ours to disturb.
    pub fn is_ours(&self) -> bool {
        self.own.is_some()
    }

    /// Brings the calling thread, and the threads and processes that it starts from then on,
    /// into the network of the node. Does nothing for a cluster that is not ours.
    ///
    /// # Errors
    ///
    /// The namespace can not be entered.
    pub fn enter(&self) -> Result<()> {
        match &self.own {
            Some(own) => network::enter(own.state.mark()),
            None => Ok(()),
        }
    }

    /// The full name of one of [`IMAGES`].
    pub fn image(&self, name: &str) -> String {
        let tag = &self.images.tag;
        match &self.images.registry {
            Some(registry) => format!("{registry}/anyray-{name}:{tag}"),
            None => format!("anyray-{name}:{tag}"),
        }
    }

    /// Makes the images of a `docker-archive` available to pods.
    ///
    /// # Errors
    ///
    /// The cluster is not ours, or the archive can not be read.
    pub fn import_image(&self, archive: &Path) -> Result<()> {
        containerd::import(&self.own()?.state, archive)
    }

    /// The folder of `kubectl`, `helm` and, for a cluster of ours, all its programs.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The administrator's kubeconfig, for whoever is in the node's network.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server's record of every request, a JSON object a line, without bodies.
    ///
    /// # Errors
    ///
    /// The cluster is not ours.
    pub fn audit_log(&self) -> Result<PathBuf> {
        Ok(self.own()?.state.path("logs/audit.log"))
    }

    /// Where etcd takes requests from whoever is in the node's network.
    ///
    /// # Errors
    ///
    /// The cluster is not ours.
    pub fn etcd_address(&self) -> Result<SocketAddr> {
        self.own().map(|_| network::ETCD)
    }

    /// Copies the logs of the components and pods to where they stay, and says where; none for a
    /// cluster that is not ours. The last five are kept.
    ///
    /// # Errors
    ///
    /// They can not be copied.
    pub fn keep_logs(&self) -> Result<Option<PathBuf>> {
        let own = self.own.as_ref();
        own.map(|own| teardown::keep_logs(&own.state)).transpose()
    }

    /// Leaves the cluster running.
    pub fn detach(mut self) {
        if let Some(own) = &mut self.own {
            own.is_detached = true;
        }
    }

    /// Takes a cluster of ours down, and leaves nothing of it on the machine.
    ///
    /// # Errors
    ///
    /// Something of it could not be removed; it is tried again when the next one starts.
    pub fn stop(&self) -> Result<()> {
        match &self.own {
            Some(own) if !own.is_detached && own.state.dir().exists() => {
                teardown::take_down(&own.state)
            }
            _ => Ok(()),
        }
    }

    /// The host's folder of a volume that a pod has mounted, as `kubernetes.io~configmap`.
    ///
    /// # Errors
    ///
    /// The cluster is not ours.
    pub fn volume_dir(&self, pod_uid: &str, kind: &str, volume: &str) -> Result<PathBuf> {
        let volumes = format!("kubelet/pods/{pod_uid}/volumes/{kind}/{volume}");
        Ok(self.own()?.state.path(volumes))
    }

    fn own(&self) -> Result<&Own> {
        let own = self.own.as_ref();
        own.context("this needs a cluster of ours: unset KUBECONFIG and ANYRAY_E2E_KUBECONFIG")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Nobody is left to tell: it is tried again when the next one starts.
        let _ = self.stop();
    }
}

/// The kubeconfig for people on the host, of a detached cluster that was started, running or not.
///
/// # Errors
///
/// The cache has no place.
pub fn find_host_kubeconfig(name: &str) -> Result<Option<PathBuf>> {
    let state = State::find(name)?;
    Ok(state.map(|state| state.path("kubeconfig/host")))
}

/// Takes a detached cluster down, in whatever state it is; false if there is none.
///
/// # Errors
///
/// Something of it could not be removed.
pub fn take_down(name: &str) -> Result<bool> {
    let state = State::find(name)?;
    state.as_ref().map(teardown::take_down).transpose()?;
    Ok(state.is_some())
}

/// Builds the images again and makes them available to the pods of a detached cluster; false if
/// there is none.
///
/// # Errors
///
/// They could not be built, or the cluster does not run.
pub fn load_images(name: &str) -> Result<bool> {
    let Some(state) = State::find(name)? else {
        return Ok(false);
    };
    let folder = TempDir::new()?;
    for archive in images::build(folder.path())? {
        containerd::import(&state, &archive)?;
    }
    Ok(true)
}

/// Takes down what this process started and did not detach, at whatever point it is.
///
/// # Errors
///
/// Something could not be removed.
pub fn take_down_all_of_this_process() -> Result<()> {
    let this = Process::this()?;
    let states = State::owned(|owner| owner == this)?;
    states.iter().try_for_each(teardown::take_down)
}
