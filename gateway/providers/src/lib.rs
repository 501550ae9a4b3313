//! The LLM providers that Anyray knows: where a request goes, how it is signed and which of their
//! own paths the gateway serves.
//!
//! All of it is pure. What a body looks like is a dialect's matter, see `anyray_wire`; sending is
//! the gateway's.
//! A new provider that speaks a known dialect is one file in `provider/`, with its `mod` line, and
//! one line in [`ALL`].

pub mod path;
pub mod provider;
pub mod settings;

pub use path::{Methods, Operation, Route};
pub use provider::{ALL, AuthScheme, Call, Carriage, PathError, Provider, find, native, slugs};
