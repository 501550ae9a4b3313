//! The gateway as a process, before a fake provider: what it passes on, what it refuses, and how
//! it fails.

#![cfg(test)]

mod client_keys;
mod cloud_credentials;
mod cloud_messages;
mod cloud_paths;
mod connect;
mod credentials;
mod drain;
mod faults;
mod framing;
mod headers;
mod limits;
mod load;
mod models;
mod passthrough;
mod records;
mod redeem;
mod reload;
mod rotation;
mod routing;
mod secrets;
mod streams;
mod upstream;
mod upstream_gateways;
mod usage;
