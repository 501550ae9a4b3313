//! The LLM providers that Anyray knows: where a request goes, how it is signed and which of their
//! own paths the gateway serves.
//!
//! All of it is pure. What a body looks like is a dialect's matter, see `anyray_wire`; sending is
//! the gateway's.
//! A vendor whose API is OpenAI's is a row of [`provider::openai_compatible::VENDORS`]; any other
//! provider that speaks a known dialect is one file in `provider/`, with its `mod` line, and one line
//! in [`ALL`].

pub mod check;
pub mod path;
pub mod provider;
pub mod registry;
pub mod settings;

pub use path::{Methods, Operation, Route};
pub use provider::{Adaptation, AuthScheme, Call, PathError, Provider};
pub use registry::{ALL, find, native, slugs};
