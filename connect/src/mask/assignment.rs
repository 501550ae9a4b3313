//! Secrets that are known by the name that they are assigned to, in JSON, TOML, shells, headers,
//! arguments and addresses.

use std::ops::Range;

use super::{HIDDEN, prefix_of, split_scheme};
use crate::setup::PLACEHOLDER;

/// What the last word of a name is if it stands for something about a secret.
const ABOUT: &[&str] = &[
    "command", "count", "env", "file", "helper", "id", "limit", "mode", "ms", "name", "path",
    "size", "type", "url",
];

/// How a word of a name ends if it stands for a secret.
const ENDINGS: &[&str] = &[
    "auth",
    "cookie",
    "credentials",
    "creds",
    "dsn",
    "keys",
    "pass",
    "passphrase",
    "pat",
    "pin",
    "pwd",
    "tokens",
    "webhook",
    "key",
    "token",
    "secret",
    "password",
    "passwd",
    "authorization",
    "credential",
];

/// The secret that is assigned by the character at this byte; `quote` is the one that is open there.
pub(super) fn value_at(line: &str, at: usize, quote: Option<char>) -> Option<Range<usize>> {
    let (left, rest) = line.split_at_checked(at)?;
    let separator = rest
        .chars()
        .next()
        .filter(|it| matches!(it, '=' | ':' | ' '))?;
    let right = rest.get(1..)?;
    if separator == ':'
        && let Some(length) = password_of_address(left, right)
    {
        return Some(at + 1..at + 1 + length);
    }
    // Comparisons, and paths of programming languages.
    if right.starts_with(['=', ':']) || left.ends_with(['=', '!', '<', '>']) {
        return None;
    }
    if !assigns_secret(left, separator) {
        return None;
    }
    let value = right.trim_start_matches([' ', '\t']);
    let start = at + 1 + right.len() - value.len();
    let is_query = separator == '=' && name_before(left).1.ends_with(['?', '&']);
    let inner = match separator {
        ':' => value_in_text(value, ",}]"),
        _ if is_query => value_in_text(value, "&#"),
        _ if quote.is_some() => value_in_text(value, ";"),
        _ => shell_word(value),
    };
    let text = value.get(inner.clone())?;
    let is_number = separator == ':' && text.parse::<f64>().is_ok();
    (!is_number && !is_public(text)).then(|| start + inner.start..start + inner.end)
}

/// Whether what follows this text and separator is a secret.
fn assigns_secret(left: &str, separator: char) -> bool {
    let left = match separator {
        // Defaults of shells, `${NAME:=value}`, and additions.
        '=' => left.trim_end_matches([':', '+', '?']),
        _ => left,
    };
    let (name, before) = name_before(left);
    if !is_secret_name(name) {
        return false;
    }
    match separator {
        // A port or a part of an address's path.
        ':' => !before.ends_with('/'),
        // `--api-key value`, `set -gx NAME value` and `setenv NAME value`.
        ' ' => {
            let mut words = before.split_whitespace().rev();
            let command = words.find(|word| !word.starts_with('-'));
            name.starts_with("--") || matches!(command, Some("set" | "setenv"))
        }
        _ => true,
    }
}

/// The name at the end of a text, with or without quotes, and what stands before.
fn name_before(left: &str) -> (&str, &str) {
    let left = left
        .trim_end()
        .trim_end_matches(['"', '\''])
        .trim_end_matches('\\');
    let is_part = |it: char| it.is_ascii_alphanumeric() || "_-".contains(it);
    let before = left.trim_end_matches(is_part);
    (left.get(before.len()..).unwrap_or_default(), before)
}

fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    let is_about = words
        .last()
        .is_some_and(|last| ABOUT.contains(&last.as_str()));
    let is_secret = |word: &String| ENDINGS.iter().any(|ending| word.ends_with(ending));
    !is_about && words.iter().any(is_secret)
}

/// The words of a name in any of the usual spellings, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for character in name.chars() {
        let is_part = character.is_ascii_alphanumeric();
        if !is_part || (was_lower && character.is_ascii_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| is_part) {
            word.push(character.to_ascii_lowercase());
        }
        was_lower = character.is_ascii_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The value in a text that is not a shell's: between quotes, or up to a blank or one of these.
fn value_in_text(value: &str, ends: &str) -> Range<usize> {
    for quote in ["\\\"", "\"", "'"] {
        if let Some(inner) = value.strip_prefix(quote) {
            let length = end_of_quoted(inner, quote);
            return quote.len()..quote.len() + length;
        }
    }
    let scheme = split_scheme(value).map_or(0, |(scheme, _)| scheme.len());
    let rest = value.get(scheme..).unwrap_or_default();
    let is_end = |it: char| it.is_whitespace() || "\"'\\".contains(it) || ends.contains(it);
    0..scheme + rest.find(is_end).unwrap_or(rest.len())
}

/// Length of what stands before a closing quote.
fn end_of_quoted(inner: &str, quote: &str) -> usize {
    let mut is_escaped = false;
    for (at, character) in inner.char_indices() {
        let here = inner.get(at..).unwrap_or_default();
        if !is_escaped && here.starts_with(quote) {
            return at;
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    inner.len()
}

/// The first word as a shell reads it, without the quotes around it if they are around all of it.
///
/// A backslash hides what follows between single quotes, too: fish reads that so, and for other
/// shells at worst too much is hidden.
fn shell_word(value: &str) -> Range<usize> {
    let mut quote = super::Quote::default();
    let end = value.char_indices().find(|&(_, character)| {
        let is_end = quote.open.is_none()
            && !quote.is_escaped
            && (character.is_whitespace() || ";&|()<>".contains(character));
        quote.pass(character);
        is_end
    });
    let end = end.map_or(value.len(), |(at, _)| at);
    let word = value.get(..end).unwrap_or_default();
    // TOML and JSON go on after the closing quote, shells' words do not.
    let word = word.trim_end_matches(|it| ",}]".contains(it) && word.starts_with(['"', '\'']));
    let quoted = ['"', '\''].iter().find_map(|&quote| {
        let inner = word.strip_prefix(quote)?;
        Some(1..1 + inner.strip_suffix(quote).unwrap_or(inner).len())
    });
    quoted.unwrap_or(0..word.len())
}

/// Whether a value is no secret: empty, an address, a reference, the name of a variable, or hidden.
fn is_public(value: &str) -> bool {
    let is_word = ["true", "false", "null", "none", PLACEHOLDER, HIDDEN].contains(&value);
    let is_address = ["http://", "https://"]
        .iter()
        .any(|it| value.starts_with(it));
    let rest = prefix_of(value).and_then(|prefix| value.strip_prefix(prefix.text));
    let is_hidden = rest.is_some_and(|rest| rest.starts_with(HIDDEN));
    value.is_empty()
        || is_word
        || is_address
        || is_hidden
        || value.starts_with(['{', '['])
        || is_reference(value)
        || is_variable(value)
}

fn is_reference(value: &str) -> bool {
    let Some(name) = value.strip_prefix('$') else {
        return false;
    };
    // The result of a command is not here; an unquoted word ends before its parenthesis.
    name.is_empty()
        || name.starts_with('(')
        || (name.starts_with('{') && name.ends_with('}') && !name.contains(':'))
        || is_upper(name)
}

/// A name of several words in capitals, as settings that name a variable hold.
fn is_variable(value: &str) -> bool {
    value.contains('_') && is_upper(value)
}

fn is_upper(name: &str) -> bool {
    let is_part = |it: char| it.is_ascii_uppercase() || it.is_ascii_digit() || it == '_';
    name.starts_with(|it: char| it.is_ascii_uppercase() || it == '_') && name.chars().all(is_part)
}

/// Length of the password in `scheme://user:password@host`, of which the text before and after a
/// colon are given.
fn password_of_address(left: &str, right: &str) -> Option<usize> {
    let (_, user) = left.rsplit_once("//")?;
    let is_end = |it: char| it.is_whitespace() || "/?#\"'`<>".contains(it);
    let authority = right.get(..right.find(is_end).unwrap_or(right.len()))?;
    let length = authority.rfind('@')?;
    let is_user = !user.contains(is_end) && !user.contains([':', '@']);
    let password = authority.get(..length)?;
    (is_user && !is_public(password)).then_some(length)
}
