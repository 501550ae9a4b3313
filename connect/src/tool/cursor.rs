//! Cursor.

use super::{Tool, Way};

/// Cursor.
pub const TOOL: Tool = Tool {
    id: "cursor",
    title: "Cursor",
    is_present: |_| false,
    way: Way::ByHand(|_| Vec::new()),
};
