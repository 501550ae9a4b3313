//! `anyray-connect`: points a developer's tools at a gateway and exchanges an invite for a key.
//!
//! Tools and their files are in [`tool`], changes of a text in [`edit`], both without I/O. What is
//! written where is decided in [`plan`], done by [`apply`], and undone through what [`state`] keeps.

pub mod edit;
pub mod environment;
pub mod gateway_url;
pub mod mask;
pub mod setup;
pub mod tool;
