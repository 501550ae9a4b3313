//! Anyray's custom resources: types, schemas, the rules that objects must keep.
//!
//! What the operator does with them is in the crate `anyray-operator`.

pub mod access;
#[cfg(feature = "admission")]
pub mod admission;
pub mod conditions;
pub mod schema;
pub mod v1alpha1;
pub mod validation;

/// The API group of every kind; labels and annotations have it as their prefix.
pub const GROUP: &str = "anyray.ai";
