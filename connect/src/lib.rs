//! `anyray-connect`: points a developer's tools at a gateway and exchanges an invite for a key.
//!
//! Tools and their files are in [`tool`], changes of a text in [`edit`]: texts in, texts out. What is
//! written where is decided in [`plan`], done by [`apply`], and undone through what [`state`] keeps.

pub mod apply;
pub mod choose;
pub mod cli;
pub mod credential;
pub mod diff;
pub mod doctor;
pub mod edit;
pub mod environment;
pub mod failure;
pub mod file;
pub mod gateway;
pub mod gateway_url;
pub mod identity;
pub mod man;
pub mod mask;
pub mod plain;
pub mod plan;
pub mod resolver;
pub mod revert;
pub mod run;
pub mod screen;
pub mod select;
pub mod set_up;
pub mod setup;
pub mod state;
pub mod status;
pub mod tool;
