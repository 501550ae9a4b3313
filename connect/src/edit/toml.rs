//! Changes of toml texts.
