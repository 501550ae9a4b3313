//! The data plane: an OpenAI- and Anthropic-compatible gateway that passes bytes through.
//!
//! The folders in the order in which a request meets them; each imports only those below it, which
//! `.ci/structure` checks.
//!
//! | Module | What it does |
//! |---|---|
//! | [`process`] | starts, listens, reloads the configuration, drains |
//! | [`api`] | routes of port 8787: probes, admin API, connect API, inference |
//! | [`pipeline`] | serves one inference request: admission, attempt, answer |
//! | [`outbound`] | makes the request for the provider, authenticates and sends it |
//! | [`translation`] | between the dialects of callers and providers |
//! | [`routing`] | chooses the provider and the key |
//! | [`access`] | knows client keys and invites, and who calls |
//! | [`inbound`] | reads what the caller sent |
//! | [`config`] | parses `gateway.json` into a snapshot |
//! | [`body`] | receives request bodies within bounds |
//! | [`permit`] | counts what is bounded |
//! | [`accounting`] | metrics and the access log |
//! | [`error`] | every error that a caller can get |

pub mod access;
pub mod accounting;
pub mod api;
pub mod body;
pub mod config;
pub mod error;
pub mod inbound;
pub mod outbound;
pub mod permit;
pub mod pipeline;
pub mod process;
pub mod routing;
pub mod translation;
