//! What only a cluster needs, behind the feature `cluster`: the command `run`, with a way to
//! reconcile each kind, the watches, the calls to the Kubernetes API and the ops port.
//!
//! What decides over a gateway and its keys without a cluster, too, is in [`crate::gateway`] and
//! [`crate::provider_key`].

pub mod run;

pub mod client_key;
pub mod gateway;
pub mod invite;
pub mod provider_key;

pub mod conditions;
pub mod found;
pub mod minted;
pub mod unreadable;

pub mod api;
pub mod context;
pub mod controller;
pub mod guard;
pub mod metrics;
pub mod ops;
pub mod pod_report;
pub mod push;
pub mod reconcile;
pub mod scope;
pub mod watch;
