//! The provider that a key is for: one of those that `anyray-providers` has, and no list of our own.

use std::{borrow::Cow, ops::Deref};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The provider that a key is for. In YAML it is the slug, never an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provider(&'static dyn anyray_providers::Provider);

impl Provider {
    /// The provider of this slug.
    pub fn find(slug: &str) -> Option<Self> {
        let mut all = anyray_providers::ALL.iter().copied();
        all.find(|provider| provider.slug() == slug).map(Self)
    }
}

impl Deref for Provider {
    type Target = dyn anyray_providers::Provider;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl Serialize for Provider {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.slug())
    }
}

impl<'de> Deserialize<'de> for Provider {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let slug = Cow::<'_, str>::deserialize(deserializer)?;
        Self::find(&slug).ok_or_else(|| {
            let known = anyray_providers::slugs();
            de::Error::custom(format_args!(
                "unknown provider `{slug}`, this version knows {known}"
            ))
        })
    }
}

impl JsonSchema for Provider {
    fn schema_name() -> Cow<'static, str> {
        "Provider".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let slugs = anyray_providers::ALL.iter();
        let slugs: Vec<_> = slugs.map(|provider| provider.slug()).collect();
        json_schema!({ "type": "string", "enum": slugs })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_provider_is_read_and_written_by_its_slug() {
        for known in anyray_providers::ALL.iter() {
            let slug = json!(known.slug());
            let read: Provider = serde_json::from_value(slug.clone()).expect("a provider");
            assert_eq!(read.slug(), known.slug());
            assert_eq!(serde_json::to_value(read).expect("a slug"), slug);
        }
    }

    #[test]
    fn an_alias_is_unknown_like_any_other_name() {
        for name in ["vertex-ai", "OpenAI", "nobody", ""] {
            let read: Result<Provider, _> = serde_json::from_value(json!(name));
            let message = read.expect_err(name).to_string();
            assert!(message.contains(&format!("`{name}`")), "{message}");
            assert!(message.contains("google-vertex-ai"), "{message}");
        }
    }
}
