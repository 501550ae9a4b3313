//! A JSON text, read: where its objects, commas and comments are.

use std::ops::Range;

use jsonc_parser::{
    CollectOptions, CommentCollectionStrategy, ParseOptions, ParseStringErrorKind,
    ast::{Object, Value},
    common::Ranged as _,
    errors::ParseErrorKind,
    parse_to_ast,
    tokens::Token,
};

use crate::edit::EditFault;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// JSON with comments and commas at the end, and nothing of what else the parser would take.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_trailing_commas: true,
    allow_loose_object_property_names: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// Bytes of a body and what to put there, in order and apart from each other.
pub(super) type Changes = Vec<(Range<usize>, String)>;

/// A text without its byte order mark, and what is in it.
pub(super) struct Source<'t> {
    text: &'t str,
    body: &'t str,
    root: Option<Object<'t>>,
    marks: Vec<Mark>,
}

/// A comma or a comment.
struct Mark {
    kind: Kind,
    range: Range<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Comma,
    LineComment,
    BlockComment,
    Closing,
    Other,
}

/// How far a path leads.
pub(super) struct Found<'s, 'p> {
    /// The objects on the way, the root first.
    pub(super) objects: Vec<&'s Object<'s>>,
    /// The last property on the way.
    pub(super) property: Option<Property<'s>>,
    /// The keys that there are no properties for.
    pub(super) rest: &'p [&'p str],
}

/// A property and the object that it is in.
#[derive(Clone)]
pub(super) struct Property<'s> {
    pub(super) object: &'s Object<'s>,
    pub(super) index: usize,
    /// From its name to its value.
    pub(super) own: Range<usize>,
    value: Range<usize>,
}

impl Found<'_, '_> {
    /// Where the value is.
    pub(super) fn value(&self) -> Range<usize> {
        let value = self.property.as_ref().map(|it| it.value.clone());
        value.unwrap_or_default()
    }
}

impl<'t> Source<'t> {
    /// Reads a text whose value is an object, or that has none.
    pub(super) fn read(text: &'t str) -> Result<Self, EditFault> {
        let body = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let collect = CollectOptions {
            comments: CommentCollectionStrategy::AsTokens,
            tokens: true,
        };
        let read = parse_to_ast(body, &collect, &OPTIONS)
            .map_err(|error| EditFault::at(body, error.range().start, describe(error.kind())))?;
        let root = match read.value {
            Some(Value::Object(root)) => Some(root),
            Some(other) => {
                let at = other.range().start;
                return Err(EditFault::at(body, at, "the settings are no JSON object"));
            }
            None => None,
        };
        let marks = read.tokens.unwrap_or_default().into_iter();
        let marks = marks.map(|token| Mark {
            kind: match token.token {
                Token::Comma => Kind::Comma,
                Token::CommentLine(_) => Kind::LineComment,
                Token::CommentBlock(_) => Kind::BlockComment,
                Token::CloseBrace | Token::CloseBracket => Kind::Closing,
                _ => Kind::Other,
            },
            range: token.range.start..token.range.end,
        });
        Ok(Self {
            text,
            body,
            root,
            marks: marks.collect(),
        })
    }

    /// A fault at the first comment, or comma that nothing follows.
    pub(super) fn check_strict(&self) -> Result<(), EditFault> {
        let mut marks = self.marks.iter().peekable();
        while let Some(mark) = marks.next() {
            let what = match (mark.kind, marks.peek().map(|next| next.kind)) {
                (Kind::LineComment | Kind::BlockComment, _) => "a comment",
                (Kind::Comma, Some(Kind::Closing)) => "a comma that nothing follows",
                _ => continue,
            };
            return Err(EditFault::at(self.body, mark.range.start, what));
        }
        Ok(())
    }

    /// All but the byte order mark.
    pub(super) fn body(&self) -> &'t str {
        self.body
    }

    /// The byte order mark, if there is one.
    pub(super) fn byte_order_mark(&self) -> &'t str {
        self.text.strip_suffix(self.body).unwrap_or_default()
    }

    /// Whether there is neither a value nor a comment.
    pub(super) fn is_blank(&self) -> bool {
        self.body.trim().is_empty()
    }

    /// Whether there is a comment, but no value.
    pub(super) fn has_only_comments(&self) -> bool {
        self.root.is_none() && !self.is_blank()
    }

    /// How lines end, as the first of them shows.
    pub(super) fn newline(&self) -> &'static str {
        match self.body.split_once('\n') {
            Some((first, _)) if first.ends_with('\r') => "\r\n",
            _ => "\n",
        }
    }

    /// Follows a path of keys as far as there are properties.
    pub(super) fn find<'s, 'p>(&'s self, path: &'p [&'p str]) -> Result<Found<'s, 'p>, EditFault> {
        let mut found = Found {
            objects: self.root.iter().collect(),
            property: None,
            rest: path,
        };
        while let Some((key, rest)) = found.rest.split_first() {
            let Some(object) = found.objects.last().copied() else {
                break;
            };
            let Some(property) = self.find_property(object, key)? else {
                break;
            };
            let value = object.properties.get(property.index).map(|it| &it.value);
            match value {
                Some(Value::Object(inner)) => found.objects.push(inner),
                _ if rest.is_empty() => {}
                _ => {
                    let message = format!("`{key}` is no object");
                    return Err(EditFault::at(self.body, property.value.start, message));
                }
            }
            found.rest = rest;
            found.property = Some(property);
        }
        Ok(found)
    }

    fn find_property<'s>(
        &self,
        object: &'s Object<'s>,
        key: &str,
    ) -> Result<Option<Property<'s>>, EditFault> {
        let all = object.properties.iter().enumerate();
        let mut all = all.filter(|(_, property)| property.name.as_str() == key);
        let first = all.next();
        if let Some((_, second)) = all.next() {
            let message = format!("`{key}` is there twice");
            return Err(EditFault::at(self.body, second.range.start, message));
        }
        Ok(first.map(|(index, property)| Property {
            object,
            index,
            own: property.range.start..property.range.end,
            value: property.value.range().start..property.value.range().end,
        }))
    }

    /// The value that was found, as it is written.
    pub(super) fn literal(&self, found: &Found<'_, '_>) -> &'t str {
        match &found.property {
            Some(property) => self.slice(property.value.clone()),
            None => self.body,
        }
    }

    /// A fault of the value at a path.
    pub(super) fn fault_at(&self, path: &[&str], what: &str) -> EditFault {
        let at = self.find(path).map(|found| found.value().start);
        let key = path.last().copied().unwrap_or_default();
        EditFault::at(self.body, at.unwrap_or_default(), format!("`{key}` {what}"))
    }

    /// A part of the body.
    pub(super) fn slice(&self, range: Range<usize>) -> &'t str {
        self.body.get(range).unwrap_or_default()
    }

    /// The text with these changes.
    pub(super) fn replace(&self, changes: Changes) -> String {
        let mut text = self.byte_order_mark().to_owned();
        let mut at = 0;
        for (range, replacement) in changes {
            text.push_str(self.slice(at..range.start));
            text.push_str(&replacement);
            at = range.end;
        }
        text.push_str(self.slice(at..self.body.len()));
        text
    }

    /// The comma that follows, if nothing but comments is before it.
    pub(super) fn comma_after(&self, at: usize) -> Option<Range<usize>> {
        let mut marks = self.marks.iter().skip_while(|mark| mark.range.start < at);
        let next = marks.find(|mark| !mark.is_comment())?;
        (next.kind == Kind::Comma).then(|| next.range.clone())
    }

    /// The end of the last comment in a part.
    pub(super) fn last_comment_end(&self, part: &Range<usize>) -> Option<usize> {
        let inside = |mark: &&Mark| part.contains(&mark.range.start) && mark.is_comment();
        self.marks.iter().rfind(inside).map(|mark| mark.range.end)
    }

    /// Whether there is a comment in a part.
    pub(super) fn has_comment(&self, part: &Range<usize>) -> bool {
        self.last_comment_end(part).is_some()
    }

    /// The end of the comments that follow on the same line.
    pub(super) fn end_with_comments(&self, at: usize) -> usize {
        let mut end = at;
        for mark in self.marks.iter().filter(|mark| mark.range.start >= at) {
            let gap = self.slice(end..mark.range.start);
            if !mark.is_comment() || gap.contains('\n') {
                break;
            }
            end = mark.range.end;
        }
        end
    }

    /// The indentation of the line of a byte, if there is nothing else before it on the line.
    pub(super) fn own_indent(&self, at: usize) -> Option<&'t str> {
        let before = self.slice(self.line_start(at)..at);
        before.trim().is_empty().then_some(before)
    }

    /// The indentation of the line of a byte.
    pub(super) fn indent(&self, at: usize) -> &'t str {
        let line = self.slice(self.line_start(at)..at);
        let indent = line.len() - line.trim_start().len();
        line.get(..indent).unwrap_or_default()
    }

    fn line_start(&self, at: usize) -> usize {
        self.slice(0..at)
            .rfind('\n')
            .map_or(0, |newline| newline + 1)
    }

    /// The lines of a part with the newline before them, if nothing else is on them.
    pub(super) fn whole_lines(&self, part: &Range<usize>) -> Option<Range<usize>> {
        self.own_indent(part.start)?;
        let before = self
            .slice(0..self.line_start(part.start))
            .strip_suffix('\n')?;
        let before = before.strip_suffix('\r').unwrap_or(before);
        let after = self.slice(part.end..self.body.len());
        let (rest_of_line, _) = after.split_once('\n')?;
        let is_carriage_return = usize::from(rest_of_line.ends_with('\r'));
        let end = part.end + rest_of_line.len() - is_carriage_return;
        rest_of_line.trim().is_empty().then_some(before.len()..end)
    }

    /// How many blanks follow on the same line.
    pub(super) fn blank_from(&self, at: usize) -> usize {
        let after = self.slice(at..self.body.len());
        after.len() - after.trim_start_matches([' ', '\t']).len()
    }

    /// The end of what is before a byte, but for blanks; a comment to the end of its line keeps it.
    pub(super) fn content_end_before(&self, at: usize) -> usize {
        let end = self.slice(0..at).trim_end().len();
        let is_line_comment = |mark: &Mark| {
            mark.kind == Kind::LineComment && mark.range.contains(&end.saturating_sub(1))
        };
        if self.marks.iter().any(is_line_comment) {
            at
        } else {
            end
        }
    }
}

impl Mark {
    fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::LineComment | Kind::BlockComment)
    }
}

/// What is wrong, in the parser's words but for the text's own.
fn describe(kind: &ParseErrorKind) -> String {
    let words = match kind {
        ParseErrorKind::String(ParseStringErrorKind::InvalidUnicodeEscapeSequence(_)) => {
            "invalid unicode escape sequence".to_owned()
        }
        other => other.to_string(),
    };
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(characters).collect()
}
