//! The data plane: an OpenAI- and Anthropic-compatible gateway that passes bytes through.
//!
//! In reading order: [`pipeline`] is a request's way; [`inbound`], [`auth`], [`routing`] and
//! [`outbound`] decide, purely; [`callers`], [`access`] and [`store`] know who may call;
//! [`credential`] signs; [`body`], [`upstream`] and [`stream`] move bytes; [`record`], [`metrics`],
//! [`access_log`] and [`log_buffer`] account; [`config`] holds what is served; [`api`], [`ops`],
//! [`server`] and [`run`] are the process around it. `cluster`, behind the feature of that name, is what
//! only a gateway in a cluster needs.

pub mod access;
pub mod access_log;
pub mod admin_host;
pub mod api;
pub mod auth;
pub mod body;
pub mod callers;
pub mod cli;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod config;
pub mod credential;
pub mod custom_host;
pub mod error;
pub mod headers;
pub mod hops;
pub mod identity;
pub mod inbound;
pub mod issuer;
pub mod log_buffer;
pub mod meter;
pub mod metrics;
pub mod models;
pub mod ops;
pub mod outbound;
pub mod passthrough;
pub mod pipeline;
pub mod random;
pub mod record;
pub mod routing;
pub mod run;
pub mod server;
pub mod service_account;
pub mod state;
pub mod store;
pub mod stream;
pub mod strict_json;
pub mod telemetry;
#[cfg(test)]
mod timing;
pub mod upstream;
