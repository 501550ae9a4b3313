//! Lines of `Name: value` in one string, as `ANTHROPIC_CUSTOM_HEADERS` has them.
