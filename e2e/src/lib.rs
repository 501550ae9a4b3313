//! Harness for tests over real processes: the gateway, fake providers and the real clients.
//!
//! A test starts a [`rig::Rig`], runs a client of [`clients`] against it and gets
//! back what both ends saw, compared by [`ends`]. Tests of the gateway alone start a
//! [`stand::Stand`] and speak to it through [`raw`], with requests of [`call`]. The
//! fakes are a crate of their own, `anyray-fakes`.

pub mod binaries;
pub mod call;
pub mod client_keys;
pub mod clients;
pub mod clouds;
pub mod cluster;
pub mod config;
pub mod developer;
pub mod difference;
pub mod ends;
pub mod exchange;
pub mod gateway;
pub mod kstatus;
pub mod mount;
pub mod ops;
pub mod provider;
pub mod raw;
pub mod rig;
pub mod sdk;
pub mod stand;
pub mod tap;
pub mod wait;
