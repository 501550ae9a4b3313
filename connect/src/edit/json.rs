//! Changes of JSON that leave the rest byte for byte as it was: comments, order, indentation,
//! commas at the end, line ends and a byte order mark.
//!
//! Values are named by a path of keys, those of objects inside objects. Each change reads the text
//! again, which for files of settings costs nothing, and replaces only the bytes that it is about.
//! How a text is read is in `source`, how a new property is laid out in `layout`.

use serde::de::IgnoredAny;
use serde_json::Value as Json;

use self::{
    layout::Layout,
    source::{Changes, Property, Source},
};
use super::{EditFault, Place};

mod layout;
mod source;

/// Reads a text and forgets it: whether it can be changed at all.
///
/// # Errors
/// [`EditFault`] if it is no JSON object, or not empty.
pub fn check(text: &str) -> Result<(), EditFault> {
    Source::read(text).map(|_| ())
}

/// Whether a text is JSON and no more: without comments and commas that nothing follows. A byte
/// order mark may be there, and nothing at all.
///
/// # Errors
/// Those of [`check`], and the first of what JSON has not.
pub fn check_strict(text: &str) -> Result<(), EditFault> {
    let source = Source::read(text)?;
    source.check_strict()?;
    if source.is_blank() {
        return Ok(());
    }
    serde_json::from_str::<IgnoredAny>(source.body())
        .map(|_| ())
        .map_err(|error| EditFault {
            place: Some(Place {
                line: error.line(),
                column: error.column(),
            }),
            message: "that is no JSON".to_owned(),
        })
}

/// The value at a path, as it is written in the text; none if there is none.
///
/// # Errors
/// [`EditFault`] if the text is no JSON object, something on the way is no object, or a key on the
/// way is there twice.
pub fn find_literal<'t>(text: &'t str, path: &[&str]) -> Result<Option<&'t str>, EditFault> {
    let source = Source::read(text)?;
    let found = source.find(path)?;
    Ok(found.rest.is_empty().then(|| source.literal(&found)))
}

/// The string at a path; none if there is nothing.
///
/// # Errors
/// Those of [`find_literal`], and if the value is no string.
pub fn find_string(text: &str, path: &[&str]) -> Result<Option<String>, EditFault> {
    let Some(literal) = find_literal(text, path)? else {
        return Ok(None);
    };
    match serde_json::from_str(literal) {
        Ok(Json::String(string)) => Ok(Some(string)),
        _ => Err(Source::read(text)?.fault_at(path, "is no string")),
    }
}

/// The text with a string at a path, in place of what is there; missing objects are made.
///
/// # Errors
/// Those of [`find_literal`].
pub fn set_string(text: &str, path: &[&str], value: &str) -> Result<String, EditFault> {
    set_literal(text, path, &Json::from(value).to_string())
}

/// [`set_string`] with a value as JSON writes it, on one line.
///
/// # Errors
/// Those of [`find_literal`].
pub fn set_literal(text: &str, path: &[&str], literal: &str) -> Result<String, EditFault> {
    let source = Source::read(text)?;
    if source.is_blank() {
        let mark = source.byte_order_mark();
        return set_literal(&format!("{mark}{{}}\n"), path, literal);
    }
    if source.has_only_comments() {
        let newline = source.newline();
        let gap = if text.ends_with('\n') { "" } else { newline };
        return set_literal(&format!("{text}{gap}{{}}{newline}"), path, literal);
    }
    let found = source.find(path)?;
    if found.rest.is_empty() {
        return Ok(source.replace(vec![(found.value(), literal.to_owned())]));
    }
    let Some(object) = found.objects.last() else {
        return Err(EditFault::new("the settings are no JSON object"));
    };
    let layout = Layout::of(&source, &found.objects);
    let added = layout.write(found.rest, literal);
    Ok(source.replace(layout.insertion(&source, object, &added)))
}

/// The text without the property at a path; the same if there is none.
///
/// # Errors
/// Those of [`find_literal`].
pub fn remove(text: &str, path: &[&str]) -> Result<String, EditFault> {
    let source = Source::read(text)?;
    let found = source.find(path)?;
    Ok(match found.property {
        Some(property) if found.rest.is_empty() => source.replace(removal(&source, property)),
        _ => text.to_owned(),
    })
}

/// The text with what another has at a path, or with nothing there if the other has nothing.
///
/// # Errors
/// Those of [`find_literal`], for both texts.
pub fn restore(text: &str, path: &[&str], from: &str) -> Result<String, EditFault> {
    match find_literal(from, path)? {
        Some(literal) => set_literal(text, path, literal),
        None => remove(text, path),
    }
}

/// Whether the value at a path is an object with nothing in it, not even a comment; for the empty
/// path, whether the text as a whole holds nothing.
///
/// # Errors
/// Those of [`find_literal`].
pub fn is_empty_object(text: &str, path: &[&str]) -> Result<bool, EditFault> {
    let source = Source::read(text)?;
    if path.is_empty() {
        return Ok(source.is_blank() || is_empty_braces(source.body()));
    }
    Ok(find_literal(text, path)?.is_some_and(is_empty_braces))
}

fn is_empty_braces(literal: &str) -> bool {
    let inside = literal.trim().strip_prefix('{');
    let inside = inside.and_then(|rest| rest.strip_suffix('}'));
    inside.is_some_and(|inside| inside.trim().is_empty())
}

/// The bytes to replace so that a property is gone.
fn removal(source: &Source<'_>, property: Property<'_>) -> Changes {
    let Property {
        object, index, own, ..
    } = property;
    let interior = object.range.start + 1..object.range.end - 1;
    if object.properties.len() == 1 && !source.has_comment(&interior) {
        return vec![(interior, String::new())];
    }
    let comma = source.comma_after(own.end);
    let end = comma.as_ref().map_or(own.end, |comma| comma.end);
    let gone = match source.whole_lines(&(own.start..end)) {
        Some(lines) => lines,
        // A comment behind it stays where it is.
        None if comma.is_some() || source.own_indent(own.start).is_some() => {
            own.start..end + source.blank_from(end)
        }
        None => source.content_end_before(own.start)..end,
    };
    let mut changes = vec![(gone, String::new())];
    // What was next to last must not end in a comma now, unless the last did.
    if comma.is_none()
        && let Some(before) = index.checked_sub(1)
        && let Some(before) = object.properties.get(before)
        && let Some(comma) = source.comma_after(before.range.end)
    {
        changes.insert(0, (comma, String::new()));
    }
    changes
}

#[cfg(test)]
mod tests;
