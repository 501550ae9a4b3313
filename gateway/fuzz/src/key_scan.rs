//! The key scanner finds what a parser finds, however a text is cut, and survives what is no JSON.

use std::fmt;

use anyray_wire::key_scan::{KeyScanner, MAX_VALUE_BYTES, Path};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

const PATHS: &[Path] = &[
    &["model"],
    &["message", "usage"],
    &["choices", "finish_reason"],
];

fn scan<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<(usize, Vec<u8>)> {
    let mut scanner = KeyScanner::new(PATHS);
    let mut found = Vec::new();
    for mut piece in pieces {
        while let Some(hit) = scanner.next(&mut piece) {
            found.push((hit.path, hit.value.to_vec()));
        }
    }
    found
}

/// Every top-level `model` of an object, in order, duplicates included.
struct Models<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Models<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Models<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Models<'de>, M::Error> {
                let mut models = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "model" {
                        models.push(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Models(models))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Checks one input: its first byte says how long the pieces of the rest are.
///
/// # Panics
///
/// The claim of this module does not hold.
pub fn check(input: &[u8]) {
    let Some((size, text)) = input.split_first() else {
        return;
    };
    let found = scan(std::iter::once(text));
    assert_eq!(found, scan(text.chunks(usize::from(*size).max(1))));
    // Both, as a parser gives up on what lies deep and RawValue is lenient about escapes.
    let (Ok(_), Ok(Models(models))) = (
        serde_json::from_slice::<Value>(text),
        serde_json::from_slice(text),
    ) else {
        return;
    };
    let expected: Vec<Value> = models
        .iter()
        .filter(|model| model.get().len() <= MAX_VALUE_BYTES)
        .map(|model| serde_json::from_str(model.get()).expect("part of a parsed text"))
        .collect();
    let found: Vec<Value> = found
        .iter()
        .filter(|(path, _)| *path == 0)
        .map(|(_, value)| serde_json::from_slice(value).expect("a captured value is JSON"))
        .collect();
    assert_eq!(found, expected);
}
