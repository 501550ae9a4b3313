//! What reconciling works with.

use std::sync::Arc;

use crate::{
    cluster::{api::Cluster, metrics::Metrics, push::Push, scope::Stores},
    gateway::build::Defaults,
};

/// What reconciling works with, one per scope.
#[derive(Debug)]
pub struct Context {
    /// Reads and writes.
    pub cluster: Cluster,
    /// What the watches know.
    pub stores: Stores,
    /// Brings configurations to pods.
    pub push: Arc<Push>,
    /// What gateways get that do not say otherwise.
    pub defaults: Defaults,
    /// What is counted.
    pub metrics: Metrics,
}
