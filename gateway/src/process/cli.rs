//! Flags and environment variables of the program.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, thread, time::Duration};

use clap::Parser;

#[cfg(feature = "cluster")]
use crate::access::cluster::GatewayName;

/// Most workers that are started without being asked for: more cores seldom help a relay.
const MAX_DEFAULT_WORKERS: usize = 4;

/// OpenAI- and Anthropic-compatible gateway to LLM providers.
#[derive(Clone, Debug, Parser)]
#[command(name = "anyray-gateway", version)]
pub struct Options {
    /// Directory with gateway.json and the files that it names.
    #[arg(long, env = "ANYRAY_CONFIG_DIR", default_value = "/etc/anyray")]
    pub config_dir: PathBuf,

    /// Take invites and client keys from the custom resources of this gateway: NAMESPACE/NAME.
    #[cfg(feature = "cluster")]
    #[arg(
        long,
        env = "ANYRAY_KUBERNETES_GATEWAY",
        conflicts_with = "client_keys_dir"
    )]
    pub kubernetes_gateway: Option<GatewayName>,

    /// Keep invites and client keys in this directory, which is made if it is not there.
    #[arg(long, env = "ANYRAY_CLIENT_KEYS_DIR")]
    pub client_keys_dir: Option<PathBuf>,

    /// Directory in which the replica remembers the hashes of client keys, for a restart while the
    /// cluster's API is away [default: none; nothing is remembered].
    #[arg(long, env = "ANYRAY_STATE_DIR")]
    pub state_dir: Option<PathBuf>,

    /// Name of this replica, for the records of invites.
    #[arg(long, env = "POD_NAME", default_value = "anyray-gateway")]
    pub replica_name: String,

    /// Address and port for callers.
    #[arg(long, env = "ANYRAY_LISTEN", default_value = "0.0.0.0:8787")]
    pub listen: SocketAddr,

    /// Address and port for readiness, metrics and configuration status.
    #[arg(long, env = "ANYRAY_OPS_LISTEN", default_value = "0.0.0.0:8789")]
    pub ops_listen: SocketAddr,

    /// Worker threads, one runtime each [default: the CPUs that the process may use, at most 4].
    #[arg(long, env = "ANYRAY_WORKERS")]
    pub workers: Option<NonZeroUsize>,

    /// How long requests in flight may run after SIGTERM, in milliseconds.
    #[arg(long, env = "ANYRAY_SHUTDOWN_DRAIN_MS", default_value_t = 90_000)]
    pub shutdown_drain_ms: u64,

    /// Which diagnostics to write to standard error, in the syntax of `RUST_LOG`.
    #[arg(long, env = "ANYRAY_LOG", default_value = "info")]
    pub log: String,
}

impl Options {
    /// How many workers to start.
    pub fn workers(&self) -> usize {
        self.workers.map_or_else(
            || {
                thread::available_parallelism()
                    .map_or(1, NonZeroUsize::get)
                    .min(MAX_DEFAULT_WORKERS)
            },
            NonZeroUsize::get,
        )
    }

    /// See `--shutdown-drain-ms`.
    pub fn shutdown_drain(&self) -> Duration {
        Duration::from_millis(self.shutdown_drain_ms)
    }
}
