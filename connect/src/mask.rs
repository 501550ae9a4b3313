//! Secrets, as people may see them.
