//! Flags and environment variables of the program.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, thread, time::Duration};

use clap::Parser;

/// Most workers that are started without being asked for: more cores seldom help a relay.
const MAX_DEFAULT_WORKERS: usize = 4;

/// OpenAI- and Anthropic-compatible gateway to LLM providers.
#[derive(Clone, Debug, Parser)]
#[command(name = "anyray-gateway", version)]
pub struct Options {
    /// Directory with gateway.json and the files that it names.
    #[arg(long, env = "ANYRAY_CONFIG_DIR", default_value = "/etc/anyray")]
    pub config_dir: PathBuf,

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
