//! How a test reaches what runs in a cluster: commands, addresses of Services, port-forwards.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Service;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Child,
};

use super::Cluster;
use crate::wait;

/// For a command that asks the API server something.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

const FORWARD_LIMIT: Duration = Duration::from_secs(30);

/// A `kubectl port-forward` that runs until this is dropped.
#[derive(Debug)]
pub struct PortForward {
    address: SocketAddr,
    _child: Child,
}

impl PortForward {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Cluster {
    /// `kubectl` for this cluster, as its administrator.
    pub fn kubectl(&self) -> Command {
        self.command("kubectl")
    }

    /// `helm` for this cluster, without the user's own repositories and plugins.
    pub fn helm(&self) -> Command {
        self.command("helm")
    }

    /// A client of the API server, as the administrator.
    ///
    /// # Errors
    ///
    /// The kubeconfig can not be used.
    pub async fn client(&self) -> Result<Client> {
        connect(&self.kubeconfig).await
    }

    /// The base URL of a Service: its own address, or that of a port-forward to it in a cluster
    /// that is not ours.
    ///
    /// # Errors
    ///
    /// There is no such Service, or it can not be forwarded to.
    pub async fn service_url(&self, namespace: &str, name: &str, port: u16) -> Result<String> {
        if self.is_ours() {
            let services: Api<Service> = Api::namespaced(self.client().await?, namespace);
            let spec = services.get(name).await?.spec;
            let address = spec.and_then(|spec| spec.cluster_ip);
            let address = address.with_context(|| format!("service {name} has no address"))?;
            return Ok(format!("http://{address}:{port}"));
        }
        let mut forwards = self.forwards.lock().await;
        let key = (namespace.to_owned(), name.to_owned(), port);
        if let Some(forward) = forwards.get(&key) {
            return Ok(format!("http://{}", forward.address()));
        }
        let forward = self
            .port_forward(namespace, &format!("service/{name}"), port)
            .await?;
        let url = format!("http://{}", forward.address());
        forwards.insert(key, forward);
        Ok(url)
    }

    /// Forwards a port of this process's loopback to a pod, as `pod/NAME` or `service/NAME`.
    ///
    /// # Errors
    ///
    /// It did not listen in time; the message has what `kubectl` said.
    pub async fn port_forward(
        &self,
        namespace: &str,
        target: &str,
        port: u16,
    ) -> Result<PortForward> {
        let mut command = self.kubectl();
        command.args([
            "port-forward",
            "--namespace",
            namespace,
            target,
            &format!(":{port}"),
        ]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()?;
        let output = child.stdout.take().context("kubectl has no output")?;
        let mut line = String::new();
        let mut output = BufReader::new(output);
        let read = output.read_line(&mut line);
        wait::at_most("kubectl port-forward", FORWARD_LIMIT, read).await??;
        // Forwarding from 127.0.0.1:40001 -> 8080
        let address = line.split(' ').find_map(|word| word.parse().ok());
        let Some(address) = address else {
            let mut said = String::new();
            if let Some(mut errors) = child.stderr.take() {
                wait::at_most(
                    "kubectl to end",
                    FORWARD_LIMIT,
                    errors.read_to_string(&mut said),
                )
                .await??;
            }
            bail!("cannot forward to {target} in {namespace}: {line}{said}");
        };
        // It must not block on what it says of each connection.
        tokio::spawn(async move { tokio::io::copy(&mut output, &mut tokio::io::sink()).await });
        if let Some(mut errors) = child.stderr.take() {
            tokio::spawn(async move { tokio::io::copy(&mut errors, &mut tokio::io::sink()).await });
        }
        Ok(PortForward {
            address,
            _child: child,
        })
    }

    /// A program of the cluster's folder or of the machine, that acts on this cluster.
    fn command(&self, program: &str) -> Command {
        let own = self.bin_dir.join(program);
        let mut command = Command::new(if own.exists() {
            own.as_path()
        } else {
            Path::new(program)
        });
        command.env("KUBECONFIG", &self.kubeconfig);
        command.env("KUBECACHEDIR", self.scratch.path().join("kubectl"));
        for kind in ["CACHE", "CONFIG", "DATA"] {
            command.env(
                format!("HELM_{kind}_HOME"),
                self.scratch.path().join("helm").join(kind),
            );
        }
        command
    }
}

/// Runs a command to its end, and returns what it wrote to stdout.
///
/// # Errors
///
/// It could not be started, failed, or still ran after a minute; the message has what it wrote
/// to stderr.
pub async fn output_of(mut command: Command) -> Result<String> {
    let what = command.get_program().to_string_lossy().into_owned();
    let arguments: Vec<_> = command
        .get_args()
        .map(|it| it.to_string_lossy().into_owned())
        .collect();
    let what = format!("{what} {}", arguments.join(" "));
    command.stdin(Stdio::null());
    let mut command = tokio::process::Command::from(command);
    let output = command.kill_on_drop(true).output();
    let output = wait::at_most(&what, COMMAND_LIMIT, output).await?;
    let output = output.with_context(|| what.clone())?;
    if !output.status.success() {
        bail!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

pub(super) async fn connect(kubeconfig: &Path) -> Result<Client> {
    let name = || format!("use {}", kubeconfig.display());
    let read = Kubeconfig::read_from(kubeconfig).with_context(name)?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(read, &options).await;
    Client::try_from(config.with_context(name)?).with_context(name)
}
