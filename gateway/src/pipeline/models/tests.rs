//! Which models a caller gets to see, by keys of providers, rules and the caller's own key.

use std::fs;

use anyray_crds::v1alpha1::ClientKey;
use http::Request;
use serde_json::{Value, json};

use super::*;
use crate::{access::grant::KeyFacts, config, inbound};

/// Keys of three providers, two of which have names of our own; `extra` and the second deployment
/// are such that no rule leads to them.
const KEYS: &str = r#"[
    {"name":"openai","provider":"openai","credential":{"file":"key"}},
    {"name":"azure","provider":"azure-openai","credential":{"file":"key"},
     "endpoint":{"url":"https://acme.example","models":{"gpt-6":"prod","gpt-lost":"other"}}},
    {"name":"bedrock","provider":"bedrock","credential":{"file":"key"},
     "endpoint":{"region":"eu-central-1","models":{"claude-opus":"eu.opus","extra":"eu.extra"}}}]"#;

const RULES: &str = r#"[
    {"match":"gpt-6","providerKey":"azure"},
    {"match":"o9","providerKey":"openai"},
    {"match":"claude-*","providerKey":"bedrock"}]"#;

fn config(keys: &str, rules: &str) -> Snapshot {
    let directory = tempfile::tempdir().expect("a directory");
    let text = format!(
        r#"{{"schemaVersion":1,"auth":{{"clientKeys":"Optional"}},
        "providerKeys":{keys},"routing":{{"models":{rules}}}}}"#
    );
    fs::write(directory.path().join("gateway.json"), text).expect("written");
    fs::write(directory.path().join("key"), "sk-1").expect("written");
    config::load(directory.path()).expect("a configuration").0
}

fn grant(permissions: &Value) -> Grant {
    let key = json!({
        "apiVersion": "anyray.ai/v1alpha1", "kind": "ClientKey",
        "metadata": {"name": "k"},
        "spec": {"gatewayRef": {"name": "g"}, "user": "ada", "permissions": permissions},
    });
    let key: ClientKey = serde_json::from_value(key).expect("a key");
    Grant::new("k".into(), KeyFacts::of(&key), false, None)
}

/// One request for models.
struct Ask {
    uri: &'static str,
    is_anthropic: bool,
    provider: Option<&'static str>,
    permissions: Value,
}

impl Ask {
    fn new(uri: &'static str) -> Self {
        Self {
            uri,
            is_anthropic: false,
            provider: None,
            permissions: json!({}),
        }
    }

    fn view<T>(&self, config: &Snapshot, look: impl FnOnce(View<'_>) -> T) -> T {
        let mut request = Request::get(self.uri);
        if self.is_anthropic {
            request = request.header("anthropic-version", "2023-06-01");
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let inbound = inbound::read(&parts, &[]).expect("served");
        let provider = self.provider.and_then(anyray_providers::find);
        let grant = grant(&self.permissions);
        let view = View::new(&parts.uri, &inbound, provider, Some(&grant), config);
        look(view)
    }

    /// The ids in the list where the provider lists these.
    fn ids(&self, config: &Snapshot, listed: Option<&[&str]>) -> Vec<String> {
        let entries = listed.map(|ids| ids.iter().map(|id| json!({"id": id})).collect::<Value>());
        let listed = entries.map(|data| json!({"data": data}).to_string());
        let list = self.view(config, |view| {
            view.list(listed.as_ref().map(String::as_bytes))
        });
        let list: Value = serde_json::from_str(&list.expect("a list")).expect("JSON");
        let data = list["data"].as_array().expect("data").iter();
        data.map(|entry| entry["id"].as_str().expect("an id").to_owned())
            .collect()
    }
}

#[test]
fn names_of_our_own_are_listed_where_a_request_for_them_is_served() {
    let config = config(KEYS, RULES);
    let openai = Ask::new("/v1/models?client_version=1");
    assert_eq!(openai.ids(&config, Some(&["o3"])), ["o3", "gpt-6", "o9"]);
    let anthropic = Ask {
        is_anthropic: true,
        ..Ask::new("/v1/models")
    };
    assert_eq!(anthropic.ids(&config, None), ["claude-opus"]);
    let bedrock = Ask {
        provider: Some("bedrock"),
        ..anthropic
    };
    assert_eq!(bedrock.ids(&config, None), ["claude-opus", "extra"]);
}

#[test]
fn a_key_sees_the_models_and_providers_that_it_is_for() {
    let config = config(KEYS, RULES);
    for (permissions, expected) in [
        (json!({"models": ["o*"]}), vec!["o3", "o9"]),
        (json!({"models": ["gpt-*"]}), vec!["gpt-4o", "gpt-6"]),
        (json!({"providers": ["openai"]}), vec!["o3", "gpt-4o", "o9"]),
    ] {
        let ask = Ask {
            permissions,
            ..Ask::new("/models")
        };
        assert_eq!(ask.ids(&config, Some(&["o3", "gpt-4o"])), expected);
    }
}

#[test]
fn our_own_names_stand_on_the_first_page_only() {
    let config = config(KEYS, RULES);
    let next = Ask::new("/v1/models?limit=1&after_id=o1");
    assert_eq!(next.ids(&config, Some(&["o3"])), ["o3"]);
}

#[test]
fn one_model_is_answered_alone_where_its_name_is_ours() {
    let config = config(KEYS, RULES);
    let alone = |uri, permissions| {
        let ask = Ask {
            permissions,
            ..Ask::new(uri)
        };
        ask.view(&config, |view| view.answer_alone(true))
    };
    let own = alone("/v1/models/gpt%2D6", json!({})).expect("allowed");
    let own: Value = serde_json::from_str(&own.expect("known")).expect("JSON");
    assert_eq!(
        (&own["id"], &own["owned_by"]),
        (&json!("gpt-6"), &json!("azure-openai"))
    );
    assert_eq!(alone("/v1/models/o3", json!({})), Ok(None));
    assert_eq!(
        alone("/v1/models/o3", json!({"models": ["gpt-*"]})),
        Err(GatewayError::ModelNotAllowed)
    );
}

#[test]
fn a_model_of_a_provider_that_lists_none_is_told_by_the_rule_for_it() {
    let config = config(KEYS, RULES);
    let single = |uri| {
        let anthropic = Ask {
            is_anthropic: true,
            ..Ask::new(uri)
        };
        let alone = anthropic.view(&config, |view| view.answer_alone(false));
        alone.expect("allowed").is_some()
    };
    assert!(single("/v1/models/claude-haiku"));
    assert!(!single("/v1/models/other"));
}

#[test]
fn without_names_of_our_own_nothing_is_said_in_a_providers_place() {
    let config = config(KEYS, "[]");
    let openai = Ask::new("/v1/models");
    assert_eq!(
        openai.view(&config, |view| view.answer_alone(false)),
        Ok(None)
    );
    let azure = Ask {
        provider: Some("azure-openai"),
        ..openai
    };
    let alone = azure.view(&config, |view| view.answer_alone(false));
    assert!(alone.is_ok_and(|list| list.is_some_and(|list| list.contains("gpt-lost"))));
}

#[test]
fn a_rule_for_all_models_finds_the_provider_to_ask() {
    let config = config(KEYS, r#"[{"match":"*","providerKey":"azure"}]"#);
    let planned = |uri| {
        Ask::new(uri).view(&config, |view| {
            let request = RouteRequest {
                provider: None,
                model: Some(view.model()),
                credential: None,
                passthrough: None,
            };
            let plan = routing::plan(view.inbound, &request, &config).expect("a plan");
            let target = plan.target;
            (target.key.name.clone(), view.rewrites(&target))
        })
    };
    assert_eq!(planned("/v1/models"), ("azure".to_owned(), true));
    assert_eq!(planned("/v1/models/x"), ("azure".to_owned(), false));
}
