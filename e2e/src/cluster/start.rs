//! How a cluster of ours comes up: what is made before, what is started when, and what is waited
//! for.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use http::Request;
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::{Api, Client};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Mutex,
};

use super::{
    Cluster, Images, Own,
    access::{self, output_of},
    certificates::{self, NODE_NAME},
    components::{self, Component},
    containerd, forward, images, network,
    process::Process,
    state::State,
    teardown,
};
use crate::wait;

/// For each step of a start, on a machine that is busy with something else.
const LIMIT: Duration = Duration::from_secs(90);

/// The port where `CoreDNS` tells that it is ready (its plugin `ready`).
const DNS_READY_PORT: u16 = 8181;

/// What a cluster is started for.
#[derive(Debug)]
pub struct Options {
    name: String,
    /// Once this has ended, the cluster is given up.
    owner: Option<Process>,
    /// The program that forwards from the host, see [`forward`].
    forwarder: Option<PathBuf>,
}

impl Options {
    /// A cluster with a name of its own that does not outlive this process.
    ///
    /// # Errors
    ///
    /// This process is not to be found.
    pub fn of_a_test() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Ok(Self {
            name: format!("test-{}-{count}", std::process::id()),
            owner: Some(Process::this()?),
            forwarder: None,
        })
    }

    /// A cluster for people. `forwarder` is a program that calls [`forward::run`] when it is
    /// started as `forwarder forward NAMESPACE`.
    pub fn of_people(name: &str, forwarder: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            owner: None,
            forwarder: Some(forwarder),
        }
    }
}

impl Cluster {
    /// Installs and builds what a cluster needs, starts one, and waits until pods can run.
    ///
    /// # Errors
    ///
    /// A step failed or took too long: the message has the last lines of the log that tells why.
    /// Nothing is left running.
    pub fn start(options: Options) -> Result<Self> {
        for abandoned in State::owned(|owner| !owner.is_running())? {
            teardown::take_down(&abandoned)?;
        }
        let name = &options.name;
        if State::find(name)?.is_some() {
            bail!("a cluster named {name} is there already");
        }
        let bin_dir = images::install(&[])?;
        let scratch = TempDir::new()?;
        let mut archives = images::build(scratch.path())?;
        archives.push(bin_dir.join("pause.tar"));
        let state = State::create(name, options.owner)?;
        let own = Own {
            state: state.clone(),
            bin_dir: bin_dir.clone(),
            is_detached: false,
        };
        // From here on dropping it takes down what there is.
        let cluster = Self {
            bin_dir,
            kubeconfig: state.path("kubeconfig/admin"),
            images: Images {
                registry: None,
                tag: "dev".to_owned(),
            },
            scratch,
            own: Some(own),
            forwards: Mutex::default(),
        };
        cluster.own()?.prepare()?;
        let own = cluster.own()?;
        network::inside(state.mark(), async || own.bring_up(&archives).await).or_else(|error| {
            let logs = teardown::keep_logs(&state)?;
            Err(error.context(format!(
                "the cluster did not start; all logs: {}",
                logs.display()
            )))
        })?;
        for archive in archives
            .iter()
            .filter(|it| it.starts_with(cluster.scratch.path()))
        {
            fs::remove_file(archive)?;
        }
        if let Some(program) = options.forwarder {
            let address = forward::start(&state, &program)?;
            let file = state.path("kubeconfig/host");
            certificates::write_kubeconfig(&state, "admin", &file, address)?;
        }
        Ok(cluster)
    }
}

impl Own {
    pub(super) fn start(&self, component: Component) -> Result<()> {
        component.start(&self.state, &self.bin_dir)?;
        Ok(())
    }

    pub(super) async fn wait_for_api_server(&self) -> Result<()> {
        let client = self.client().await?;
        self.until(
            Component::ApiServer,
            "the API server to be ready",
            async || {
                let request = Request::get("/readyz").body(Vec::new()).ok()?;
                client.request_text(request).await.ok()
            },
        )
        .await?;
        Ok(())
    }

    fn prepare(&self) -> Result<()> {
        certificates::write(&self.state)?;
        components::write_configuration(&self.state)?;
        teardown::make_cgroups(&self.state)?;
        network::create(self.state.mark())
    }

    async fn bring_up(&self, archives: &[PathBuf]) -> Result<()> {
        self.start(Component::Etcd)?;
        self.start(Component::ApiServer)?;
        // While the API server starts.
        containerd::start(&self.state).await?;
        for archive in archives {
            containerd::import(&self.state, archive)?;
        }
        self.wait_for_api_server().await?;
        for component in [
            Component::ControllerManager,
            Component::Scheduler,
            Component::Kubelet,
            Component::Proxy,
        ] {
            self.start(component)?;
        }
        self.apply(&self.state.path("dns.json")).await?;
        self.start(Component::Dns)?;
        self.wait_until_pods_can_run().await
    }

    pub(super) async fn wait_until_pods_can_run(&self) -> Result<()> {
        let client = self.client().await?;
        let nodes: Api<Node> = Api::all(client.clone());
        self.until(Component::Kubelet, "the node to be ready", async || {
            let status = nodes.get(NODE_NAME).await.ok()?.status?;
            let mut conditions = status.conditions?.into_iter();
            conditions.find(|it| it.type_ == "Ready" && it.status == "True")
        })
        .await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client, "default");
        self.until(
            Component::ControllerManager,
            "a service account",
            async || accounts.get("default").await.ok(),
        )
        .await?;
        let service = (network::API_SERVICE, 443);
        self.until(
            Component::Proxy,
            "the Service of the API server",
            async || TcpStream::connect(service).await.ok(),
        )
        .await?;
        let ready = async || is_dns_ready().await.ok()?.then_some(());
        self.until(Component::Dns, "the cluster's DNS", ready).await
    }

    async fn until<T>(
        &self,
        component: Component,
        what: &str,
        mut look: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T> {
        let process = self.state.find_process(component.name())?;
        let found = wait::until(what, LIMIT, async || match look().await {
            None if process.is_running() => None,
            found => Some(found.context("it has ended")),
        });
        let found = found.await.flatten();
        found.with_context(|| format!("{what}; {}", self.state.tail(component.name())))
    }

    async fn client(&self) -> Result<Client> {
        access::connect(&self.state.path("kubeconfig/admin")).await
    }

    async fn apply(&self, file: &Path) -> Result<()> {
        let mut command = Command::new(self.bin_dir.join("kubectl"));
        command
            .arg("--kubeconfig")
            .arg(self.state.path("kubeconfig/admin"));
        command.args(["apply", "--filename"]).arg(file);
        output_of(command).await?;
        Ok(())
    }
}

async fn is_dns_ready() -> Result<bool> {
    let mut stream = TcpStream::connect((network::NODE, DNS_READY_PORT)).await?;
    stream.write_all(b"GET /ready HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.0 200"))
}
