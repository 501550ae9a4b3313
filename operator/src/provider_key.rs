//! `ProviderKey`: whether it and what it names can be used, in a cluster and without one.

pub mod credential;
pub mod material;
pub mod validate;
