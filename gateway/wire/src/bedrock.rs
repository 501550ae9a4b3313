//! Amazon Bedrock's shapes, as far as pass-through and Claude need them.
//!
//! The framing of its streams is [`crate::aws_event_stream`]; signatures are the gateway's matter.

pub mod claude;
pub mod error;
pub mod usage;
