//! What would change in a file, as people may see it: without its secrets, and without anything
//! that a terminal would obey.

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

use crate::{mask::mask, plain::plain};

/// Unchanged lines around a change.
const CONTEXT_LINES: usize = 2;

/// What is added where a secret gives way to another and both look alike.
const ANOTHER: &str = " (another value)";

/// What git says of a last line without a line break.
const NO_LINE_BREAK: &str = "\\ No newline at end of file";

/// What a line of a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// In both texts.
    Context,
    /// In the text after.
    Added,
    /// In the text before.
    Removed,
    /// Where the lines that follow stand, as `@@ -1,2 +1,3 @@`, or that a line ends without a break.
    Hunk,
}

/// A line of a difference, without a sign before it and a line break after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiffLine {
    /// What it is.
    pub kind: LineKind,
    /// What it holds.
    pub text: String,
}

/// The lines that differ, each with some around it. A file that is not there is an empty text.
pub fn lines(before: &str, after: &str) -> Vec<DiffLine> {
    let (before, after) = (Side::of(before), Side::of(after));
    let ops = capture_diff_slices(Algorithm::Myers, &before.raw, &after.raw);
    let mut lines = Vec::new();
    for group in group_diff_ops(ops, CONTEXT_LINES) {
        if group.iter().all(|op| op.tag() == DiffTag::Equal) {
            continue;
        }
        lines.push(DiffLine {
            kind: LineKind::Hunk,
            text: header(&group),
        });
        for op in &group {
            push_op(op, (&before, &after), &mut lines);
        }
    }
    lines
}

/// The lines of a text, as they are and as they are shown.
struct Side<'t> {
    raw: Vec<&'t str>,
    shown: Vec<String>,
}

impl<'t> Side<'t> {
    fn of(text: &'t str) -> Self {
        let masked = mask(text);
        Self {
            raw: text.split_inclusive('\n').collect(),
            shown: masked
                .split_inclusive('\n')
                .map(|line| plain(line.trim_end_matches('\n')))
                .collect(),
        }
    }

    fn lines(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = (&'t str, &String)> {
        let shown = self.shown.iter().skip(range.start);
        let raw = self.raw.iter().copied().skip(range.start);
        raw.zip(shown).take(range.len())
    }
}

fn push_op(op: &DiffOp, (before, after): (&Side<'_>, &Side<'_>), lines: &mut Vec<DiffLine>) {
    let (old, new) = (op.old_range(), op.new_range());
    if op.tag() == DiffTag::Equal {
        for (raw, shown) in before.lines(old) {
            push_line(LineKind::Context, raw, shown.clone(), lines);
        }
        return;
    }
    for (raw, shown) in before.lines(old.clone()) {
        push_line(LineKind::Removed, raw, shown.clone(), lines);
    }
    for (raw, shown) in after.lines(new) {
        let content = raw.trim_end_matches('\n');
        let looks_alike = |(was, shown_before): (&str, &String)| {
            shown_before == shown && was.trim_end_matches('\n') != content
        };
        let mut text = shown.clone();
        if before.lines(old.clone()).any(looks_alike) {
            text.push_str(ANOTHER);
        }
        push_line(LineKind::Added, raw, text, lines);
    }
}

fn push_line(kind: LineKind, raw: &str, text: String, lines: &mut Vec<DiffLine>) {
    lines.push(DiffLine { kind, text });
    if !raw.ends_with('\n') {
        lines.push(DiffLine {
            kind: LineKind::Hunk,
            text: NO_LINE_BREAK.to_owned(),
        });
    }
}

/// Where the lines of a group stand, counted as `diff -u` does.
fn header(group: &[DiffOp]) -> String {
    let place = |range: fn(&DiffOp) -> std::ops::Range<usize>| {
        let start = group.first().map_or(0, |op| range(op).start);
        let end = group.last().map_or(0, |op| range(op).end);
        match end - start {
            0 => format!("{start},0"),
            1 => (start + 1).to_string(),
            length => format!("{},{length}", start + 1),
        }
    };
    let (old, new) = (place(DiffOp::old_range), place(DiffOp::new_range));
    format!("@@ -{old} +{new} @@")
}

#[cfg(test)]
mod tests;
