//! Secrets, as people may see them.
//!
//! A secret is known by how it begins, or by the name that it is assigned to, see `mask/assignment.rs`.
//! Rather too much is hidden than too little, but no address, number or name of a variable.

use std::ops::Range;

use anyray_wire::anyray::credential::{ADMIN_TOKEN_PREFIX, CLIENT_KEY_PREFIX, INVITE_CODE_PREFIX};

use crate::setup::PLACEHOLDER;

mod assignment;

/// What stands for what is hidden.
const HIDDEN: &str = "…";

/// Fewest characters behind the prefix of a credential of ours of which the last four are shown.
const MIN_LENGTH_WITH_TAIL: usize = 16;

const TAIL_LENGTH: usize = 4;

/// Fewest characters behind the prefix of a credential of ours that is hidden even within a word.
/// Keys and codes have more.
const MIN_LENGTH_ANYWHERE: usize = 40;

/// The text without its secrets. It has as many lines as before.
///
/// Of our client keys and invite codes the last four characters stay, `ark_…WXYZ`, and of others'
/// credentials what they begin with. Our placeholder is no secret.
pub fn mask(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut is_in_private_key = false;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let line_break = line.get(content.len()..).unwrap_or_default();
        is_in_private_key = is_in_private_key && is_of_private_key(content);
        if is_in_private_key && !content.trim().is_empty() {
            masked.push_str(HIDDEN);
        } else {
            masked.push_str(&mask_line(content));
        }
        masked.push_str(line_break);
        is_in_private_key |= is_start_of_private_key(content);
    }
    masked
}

/// What people may see of a text that is a secret whatever it looks like.
pub fn mask_secret(secret: &str) -> String {
    if secret.is_empty() || secret == PLACEHOLDER {
        return secret.to_owned();
    }
    if let Some((scheme, rest)) = split_scheme(secret) {
        return format!("{scheme}{}", mask_secret(rest));
    }
    let Some(prefix) = prefix_of(secret) else {
        return HIDDEN.to_owned();
    };
    let body = secret.strip_prefix(prefix.text).unwrap_or_default();
    let length = body.chars().count();
    let is_shown = prefix.has_tail && length >= MIN_LENGTH_WITH_TAIL;
    let tail = body.chars().skip(length - TAIL_LENGTH.min(length));
    let tail: String = tail.take_while(|_| is_shown).collect();
    format!("{}{HIDDEN}{tail}", prefix.text)
}

fn mask_line(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut quote = Quote::default();
    let mut kept_to = 0;
    for (at, character) in line.char_indices() {
        if at < kept_to {
            continue;
        }
        let secret = token_at(line, at).or_else(|| assignment::value_at(line, at, quote.open));
        if let Some(range) = secret {
            masked.push_str(line.get(kept_to..range.start).unwrap_or_default());
            masked.push_str(&mask_secret(line.get(range.clone()).unwrap_or_default()));
            kept_to = range.end;
        } else {
            quote.pass(character);
        }
    }
    masked.push_str(line.get(kept_to..).unwrap_or_default());
    masked
}

/// Which quote is open at a place of a line.
#[derive(Clone, Copy, Default)]
struct Quote {
    open: Option<char>,
    is_escaped: bool,
}

impl Quote {
    fn pass(&mut self, character: char) {
        let was_escaped = std::mem::take(&mut self.is_escaped);
        match (self.open, character) {
            _ if was_escaped => {}
            (_, '\\') => self.is_escaped = true,
            (None, '"' | '\'') => self.open = Some(character),
            (Some(open), _) if open == character => self.open = None,
            _ => {}
        }
    }
}

/// How a kind of credentials begins.
struct Prefix {
    text: &'static str,
    /// Fewest characters that follow.
    min_length: usize,
    /// Whether a digit is among them, which tells keys from words.
    has_digit: bool,
    /// Whether the last characters may be shown, so that people can tell their keys apart.
    has_tail: bool,
}

/// Ours, then those of providers and of other services; the longer of two that begin alike first.
const PREFIXES: &[Prefix] = &[
    ours(CLIENT_KEY_PREFIX, true),
    ours(INVITE_CODE_PREFIX, true),
    ours(ADMIN_TOKEN_PREFIX, false),
    theirs("sk-ant-"),
    theirs("sk-proj-"),
    theirs("sk-or-"),
    theirs("sk-"),
    theirs("AIza"),
    theirs("gsk_"),
    theirs("xai-"),
    theirs("pplx-"),
    theirs("nvapi-"),
    theirs("hf_"),
    theirs("ghp_"),
    theirs("gho_"),
    theirs("ghu_"),
    theirs("ghs_"),
    theirs("ghr_"),
    theirs("github_pat_"),
    theirs("glpat-"),
    theirs("xoxb-"),
    theirs("xoxp-"),
    theirs(JWT),
];

/// The first two characters of a JSON object, and the quote of its first key, in Base64.
const JWT: &str = "eyJ";

const fn ours(text: &'static str, has_tail: bool) -> Prefix {
    Prefix {
        text,
        min_length: 5,
        has_digit: false,
        has_tail,
    }
}

const fn theirs(text: &'static str) -> Prefix {
    Prefix {
        text,
        min_length: 16,
        has_digit: true,
        has_tail: false,
    }
}

fn prefix_of(text: &str) -> Option<&'static Prefix> {
    PREFIXES.iter().find(|prefix| text.starts_with(prefix.text))
}

/// The credential that begins at this byte, known by its prefix.
fn token_at(line: &str, at: usize) -> Option<Range<usize>> {
    let (before, text) = line.split_at_checked(at)?;
    let prefix = prefix_of(text)?;
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
    // The letter of an escaped line break stands right before a header's name or value.
    let is_inside = before.ends_with(is_part) && !before.ends_with(r"\n");
    let body = text.strip_prefix(prefix.text)?;
    let is_jwt = prefix.text == JWT;
    let length = body.find(|it| !is_part(it) && (!is_jwt || it != '.'));
    let body = body.get(..length.unwrap_or(body.len()))?;
    // The name of a host may look like a key of others, but holds no underscore.
    let is_host = prefix.has_digit && before.ends_with("//");
    let is_at_start = !is_inside && !is_host;
    let is_whole = !prefix.has_digit && body.len() >= MIN_LENGTH_ANYWHERE;
    let is_token = (is_at_start || is_whole)
        && body.len() >= prefix.min_length
        && (!prefix.has_digit || body.contains(|it: char| it.is_ascii_digit()))
        && (!is_jwt || body.contains('.'));
    is_token.then(|| at..at + prefix.text.len() + body.len())
}

/// The scheme of a header `Authorization` with its space, and what follows.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    ["bearer ", "basic ", "token "].iter().find_map(|scheme| {
        let (start, rest) = text.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some((start, rest))
    })
}

/// Source: RFC 7468, section 2.
fn is_start_of_private_key(line: &str) -> bool {
    line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----") && !line.contains("-----END ")
}

fn is_of_private_key(line: &str) -> bool {
    let line = line.trim();
    let is_base64 = |it: char| it.is_ascii_alphanumeric() || "+/=".contains(it);
    let headers = ["Proc-Type:", "DEK-Info:"];
    line.chars().all(is_base64) || headers.iter().any(|it| line.starts_with(it))
}

#[cfg(test)]
mod tests;
