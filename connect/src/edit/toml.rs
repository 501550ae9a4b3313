//! Changes of TOML that leave the rest byte for byte as it was.
//!
//! Values are named by a path of keys. Each change reads the text again and replaces only the lines
//! that it is about; `toml_edit` says where they are.

use std::ops::Range;

use toml_edit::{Document, Item, Key, Table, Value};

use super::EditFault;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads a text and forgets it: whether it can be changed at all.
///
/// # Errors
/// [`EditFault`] if it is no TOML.
pub fn check(text: &str) -> Result<(), EditFault> {
    read(text).map(|_| ())
}

/// A string as TOML writes it.
pub fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// The value at a path, as it is written in the text, or the header of the table that is there.
///
/// # Errors
/// [`EditFault`] if the text is no TOML.
pub fn find_literal<'t>(text: &'t str, path: &[&str]) -> Result<Option<&'t str>, EditFault> {
    let document = read(text)?;
    let span = find(&document, path).and_then(Item::span);
    Ok(span.and_then(|span| text.get(span)))
}

/// The string at a path; none if there is nothing.
///
/// # Errors
/// [`EditFault`] if the text is no TOML, or the value no string.
pub fn find_string(text: &str, path: &[&str]) -> Result<Option<String>, EditFault> {
    let document = read(text)?;
    let Some(item) = find(&document, path) else {
        return Ok(None);
    };
    match item.as_str() {
        Some(string) => Ok(Some(string.to_owned())),
        None => Err(fault_at(text, item, path, "is no string")),
    }
}

/// The keys in the table at a path, in their order.
///
/// # Errors
/// [`EditFault`] if the text is no TOML.
pub fn find_keys(text: &str, path: &[&str]) -> Result<Vec<String>, EditFault> {
    let document = read(text)?;
    let table = find(&document, path).and_then(Item::as_table_like);
    let keys = table.map(|table| table.iter().map(|(key, _)| key.to_owned()));
    Ok(keys.map(Iterator::collect).unwrap_or_default())
}

/// The text with a value at a path, in place of what is there. Tables that are missing are added
/// at the end.
///
/// # Errors
/// [`EditFault`] if the text is no TOML, or a key on the way is no table or one that cannot be
/// added to.
pub fn set(text: &str, path: &[&str], literal: &str) -> Result<String, EditFault> {
    let document = read(text)?;
    let Some((key, tables)) = path.split_last() else {
        return Ok(text.to_owned());
    };
    let line = format!("{} = {literal}", Key::new(*key));
    let changed = match (find(&document, path), find(&document, tables)) {
        (Some(Item::Value(value)), _) => {
            let span = value.span().unwrap_or_default();
            replace(text, span, literal)
        }
        (None, Some(Item::Value(Value::InlineTable(table)))) => {
            insert_inline(text, table.span().unwrap_or_default(), &line)
        }
        (Some(item), _) => return Err(fault_at(text, item, path, "is a table, not a value")),
        (None, Some(Item::Table(table))) if !table.is_implicit() => {
            let at = insertion_place(text, tables, table);
            insert_line(text, at, &line)
        }
        (None, Some(Item::Table(_)) | None) => {
            let header: Vec<String> = tables.iter().map(|it| Key::new(*it).to_string()).collect();
            let table = append_paragraph(text, &format!("[{}]", header.join(".")));
            insert_line(
                &table,
                table.len(),
                &format!("{} = {literal}", Key::new(*key)),
            )
        }
        (None, Some(item)) => return Err(fault_at(text, item, tables, "is no table")),
    };
    // A table that is written by dotted keys cannot be added to by its header.
    let is_read_back = find_literal(&changed, path).is_ok_and(|found| found == Some(literal));
    if is_read_back {
        return Ok(changed);
    }
    let name = tables.join(".");
    Err(EditFault::new(format!(
        "nothing can be added to `{name}` as it is written: write it as a table, [{name}]"
    )))
}

/// The text without the value at a path; the same if there is none.
///
/// # Errors
/// [`EditFault`] if the text is no TOML.
pub fn remove(text: &str, path: &[&str]) -> Result<String, EditFault> {
    let document = read(text)?;
    let Some((key, tables)) = path.split_last() else {
        return Ok(text.to_owned());
    };
    let Some(Item::Value(value)) = find(&document, path) else {
        return Ok(text.to_owned());
    };
    let value = value.span().unwrap_or_default();
    Ok(match find(&document, tables) {
        Some(Item::Value(Value::InlineTable(table))) => {
            let name = table.key(key).and_then(Key::span).unwrap_or_default();
            remove_inline(text, name.start..value.end)
        }
        _ => without_lines(text, value),
    })
}

/// The text with the value that another has at a path, or with none if the other has none.
///
/// # Errors
/// Those of [`set`], for both texts.
pub fn restore(text: &str, path: &[&str], from: &str) -> Result<String, EditFault> {
    let document = read(from)?;
    match find(&document, path).and_then(Item::as_value) {
        Some(value) => {
            let literal = value.span().and_then(|span| from.get(span));
            set(text, path, literal.unwrap_or_default())
        }
        None => remove(text, path),
    }
}

/// The text without the table at a path, if that is there and holds nothing.
///
/// # Errors
/// [`EditFault`] if the text is no TOML.
pub fn remove_if_empty(text: &str, path: &[&str]) -> Result<String, EditFault> {
    let document = read(text)?;
    match find(&document, path) {
        Some(Item::Value(Value::InlineTable(table))) if table.is_empty() => remove(text, path),
        Some(Item::Table(table)) if table.is_empty() && !table.is_implicit() => {
            let header = table.span().unwrap_or_default();
            let changed = without_lines(text, header.clone());
            // The blank line that parted it from what was before goes with it.
            let before = text
                .get(..line_start(text, header.start))
                .unwrap_or_default();
            let blank = [("\r\n\r\n", 2), ("\n\n", 1)];
            let blank = blank.iter().find(|(end, _)| before.ends_with(end));
            Ok(match blank {
                Some((_, length)) => replace(&changed, before.len() - length..before.len(), ""),
                None => changed,
            })
        }
        _ => Ok(text.to_owned()),
    }
}

/// How lines end, as the first of them shows.
pub fn newline(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

fn read(text: &str) -> Result<Document<&str>, EditFault> {
    Document::parse(text).map_err(|error| {
        let message = error.message().lines().next().unwrap_or_default();
        match error.span() {
            Some(span) => fault(text, span.start, message),
            None => EditFault::new(message),
        }
    })
}

fn find<'d>(document: &'d Document<&str>, path: &[&str]) -> Option<&'d Item> {
    path.iter()
        .try_fold(document.as_item(), |item, key| item.get(key))
}

fn fault_at(text: &str, item: &Item, path: &[&str], what: &str) -> EditFault {
    let at = item.span().map_or(0, |span| span.start);
    fault(text, at, format!("`{}` {what}", path.join(".")))
}

/// A fault at a byte; a byte order mark is no column that people see.
fn fault(text: &str, at: usize, message: impl Into<String>) -> EditFault {
    let body = text.trim_start_matches(BYTE_ORDER_MARK);
    EditFault::at(body, at.saturating_sub(text.len() - body.len()), message)
}

/// The text with one more value in an inline table.
fn insert_inline(text: &str, table: Range<usize>, added: &str) -> String {
    let inside = text.get(table.start..table.end.saturating_sub(1));
    let inside = inside.unwrap_or_default().trim_end();
    let gap = if inside.ends_with(['{', ',']) {
        " "
    } else {
        ", "
    };
    replace(text, table, &format!("{inside}{gap}{added} }}"))
}

/// The text without a value of an inline table, from its key on, and without its comma.
fn remove_inline(text: &str, part: Range<usize>) -> String {
    let before = text.get(..part.start).unwrap_or_default().trim_end();
    if before.ends_with(',') {
        return replace(text, before.len() - 1..part.end, "");
    }
    let after = text.get(part.end..).unwrap_or_default().trim_start();
    let rest = after.strip_prefix(',').map(str::trim_start);
    let end = rest.map_or(part.end, |rest| text.len() - rest.len());
    replace(text, part.start..end, "")
}

/// Where a line can be added to a table that has a header, or to the root.
fn insertion_place(text: &str, path: &[&str], table: &Table) -> usize {
    let values = table.iter().filter_map(|(_, item)| item.as_value());
    let last = values.filter_map(Value::span).map(|span| span.end).max();
    let header = table.span().filter(|_| !path.is_empty());
    match last.or(header.map(|header| header.end)) {
        Some(end) => end + line_rest(text, end).len(),
        None => head_end(text),
    }
}

/// The end of the comment at the top, if a blank line or nothing follows it; else the top.
fn head_end(text: &str) -> usize {
    let mark = text.len() - text.trim_start_matches(BYTE_ORDER_MARK).len();
    let mut end = mark;
    for line in text.get(mark..).unwrap_or_default().split_inclusive('\n') {
        match line.trim() {
            "" => return end,
            comment if comment.starts_with('#') => end += line.len(),
            _ => return mark,
        }
    }
    end
}

/// The text with a line at the end of another line, or at the start of a line.
fn insert_line(text: &str, at: usize, line: &str) -> String {
    let newline = newline(text);
    let before = text
        .get(..at)
        .unwrap_or_default()
        .trim_start_matches(BYTE_ORDER_MARK);
    let gap = match before {
        "" => "",
        before if before.ends_with('\n') => "",
        _ => newline,
    };
    replace(text, at..at, &format!("{gap}{line}{newline}"))
}

/// The text with a line at its end, behind a blank one.
fn append_paragraph(text: &str, line: &str) -> String {
    let newline = newline(text);
    let is_parted = text.is_empty() || text.ends_with(&newline.repeat(2));
    let gap = if is_parted { "" } else { newline };
    let whole = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        newline
    };
    format!("{text}{whole}{gap}{line}{newline}")
}

/// The text without the lines of a part, but with a comment behind it.
fn without_lines(text: &str, part: Range<usize>) -> String {
    let rest = line_rest(text, part.end);
    let start = line_start(text, part.start);
    let end = part.end + rest.len() - rest.trim_start_matches([' ', '\t']).len();
    match rest.trim() {
        "" => replace(text, start..part.end + rest.len(), ""),
        _ => replace(text, start..end, ""),
    }
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    let mark = before.len() - before.trim_start_matches(BYTE_ORDER_MARK).len();
    before.rfind('\n').map_or(mark, |newline| newline + 1)
}

/// What follows up to the end of the line, with it.
fn line_rest(text: &str, at: usize) -> &str {
    let rest = text.get(at..).unwrap_or_default();
    rest.split_inclusive('\n').next().unwrap_or_default()
}

fn replace(text: &str, part: Range<usize>, replacement: &str) -> String {
    let before = text.get(..part.start).unwrap_or_default();
    let after = text.get(part.end..).unwrap_or_default();
    format!("{before}{replacement}{after}")
}

#[cfg(test)]
mod tests;
