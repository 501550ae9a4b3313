//! The operator: custom resources in, running gateways and true statuses out.
//!
//! Read `gateway.rs` first: a pass over a gateway is a list of steps, and so is its folder.

pub mod cli;
pub mod error_text;
pub mod run;

pub mod client_key;
pub mod gateway;
pub mod invite;
pub mod provider_key;
pub mod render;

pub mod conditions;
pub mod metadata;
pub mod minted;
pub mod unreadable;

pub mod cluster;
pub mod context;
pub mod controller;
pub mod guard;
pub mod metrics;
pub mod ops;
pub mod pod_report;
pub mod push;
pub mod scope;
pub mod telemetry;
pub mod watch;
