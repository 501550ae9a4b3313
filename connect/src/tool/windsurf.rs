//! Windsurf.

use super::{Tool, Way};

/// Windsurf.
pub const TOOL: Tool = Tool {
    id: "windsurf",
    title: "Windsurf",
    is_present: |_| false,
    way: Way::ByHand(|_| Vec::new()),
};
