//! The operator: custom resources in, running gateways and true statuses out.
//!
//! Read `cluster/gateway.rs` first: to reconcile a gateway is a list of steps. The pure ones, which
//! `render` takes as well, are in `gateway/`; the others are beside it. Without the feature
//! `cluster`, `render` and `crds` are all that there is.

pub mod cli;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod error_text;
pub mod telemetry;

pub mod fault;
pub mod gateway;
pub mod provider_key;
pub mod render;

pub mod metadata;
