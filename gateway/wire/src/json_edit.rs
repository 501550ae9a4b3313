//! Changes to single members of a JSON text that leave every other value's bytes as they are.
//!
//! Providers' prompt caches, signatures of thinking blocks and people who compare bodies depend on
//! that: a text that goes through a tree comes out another one.

use std::fmt;

use bytes::Bytes;
use serde::{
    Deserializer as _,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Deserializer, value::RawValue};

/// Shows each member of an object in its order, duplicates included, its value as it was written.
///
/// Nothing is collected: a body of a few bytes per member would make a list many times its size.
///
/// # Errors
/// The text is no JSON object, which may turn out after some members were shown.
pub(crate) fn each_member<'a>(
    json: &'a [u8],
    show: impl FnMut(String, &'a RawValue),
) -> serde_json::Result<()> {
    let mut reader = Deserializer::from_slice(json);
    reader.deserialize_map(Members(show))?;
    reader.end()
}

/// The same for the elements of an array.
fn each_element<'a>(json: &'a [u8], show: impl FnMut(&'a RawValue)) -> serde_json::Result<()> {
    let mut reader = Deserializer::from_slice(json);
    reader.deserialize_seq(Elements(show))?;
    reader.end()
}

struct Members<F>(F);

impl<'de, F: FnMut(String, &'de RawValue)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
        while let Some((key, value)) = map.next_entry()? {
            (self.0)(key, value);
        }
        Ok(())
    }
}

struct Elements<F>(F);

impl<'de, F: FnMut(&'de RawValue)> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<S: SeqAccess<'de>>(mut self, mut elements: S) -> Result<(), S::Error> {
        while let Some(element) = elements.next_element()? {
            (self.0)(element);
        }
        Ok(())
    }
}

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Into the member of this name.
    Member(String),
    /// Into each element of an array.
    Each,
}

/// Reads a path such as `tools[].defer_loading`.
pub(crate) fn read_path(text: &str) -> Vec<Step> {
    let steps = text.split('.').flat_map(|part| {
        let name = part.trim_end_matches("[]");
        let arrays = (part.len() - name.len()) / 2;
        let member = Step::Member(name.to_owned());
        std::iter::once(member).chain(std::iter::repeat_n(Step::Each, arrays))
    });
    steps.collect()
}

/// The value without the members at the path's end; `None` where there are none.
///
/// Objects and arrays on the way lose the space between their elements.
pub(crate) fn without(json: &str, path: &[Step]) -> Option<String> {
    match path {
        [] => None,
        [Step::Each, rest @ ..] => without_in_elements(json, rest),
        [Step::Member(name), rest @ ..] => without_in_member(json, name, rest),
    }
}

fn without_in_elements(json: &str, rest: &[Step]) -> Option<String> {
    let mut is_changed = false;
    let mut array = Writer::array();
    let read = each_element(json.as_bytes(), |element| {
        let changed = without(element.get(), rest);
        is_changed |= changed.is_some();
        array.element(changed.as_deref().unwrap_or(element.get()));
    });
    read.ok().filter(|()| is_changed).map(|()| array.finish())
}

fn without_in_member(json: &str, name: &str, rest: &[Step]) -> Option<String> {
    let mut is_changed = false;
    let mut object = Writer::object();
    let read = each_member(json.as_bytes(), |key, value| {
        if key != name {
            object.member(&key, value.get());
        } else if rest.is_empty() {
            is_changed = true;
        } else {
            let changed = without(value.get(), rest);
            is_changed |= changed.is_some();
            object.member(&key, changed.as_deref().unwrap_or(value.get()));
        }
    });
    read.ok().filter(|()| is_changed).map(|()| object.finish())
}

/// Writes an object or an array out of values that are JSON already.
struct Writer {
    text: String,
    close: char,
    is_empty: bool,
}

impl Writer {
    fn object() -> Self {
        Self::new('{', '}')
    }

    fn array() -> Self {
        Self::new('[', ']')
    }

    fn new(open: char, close: char) -> Self {
        Self {
            text: open.into(),
            close,
            is_empty: true,
        }
    }

    fn element(&mut self, value: &str) {
        if !self.is_empty {
            self.text.push(',');
        }
        self.is_empty = false;
        self.text.push_str(value);
    }

    fn member(&mut self, key: &str, value: &str) {
        self.element(&write_string(key));
        self.text.push(':');
        self.text.push_str(value);
    }

    fn finish(mut self) -> String {
        self.text.push(self.close);
        self.text
    }
}

/// Writes an object of members whose values are JSON already.
pub(crate) fn write_object(
    members: impl Iterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
) -> String {
    let mut object = Writer::object();
    for (key, value) in members {
        object.member(key.as_ref(), value.as_ref());
    }
    object.finish()
}

/// The text as a JSON string, quotes included.
pub(crate) fn write_string(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// The body with another value for its top-level `model`, all other bytes as they are.
///
/// `None` where the body is no JSON object, or does not name `model` exactly once.
pub fn with_model(body: &[u8], model: &str) -> Option<Bytes> {
    let mut models = 0_usize;
    let mut value = None;
    let read = each_member(body, |key, found| {
        if key == "model" {
            models = models.saturating_add(1);
            value = Some(found);
        }
    });
    let value = read.ok().filter(|()| models == 1).and(value)?;
    // The value is a part of the body: serde_json borrows it.
    let value = value.get().as_bytes();
    let start = value.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
    let before = body.get(..start)?;
    let after = body.get(start.checked_add(value.len())?..)?;
    Some(
        [before, write_string(model).as_bytes(), after]
            .concat()
            .into(),
    )
}

#[cfg(test)]
pub(crate) mod tests;
