//! Fake LLM providers for tests, the quickstart and conformance runs.
//!
//! A [`FakeProvider`] speaks the wire formats of OpenAI, Anthropic and the cloud providers on
//! one socket, over HTTP or TLS, misbehaves as a [`Scenario`] tells it to and records
//! what it got. It is as strict on credentials and required fields as the real
//! providers, and generates text by repeating the prompt. OpenAI and Anthropic take
//! any key, the cloud providers only what this crate says.
//!
//! | Module | What is there |
//! |---|---|
//! | `server`, `tls`, `service` | sockets, connections, one request over the wire |
//! | [`scenario`], `director` | what to do with a request, and who says so |
//! | [`record`], `recorder` | what came, and what became of it |
//! | `route`, `answer` | from a request to the answer, pure |
//! | `prompt`, `reply`, `example` | what an answer says, whatever its dialect |
//! | `openai`, `anthropic`, `gemini` | how a dialect writes it down |
//! | [`vertex`], [`azure_openai`] | how a cloud takes a dialect in |
//! | `bedrock`, `sigv4`, [`aws_keys`] | the cloud that has dialects and keys of its own |
//! | [`oauth`] | the token servers of the cloud providers |
//! | `stream`, `body` | when which bytes leave |

mod answer;
mod anthropic;
pub mod aws_keys;
pub mod azure_openai;
mod bedrock;
mod body;
pub mod director;
mod example;
mod gemini;
mod identity;
mod json;
pub mod oauth;
mod openai;
mod prompt;
pub mod record;
mod recorder;
mod refusal;
mod reply;
mod route;
pub mod scenario;
pub mod server;
mod service;
mod sigv4;
mod stream;
pub mod tls;
pub mod vertex;

pub use record::{Outcome, Recorded, WaitError};
pub use scenario::{Scenario, StreamFault};
pub use server::{FakeProvider, StartError};
