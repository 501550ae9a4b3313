//! Flags and environment variables of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Kubernetes operator for LLM gateways.
#[derive(Debug, Parser)]
#[command(name = "anyray-operator", version)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// Which diagnostics to write to standard error, in the syntax of `RUST_LOG`.
    #[arg(long, global = true, env = "ANYRAY_LOG", default_value = "info")]
    pub log: String,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reconcile the custom resources of a cluster, until a signal ends it.
    #[cfg(feature = "cluster")]
    Run(RunOptions),
    /// Write the files that a gateway reads, from manifests in a folder, without a cluster.
    Render(RenderOptions),
    /// Print the definitions of the custom resources as YAML.
    Crds,
}

/// How to run in a cluster.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug, Args)]
pub struct RunOptions {
    /// Namespaces to watch, separated by commas [default: all].
    #[arg(long, env = "ANYRAY_WATCH_NAMESPACES", value_delimiter = ',')]
    pub watch_namespaces: Vec<String>,

    /// Image of gateways whose spec names none.
    #[arg(long, env = "ANYRAY_GATEWAY_IMAGE", default_value = concat!("anyray-gateway:", env!("CARGO_PKG_VERSION")))]
    pub gateway_image: String,

    /// When nodes pull the image of gateways whose spec does not say.
    #[arg(long, env = "ANYRAY_GATEWAY_IMAGE_PULL_POLICY", default_value = "IfNotPresent", value_parser = ["Always", "IfNotPresent", "Never"])]
    pub gateway_image_pull_policy: String,

    /// Address and port for liveness, readiness and metrics.
    #[arg(long, env = "ANYRAY_OPS_LISTEN", default_value = "0.0.0.0:8789")]
    pub ops_listen: std::net::SocketAddr,

    /// Name of this pod, for events.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,
}

/// How to render.
#[derive(Clone, Debug, Args)]
pub struct RenderOptions {
    /// Folder with manifests: one AnyrayGateway, its ProviderKeys, their Secrets and ConfigMaps.
    /// Invites and client keys are only checked, and other kinds are left alone.
    pub manifests: PathBuf,

    /// Folder to write to, which the gateway gets as --config-dir. It is made if it is not there.
    #[arg(long)]
    pub out: PathBuf,

    /// Render again whenever a manifest changes, until a signal ends it.
    #[arg(long)]
    pub watch: bool,

    /// Name of the AnyrayGateway, where the folder has several.
    #[arg(long)]
    pub gateway: Option<String>,

    /// Another endpoint for a ProviderKey, where the cluster's names do not lead anywhere.
    #[arg(long, value_name = "PROVIDER_KEY=URL", value_parser = parse_endpoint)]
    pub endpoint: Vec<(String, String)>,
}

fn parse_endpoint(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, url)| {
        !name.is_empty() && (url.starts_with("http://") || url.starts_with("https://"))
    });
    let (name, url) =
        pair.ok_or("must be the name of a ProviderKey, '=' and an http:// or https:// URL")?;
    Ok((name.to_owned(), url.to_owned()))
}
