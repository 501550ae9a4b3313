//! Lists of models in OpenAI's and in Anthropic's shape: what a provider lists, less what the
//! caller may not use, and with names of our own.
//!
//! Entries of the provider keep their bytes.
//! Sources: <https://platform.openai.com/docs/api-reference/models/list>,
//! <https://docs.anthropic.com/en/api/models-list>.

use serde::Deserialize;
use serde_json::{json, value::RawValue};

use crate::{
    Dialect,
    json_edit::{each_member, write_object, write_string},
};

/// A model under a name of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnModel<'a> {
    /// The name that callers use.
    pub id: &'a str,
    /// Slug of the provider that serves it.
    pub owner: &'a str,
}

/// What an entry must have to be listed.
#[derive(Deserialize)]
struct Entry {
    id: String,
}

/// One model of our own, as an entry and as the answer to the request for it alone.
///
/// When it was made is not known; both APIs demand a time.
pub fn entry(dialect: Dialect, model: &OwnModel<'_>) -> String {
    let entry = match dialect {
        Dialect::AnthropicMessages => json!({
            "type": "model",
            "id": model.id,
            "display_name": model.id,
            "created_at": "1970-01-01T00:00:00Z",
        }),
        _ => json!({
            "id": model.id,
            "object": "model",
            "created": 0,
            "owned_by": model.owner,
        }),
    };
    entry.to_string()
}

/// The list of what a provider lists and is allowed, and of our own models behind it.
///
/// In OpenAI's shape it has an empty `models` besides, which Codex looks for, unless the provider
/// fills it.
/// `None` where the provider's answer is no list of models.
pub fn compose(
    dialect: Dialect,
    listed: Option<&[u8]>,
    own: &[OwnModel<'_>],
    is_allowed: impl Fn(&str) -> bool,
) -> Option<String> {
    let listed = match listed {
        Some(list) => Some(read(list)?),
        None => None,
    };
    let mut ids = Vec::new();
    let mut entries = Vec::new();
    for value in listed.iter().flat_map(|listed| &listed.data) {
        let entry: Entry = serde_json::from_str(value.get()).ok()?;
        if is_allowed(&entry.id) {
            entries.push(value.get().to_owned());
            ids.push(entry.id);
        }
    }
    for model in own {
        if !ids.iter().any(|id| id == model.id) {
            entries.push(entry(dialect, model));
            ids.push(model.id.to_owned());
        }
    }
    let data = format!("[{}]", entries.join(","));
    let more = listed.map_or_else(|| around(dialect, &ids), |listed| listed.more);
    let codex = codex(dialect).filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    let members = std::iter::once(("data".to_owned(), data)).chain(more);
    Some(write_object(members.chain(codex)))
}

/// A provider's list.
struct Listed<'a> {
    data: Vec<&'a RawValue>,
    /// Its other members, such as where the next page begins.
    more: Vec<(String, String)>,
}

fn read(list: &[u8]) -> Option<Listed<'_>> {
    let mut data = None;
    let mut more = Vec::new();
    each_member(list, |name, value| match name.as_str() {
        "data" => data = serde_json::from_str(value.get()).ok(),
        _ => more.push((name, value.get().to_owned())),
    })
    .ok()?;
    Some(Listed { data: data?, more })
}

/// What a list has besides its entries.
fn around(dialect: Dialect, ids: &[String]) -> Vec<(String, String)> {
    let id = |id: Option<&String>| id.map_or_else(|| "null".to_owned(), |id| write_string(id));
    let members = match dialect {
        Dialect::AnthropicMessages => vec![
            ("has_more", "false".to_owned()),
            ("first_id", id(ids.first())),
            ("last_id", id(ids.last())),
        ],
        _ => vec![("object", write_string("list"))],
    };
    let members = members.into_iter();
    members
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Codex's own list, for want of the provider's.
fn codex(dialect: Dialect) -> Option<(String, String)> {
    (dialect != Dialect::AnthropicMessages).then(|| ("models".to_owned(), "[]".to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const OWN: [OwnModel<'_>; 2] = [
        OwnModel {
            id: "claude",
            owner: "bedrock",
        },
        OwnModel {
            id: "gpt-6",
            owner: "azure-openai",
        },
    ];

    fn composed(dialect: Dialect, listed: Option<&str>, is_allowed: fn(&str) -> bool) -> Value {
        let text = compose(dialect, listed.map(str::as_bytes), &OWN, is_allowed);
        serde_json::from_str(&text.expect("a list")).expect("JSON")
    }

    fn ids(list: &Value) -> Vec<&str> {
        let data = list["data"].as_array().expect("data").iter();
        data.map(|entry| entry["id"].as_str().expect("an id"))
            .collect()
    }

    #[test]
    fn without_a_providers_list_it_holds_our_own_in_either_shape() {
        let openai = composed(Dialect::OpenAiChat, None, |_| true);
        assert_eq!(
            openai,
            json!({"object": "list", "models": [], "data": [
                {"id": "claude", "object": "model", "created": 0, "owned_by": "bedrock"},
                {"id": "gpt-6", "object": "model", "created": 0, "owned_by": "azure-openai"},
            ]})
        );
        let anthropic = composed(Dialect::AnthropicMessages, None, |_| true);
        assert_eq!(ids(&anthropic), ["claude", "gpt-6"]);
        assert_eq!(anthropic["data"][0]["type"], "model");
        assert_eq!(anthropic["data"][0]["display_name"], "claude");
        assert_eq!(
            (
                &anthropic["has_more"],
                &anthropic["first_id"],
                &anthropic["last_id"]
            ),
            (&json!(false), &json!("claude"), &json!("gpt-6"))
        );
        assert_eq!(anthropic.get("models"), None);
    }

    #[test]
    fn what_a_provider_lists_keeps_its_bytes_and_its_page() {
        let entry = r#"{ "id":"o3", "created" : 1e3 }"#;
        let list = format!(
            r#"{{"data":[{entry},{{"id":"gpt-6"}},{{"id":"x"}}],"has_more":true,"last_id":"x"}}"#
        );
        let is_allowed = |id: &str| id != "x";
        let text = compose(
            Dialect::AnthropicMessages,
            Some(list.as_bytes()),
            &OWN,
            is_allowed,
        );
        let text = text.expect("a list");
        assert!(text.contains(entry), "{text}");
        let list: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(ids(&list), ["o3", "gpt-6", "claude"]);
        assert_eq!(
            (&list["has_more"], &list["last_id"]),
            (&json!(true), &json!("x"))
        );
    }

    #[test]
    fn codex_finds_its_own_list_which_a_provider_may_fill() {
        let list = composed(Dialect::OpenAiChat, Some(r#"{"data":[]}"#), |_| true);
        assert_eq!(list["models"], json!([]));
        let filled = r#"{"models":[{"slug":"o3"}],"data":[]}"#;
        let list = composed(Dialect::OpenAiChat, Some(filled), |_| true);
        assert_eq!(list["models"], json!([{"slug": "o3"}]));
    }

    #[test]
    fn what_is_no_list_is_none() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"data":{}}"#,
            r#"{"data":[{"name":"x"}]}"#,
            r#"{"data":[1]}"#,
        ] {
            let read = compose(Dialect::OpenAiChat, Some(text.as_bytes()), &OWN, |_| true);
            assert_eq!(read, None, "{text}");
        }
    }
}
