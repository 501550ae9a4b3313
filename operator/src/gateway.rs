//! `AnyrayGateway`: what is decided from the custom resource and what it names, in a cluster and
//! without one.

pub mod admin;
pub mod build;
pub mod config;
pub mod custom_hosts;
pub mod validate;
