//! The process: start, listeners and workers, configuration reloads, the ops port, shutdown.

pub mod cli;
pub mod ops;
pub mod run;
pub mod server;
pub mod telemetry;
pub mod watch;
