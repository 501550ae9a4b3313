//! Google's shapes of `generateContent`, as far as pass-through needs them.
//!
//! The same on Vertex AI and on the Gemini API.

pub mod error;
pub mod usage;
