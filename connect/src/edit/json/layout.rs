//! How a new property is laid out: as its neighbours are.

use jsonc_parser::{ast::Object, common::Ranged as _};
use serde_json::Value as Json;

use super::source::{Changes, Source};

/// What a property takes over from those around it.
pub(super) enum Layout<'t> {
    /// Each on a line.
    Lines {
        newline: &'static str,
        indent: String,
        unit: &'t str,
    },
    /// All on one line.
    OneLine {
        /// Between a name and its value.
        colon: &'t str,
        /// Inside the braces.
        pad: &'t str,
        /// Between two properties.
        comma: &'t str,
    },
}

impl<'t> Layout<'t> {
    /// The layout of the innermost of some objects, each in the one before it.
    pub(super) fn of(source: &Source<'t>, objects: &[&Object<'_>]) -> Self {
        let innermost = objects.last().copied();
        // An empty object says nothing of its layout, but what it stands in does.
        let telling = objects.iter().rev().find(|it| !it.properties.is_empty());
        let is_lines = |object: &Object<'_>| {
            let text = source.slice(object.range.start..object.range.end);
            text.contains('\n')
        };
        match telling {
            Some(object) if !innermost.is_some_and(is_lines) && !is_lines(object) => {
                Self::on_one_line(source, object)
            }
            _ => Self::Lines {
                newline: source.newline(),
                indent: indent(source, objects),
                unit: unit(source, objects),
            },
        }
    }

    fn on_one_line(source: &Source<'t>, object: &Object<'_>) -> Self {
        let first = object.properties.first();
        let start = first.map_or(object.range.start, |it| it.range.start);
        let pad = source.slice(object.range.start + 1..start);
        let colon = first.map(|it| source.slice(it.name.range().end..it.value.range().start));
        let colon = colon.filter(|gap| gap.trim() == ":").unwrap_or(": ");
        let pair = first.zip(object.properties.get(1));
        let comma = pair.map(|(one, two)| source.slice(one.range.end..two.range.start));
        let comma = comma.filter(|gap| gap.trim() == ",");
        let usual = if colon.ends_with(' ') { ", " } else { "," };
        Self::OneLine {
            colon,
            pad: if pad.trim().is_empty() { pad } else { "" },
            comma: comma.unwrap_or(usual),
        }
    }

    /// A property with a path of keys, by objects in each other.
    pub(super) fn write(&self, path: &[&str], literal: &str) -> String {
        self.write_at(0, path, literal)
    }

    fn write_at(&self, depth: usize, path: &[&str], literal: &str) -> String {
        let Some((key, rest)) = path.split_first() else {
            return literal.to_owned();
        };
        let name = Json::from(*key);
        let colon = match self {
            Self::Lines { .. } => ": ",
            Self::OneLine { colon, .. } => colon,
        };
        if rest.is_empty() {
            return format!("{name}{colon}{literal}");
        }
        let (outer, inner) = (self.pad(depth), self.pad(depth + 1));
        let added = self.write_at(depth + 1, rest, literal);
        format!("{name}{colon}{{{inner}{added}{outer}}}")
    }

    /// What is before a property.
    fn pad(&self, depth: usize) -> String {
        match self {
            Self::Lines {
                newline,
                indent,
                unit,
            } => format!("{newline}{indent}{}", unit.repeat(depth)),
            Self::OneLine { pad, .. } => (*pad).to_owned(),
        }
    }

    /// The bytes to replace so that a property is the last of an object.
    pub(super) fn insertion(&self, source: &Source<'_>, into: &Object<'_>, added: &str) -> Changes {
        let Some(last) = into.properties.last() else {
            return self.first_insertion(source, into, added);
        };
        let comma = source.comma_after(last.range.end);
        let end = comma.as_ref().map_or(last.range.end, |comma| comma.end);
        let (gap, at) = match self {
            // A comment on the last line belongs to what stands there.
            Self::Lines { .. } => (self.pad(0), source.end_with_comments(end)),
            Self::OneLine { comma, .. } => (comma.replacen(',', "", 1), end),
        };
        if comma.is_some() {
            return vec![(at..at, format!("{gap}{added},"))];
        }
        vec![(end..end, ",".to_owned()), (at..at, gap + added)]
    }

    /// The same for an object without properties.
    fn first_insertion(&self, source: &Source<'_>, into: &Object<'_>, added: &str) -> Changes {
        let interior = into.range.start + 1..into.range.end - 1;
        let closing = match self {
            Self::Lines { newline, .. } => {
                format!("{newline}{}", source.indent(into.range.start))
            }
            Self::OneLine { pad, .. } => (*pad).to_owned(),
        };
        let from = source.last_comment_end(&interior);
        let tail = from.unwrap_or(interior.start)..interior.end;
        let closing = match source.slice(tail.clone()) {
            tail if from.is_some() && tail.contains('\n') => tail,
            _ => &closing,
        };
        vec![(tail, format!("{}{added}{closing}", self.pad(0)))]
    }
}

/// The indentation of the properties of the innermost of some objects.
fn indent(source: &Source<'_>, objects: &[&Object<'_>]) -> String {
    let Some(object) = objects.last() else {
        return String::new();
    };
    let mut own = object.properties.iter().rev();
    let own = own.find_map(|it| source.own_indent(it.range.start));
    own.map_or_else(
        || source.indent(object.range.start).to_owned() + unit(source, objects),
        str::to_owned,
    )
}

/// What one step of indentation is, as the first property of all shows.
fn unit<'t>(source: &Source<'t>, objects: &[&Object<'_>]) -> &'t str {
    let first = objects.first().and_then(|root| root.properties.first());
    let first = first.filter(|it| source.slice(0..it.range.start).contains('\n'));
    let first = first.and_then(|it| source.own_indent(it.range.start));
    first.unwrap_or("  ")
}
