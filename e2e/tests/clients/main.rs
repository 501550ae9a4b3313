//! Real clients work unchanged through the gateway, or are refused as they expect it.
//!
//! A test of an SDK that is there for Python and for Node runs once for each.

#![cfg(test)]

mod anthropic_clouds;
mod boto3;
mod claude_code;
mod claude_code_clouds;
mod codex;
mod frameworks;
mod google_genai;
mod openai_azure;
mod refused_keys;
mod sdks;
