//! Fake LLM providers for tests, the quickstart and conformance runs.
//!
//! A [`FakeProvider`] speaks the wire formats of OpenAI and Anthropic on one
//! socket, over HTTP or TLS, misbehaves as a [`Scenario`] tells it to and records
//! what it got. It is as strict on credentials and required fields as the real
//! providers, takes any key, and generates text by repeating the prompt.
//!
//! | Module | What is there |
//! |---|---|
//! | `server`, `tls`, `service` | sockets, connections, one request over the wire |
//! | [`scenario`], `director` | what to do with a request, and who says so |
//! | [`record`], `recorder` | what came, and what became of it |
//! | `route`, `answer` | from a request to the answer, pure |
//! | `prompt`, `reply`, `example` | what an answer says, whatever its dialect |
//! | `openai`, `anthropic` | how a dialect writes it down |
//! | `stream`, `body` | when which bytes leave |

mod answer;
mod anthropic;
mod body;
pub mod director;
mod example;
mod identity;
mod json;
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
mod stream;
pub mod tls;

pub use record::{Outcome, Recorded, WaitError};
pub use scenario::Scenario;
pub use server::{FakeProvider, StartError};
