//! Changes of json texts.
