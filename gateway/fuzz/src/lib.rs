//! What fuzzing checks about the code that reads bytes from strangers: one module per target.
//!
//! `fuzz_targets/` hands each target to libFuzzer, which `make soak` runs; `tests/corpus.rs`
//! replays the committed inputs of `seeds/` and changed copies of them in `cargo test`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a target panics where its claim does not hold"
)]

pub mod aws_event_stream;
pub mod claude_bodies;
pub mod config;
pub mod key_scan;
pub mod sse;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// The name of its module, its file in `fuzz_targets/` and its folder in `seeds/`.
    pub name: &'static str,
    /// Panics where the target's claim does not hold for an input.
    pub check: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "aws_event_stream",
        check: aws_event_stream::check,
    },
    Target {
        name: "claude_bodies",
        check: claude_bodies::check,
    },
    Target {
        name: "config",
        check: config::check,
    },
    Target {
        name: "key_scan",
        check: key_scan::check,
    },
    Target {
        name: "sse",
        check: sse::check,
    },
];
