//! JSON that keeps the order of its keys, as the real providers write it.
//!
//! `serde_json` sorts keys unless a feature is on that would change the gateway's
//! build as well; requests are read with its `Value`, answers are built with this.

use bytes::Bytes;
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::Value;

/// An answer, or a part of one.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    /// Keys in the order of writing.
    Object(Vec<(&'static str, Json)>),
    /// Elements.
    Array(Vec<Json>),
    /// Text, number, truth value, null, or a value taken from the request.
    Value(Value),
}

impl Json {
    pub(crate) const NULL: Self = Self::Value(Value::Null);

    /// The text of the value, without white space.
    pub(crate) fn to_text(&self) -> String {
        // Writing to memory with text keys only has no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(crate) fn to_bytes(&self) -> Bytes {
        self.to_text().into()
    }

    /// Adds a key at the end of an object; anything else stays as it is.
    pub(crate) fn with(mut self, key: &'static str, value: impl Into<Self>) -> Self {
        if let Self::Object(entries) = &mut self {
            entries.push((key, value.into()));
        }
        self
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Array(elements) => {
                let mut sequence = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    sequence.serialize_element(element)?;
                }
                sequence.end()
            }
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        Self::Value(value.clone())
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Value(text.into())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Value(text.into())
    }
}

impl From<u64> for Json {
    fn from(number: u64) -> Self {
        Self::Value(number.into())
    }
}

impl From<usize> for Json {
    fn from(number: usize) -> Self {
        Self::Value(number.into())
    }
}

impl From<f64> for Json {
    fn from(number: f64) -> Self {
        Self::Value(number.into())
    }
}

impl From<bool> for Json {
    fn from(truth: bool) -> Self {
        Self::Value(truth.into())
    }
}

impl From<Vec<Self>> for Json {
    fn from(elements: Vec<Self>) -> Self {
        Self::Array(elements)
    }
}

impl<T: Into<Self>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::NULL, Into::into)
    }
}

/// Builds a [`Json::Object`]: `object! { "id" => id, "n" => 1_u64 }`.
macro_rules! object {
    ($($key:literal => $value:expr),* $(,)?) => {
        $crate::json::Json::Object(vec![$(($key, $crate::json::Json::from($value))),*])
    };
}

/// Builds a [`Json::Array`]: `array![one, two]`.
macro_rules! array {
    ($($value:expr),* $(,)?) => {
        $crate::json::Json::Array(vec![$($crate::json::Json::from($value)),*])
    };
}

pub(crate) use {array, object};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_their_order() {
        let json = object! { "z" => 1_u64, "a" => array!["x", true, Json::NULL] }.with("m", 0.5);
        assert_eq!(json.to_text(), r#"{"z":1,"a":["x",true,null],"m":0.5}"#);
    }
}
