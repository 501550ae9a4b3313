//! Anthropic's shapes, as far as pass-through and the envelopes of other clouds need them.

mod betas;
pub mod envelope;
pub mod error;
pub mod foreign_error;
pub mod usage;
