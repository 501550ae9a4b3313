//! OpenAI's shapes, as far as pass-through needs them.

pub mod error;
pub mod usage;
