//! What can be done about invites, a file each.

pub mod address;
pub mod code;
pub mod create;
pub mod list;
pub mod manifest;
pub mod revoke;
