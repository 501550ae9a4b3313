//! The request for the provider: made, authenticated and sent.

pub mod credential;
pub mod headers;
pub mod hops;
pub mod request;
pub mod upstream;
