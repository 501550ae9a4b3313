//! The kubectl plugin `kubectl anyray`: makes and ends invites and client keys of gateways.
//!
//! It talks to the Kubernetes API alone, with the rights of whoever calls it.

pub mod cli;
pub mod failure;
pub mod invite;
pub mod key;
pub mod object;
pub mod output;
pub mod run;
pub mod screen;
pub mod session;
