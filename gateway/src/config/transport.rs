//! How connections to a provider are made.

use std::{sync::Arc, time::Duration};

use anyray_wire::gateway_config::egress::EgressRule;

/// What a connection needs beyond host and port; equal ones share a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transport {
    /// PEM certificates to trust instead of the built-in roots.
    pub ca_bundle: Option<Arc<str>>,
    /// Which addresses may be dialled.
    pub egress: Arc<EgressRule>,
    /// For DNS, TCP and TLS together.
    pub connect_timeout: Duration,
}
