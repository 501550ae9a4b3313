//! What a test can do to the API server of a cluster of ours.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{Cluster, Own, components::Component, network::API_SERVER};
use crate::wait;

/// What watches the API server, besides its own clients among the tests.
const RESTARTED: [Component; 5] = [
    Component::ControllerManager,
    Component::Scheduler,
    Component::Kubelet,
    Component::Proxy,
    Component::Dns,
];

const END_LIMIT: Duration = Duration::from_secs(10);

/// The API server's address takes connections and never answers, until this is ended or dropped.
#[derive(Debug)]
#[must_use = "the API server is back as soon as this is dropped"]
pub struct BlackHole<'a> {
    own: &'a Own,
    listener: Option<TcpListener>,
}

impl Cluster {
    /// Where the API server listens in the node's network, for a proxy before it.
    ///
    /// # Errors
    ///
    /// The cluster is not ours.
    pub fn api_server_address(&self) -> Result<SocketAddr> {
        self.own().map(|_| API_SERVER)
    }

    /// The process of the API server.
    ///
    /// # Errors
    ///
    /// The cluster is not ours.
    pub fn api_server_pid(&self) -> Result<u32> {
        let process = self
            .own()?
            .state
            .find_process(Component::ApiServer.name())?;
        Ok(process.pid().try_into()?)
    }

    /// Kills the API server: connections are reset, and further ones refused.
    ///
    /// # Errors
    ///
    /// The cluster is not ours, or the process did not end.
    pub async fn stop_api_server(&self) -> Result<()> {
        self.own()?.stop(Component::ApiServer).await
    }

    /// Starts the API server again, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// The cluster is not ours, or its API server was not ready in time.
    pub async fn start_api_server(&self) -> Result<()> {
        let own = self.own()?;
        own.start(Component::ApiServer)?;
        own.wait_for_api_server().await
    }

    /// Starts the node's and the control plane's other components again: they watch at once,
    /// instead of after pauses that have grown during an outage of the API server. Pods are left
    /// alone.
    ///
    /// # Errors
    ///
    /// The cluster is not ours, or a component did not end or start.
    pub async fn restart_components(&self) -> Result<()> {
        let own = self.own()?;
        for component in RESTARTED {
            own.stop(component).await?;
        }
        for component in RESTARTED {
            own.start(component)?;
        }
        Ok(())
    }

    /// Kills the API server and puts a listener in its place that never answers.
    ///
    /// # Errors
    ///
    /// The cluster is not ours, or the process did not end.
    pub async fn black_hole_api_server(&self) -> Result<BlackHole<'_>> {
        let own = self.own()?;
        own.stop(Component::ApiServer).await?;
        // From here on dropping it starts the API server.
        let mut hole = BlackHole {
            own,
            listener: None,
        };
        // Nobody accepts: the kernel completes the connections, up to its backlog, and takes
        // what is sent until its buffers are full.
        let listener = TcpListener::bind(API_SERVER).context("take the API server's address")?;
        hole.listener = Some(listener);
        Ok(hole)
    }
}

impl BlackHole<'_> {
    /// Ends it, and waits until the API server is ready again.
    ///
    /// # Errors
    ///
    /// The API server was not ready in time.
    pub async fn end(self) -> Result<()> {
        let own = self.own;
        drop(self);
        own.wait_for_api_server().await
    }
}

impl Drop for BlackHole<'_> {
    fn drop(&mut self) {
        self.listener = None;
        // Whoever needs it next waits for it, and is told if it did not start.
        let _ = self.own.start(Component::ApiServer);
    }
}

impl Own {
    async fn stop(&self, component: Component) -> Result<()> {
        let name = component.name();
        let process = self.state.find_process(name)?;
        process.kill();
        let ended = async || (!process.is_running()).then_some(());
        wait::until(&format!("{name} to end"), END_LIMIT, ended).await
    }
}
