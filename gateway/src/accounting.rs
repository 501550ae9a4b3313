//! What is reported of requests: metrics and the access log.

pub mod access_log;
pub mod log_buffer;
pub mod metrics;
