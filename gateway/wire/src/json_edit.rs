//! Changes to single members of a JSON text that leave every other value's bytes as they are.
//!
//! Providers' prompt caches, signatures of thinking blocks and people who compare bodies depend on
//! that: a text that goes through a tree comes out another one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

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
///
/// # Errors
/// The text is no JSON array, which may turn out after some elements were shown.
pub(crate) fn each_element<'a>(
    json: &'a [u8],
    show: impl FnMut(&'a RawValue),
) -> serde_json::Result<()> {
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
enum Step {
    /// Into the member of this name.
    Member(String),
    /// Into each element of an array.
    Each,
    /// To the value itself, if it is an object whose member of this name has this value.
    Where(String, String),
}

/// Reads a path such as `tools[].defer_loading`, `content[type=tool_addition]` or
/// `messages[content=[]]`.
fn read_path(text: &str) -> Vec<Step> {
    let steps = text.split('.').flat_map(|part| {
        let (name, elements) = match part.split_once('[') {
            Some((name, elements)) => (name, Some(elements.strip_suffix(']').unwrap_or(elements))),
            None => (part, None),
        };
        let member = (!name.is_empty()).then(|| Step::Member(name.to_owned()));
        let each = elements.map(|_| Step::Each);
        let condition = elements.and_then(|elements| elements.split_once('='));
        let condition =
            condition.map(|(name, value)| Step::Where(name.to_owned(), value.to_owned()));
        [member, each, condition].into_iter().flatten()
    });
    steps.collect()
}

/// What to leave out of a value: all that any of some paths leads to, in one walk.
///
/// Each level of the paths reads the value below it once more, however many paths there are.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    /// All of the value.
    is_whole: bool,
    /// All of it where it is an object and a member has one of these values, which are texts or
    /// other JSON as it was written.
    conditions: BTreeMap<String, BTreeSet<String>>,
    members: BTreeMap<String, Cut>,
    each: Option<Box<Cut>>,
}

/// What a [`Cut`] leaves of a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// No path led anywhere.
    All,
    /// This. Objects and arrays on the way lose the space between their elements.
    Changed(String),
    /// An array that is left without elements goes, and so does the object it is in: a list of
    /// nothing is none that anyone would have sent.
    Nothing,
}

impl Cut {
    /// What the paths lead to.
    pub(crate) fn new<'p>(paths: impl Iterator<Item = &'p str>) -> Self {
        let mut cut = Self::default();
        for path in paths {
            cut.add(read_path(path));
        }
        cut
    }

    fn add(&mut self, path: Vec<Step>) {
        let mut end = self;
        for step in path {
            end = match step {
                Step::Member(name) => end.members.entry(name).or_default(),
                Step::Each => end.each.get_or_insert_default(),
                Step::Where(name, value) => {
                    end.conditions.entry(name).or_default().insert(value);
                    return;
                }
            };
        }
        end.is_whole = true;
    }

    /// The part that is below the member of this name.
    pub(crate) fn find_member(&self, name: &str) -> Option<&Self> {
        self.members.get(name)
    }

    /// Leaves out of a value what is to be; of a text that is no JSON, nothing.
    pub(crate) fn apply(&self, json: &str) -> Left {
        if self.is_whole {
            return Left::Nothing;
        }
        // Most values are not what a path leads into. They cost a look at their first byte.
        match (json.as_bytes().first(), &self.each) {
            (Some(b'{'), _) if !self.members.is_empty() || !self.conditions.is_empty() => {
                self.apply_to_object(json)
            }
            (Some(b'['), Some(each)) => each.apply_to_elements(json),
            _ => Left::All,
        }
    }

    fn apply_to_elements(&self, json: &str) -> Left {
        let mut is_changed = false;
        let mut array = Writer::array();
        let read = each_element(json.as_bytes(), |element| match self.apply(element.get()) {
            Left::All => array.element(element.get()),
            Left::Changed(element) => {
                is_changed = true;
                array.element(&element);
            }
            Left::Nothing => is_changed = true,
        });
        match read {
            Ok(()) if is_changed && array.is_empty => Left::Nothing,
            Ok(()) if is_changed => Left::Changed(array.finish()),
            _ => Left::All,
        }
    }

    fn apply_to_object(&self, json: &str) -> Left {
        let mut is_changed = false;
        let mut is_gone = false;
        let mut object = Writer::object();
        let read = each_member(json.as_bytes(), |key, value| {
            is_gone |= self.is_met_by(&key, value.get());
            let Some(cut) = self.members.get(&key) else {
                return object.member(&key, value.get());
            };
            match cut.apply(value.get()) {
                Left::All => object.member(&key, value.get()),
                Left::Changed(value) => {
                    is_changed = true;
                    object.member(&key, &value);
                }
                Left::Nothing if cut.is_whole => is_changed = true,
                Left::Nothing => is_gone = true,
            }
        });
        match read {
            Ok(()) if is_gone => Left::Nothing,
            Ok(()) if is_changed => Left::Changed(object.finish()),
            _ => Left::All,
        }
    }

    /// Whether a member meets a condition.
    fn is_met_by(&self, name: &str, value: &str) -> bool {
        self.conditions.get(name).is_some_and(|wanted| {
            let is_wanted = |text: String| wanted.contains(&text);
            wanted.contains(value) || serde_json::from_str(value).is_ok_and(is_wanted)
        })
    }
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
