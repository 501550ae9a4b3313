//! What the API server would refuse, and what not: each file of `fixtures/` is one object.
//!
//! `NAME.accepted.yaml` is stored; `NAME.rejected.yaml` is not, with one fault, whose message
//! holds the text of the first line. With a `NAME.from.yaml`, both are changes of that object.
//! A NAME begins with that of the rule it is about, up to a dot, if it is about one; the others
//! are about the schema. An end-to-end test sends the same files to a real API server, by
//! server-side apply: on create, that server overlooks more nulls. Changes are whole updates, to
//! the status where the fixture before has one: applied, a field that is left out stays.

#![cfg(test)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyray_crds::{
    admission::{self, Refusal},
    schema,
    v1alpha1::{AnyrayGateway, ClientKey, Invite, ProviderKey},
    validation::by_provider,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

#[derive(Debug)]
struct Fixture {
    path: PathBuf,
    /// File name up to the first dot.
    subject: String,
    is_accepted: bool,
    /// The first line, without its `# `.
    title: String,
    object: Value,
    from: Option<Value>,
}

impl Fixture {
    fn admit(&self) -> Result<Value, Refusal> {
        let crd = crd_of(&self.object);
        match &self.from {
            Some(from) => {
                admission::admit(&crd, from).expect("what is there was accepted");
                admission::admit_update(&crd, &self.object, from)
            }
            None => admission::admit(&crd, &self.object),
        }
    }

    /// The message of the rule that the fixture is about, if it is about one.
    fn rule(&self) -> Option<String> {
        let mut rules = by_provider::messages().into_iter();
        let rule = rules.find(|(name, _)| kebab(name) == self.subject);
        rule.map(|(_, message)| message)
    }
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut fixtures = Vec::new();
    for kind in fs::read_dir(folder).expect("fixtures") {
        for file in fs::read_dir(kind.expect("a folder").path()).expect("a folder") {
            fixtures.extend(fixture(&file.expect("a file").path()));
        }
    }
    fixtures.sort_by(|a, b| a.path.cmp(&b.path));
    fixtures
}

/// One fixture; absent for the state before a change, which is read with the change.
fn fixture(path: &Path) -> Option<Fixture> {
    let name = path.file_name().expect("a name").to_str().expect("text");
    let accepted = name.strip_suffix(".accepted.yaml");
    let rejected = name.strip_suffix(".rejected.yaml");
    let Some(name_of_pair) = accepted.or(rejected) else {
        assert!(name.ends_with(".from.yaml"), "{name} is of no known sort");
        return None;
    };
    let text = fs::read_to_string(path).expect("a text");
    let title = text.lines().next().and_then(|line| line.strip_prefix("# "));
    let from = path.with_file_name(format!("{name_of_pair}.from.yaml"));
    Some(Fixture {
        subject: name.split('.').next().expect("a part").to_owned(),
        is_accepted: accepted.is_some(),
        title: title.expect("a comment at the top").to_owned(),
        object: parse(&text),
        from: fs::read_to_string(from).ok().map(|text| parse(&text)),
        path: path.to_owned(),
    })
}

fn parse(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

fn kebab(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

fn crd_of(object: &Value) -> CustomResourceDefinition {
    let kind = object.get("kind").and_then(Value::as_str).expect("a kind");
    let mut crds = schema::all().into_iter();
    crds.find(|crd| crd.spec.names.kind == kind)
        .expect("a kind of ours")
}

/// Fails where an object that was accepted cannot be read by the operator.
fn read(object: &Value) -> Result<(), serde_json::Error> {
    match object.get("kind").and_then(Value::as_str) {
        Some("AnyrayGateway") => serde_json::from_value::<AnyrayGateway>(object.clone()).map(drop),
        Some("Invite") => serde_json::from_value::<Invite>(object.clone()).map(drop),
        Some("ClientKey") => serde_json::from_value::<ClientKey>(object.clone()).map(drop),
        _ => serde_json::from_value::<ProviderKey>(object.clone()).map(drop),
    }
}

#[test]
fn what_is_accepted_can_be_read() {
    for fixture in fixtures().iter().filter(|fixture| fixture.is_accepted) {
        let path = fixture.path.display();
        let complete = fixture.admit().unwrap_or_else(|refusal| {
            panic!("{path} is refused: {refusal}");
        });
        read(&complete).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"));
    }
}

#[test]
fn what_is_rejected_has_one_fault_and_is_told_which() {
    for fixture in fixtures().iter().filter(|fixture| !fixture.is_accepted) {
        let path = fixture.path.display();
        let Err(Refusal(faults)) = fixture.admit() else {
            panic!("{path} is accepted");
        };
        let [fault] = faults.as_slice() else {
            panic!("{path} has several faults: {faults:?}");
        };
        assert!(fault.contains(&fixture.title), "{path}: {fault}");
        let message = fixture.rule().unwrap_or_default();
        assert!(fault.contains(&message), "{path}: {fault}");
    }
}

#[test]
fn every_rule_accepts_something_and_rejects_something() {
    let fixtures = fixtures();
    for (name, _) in by_provider::messages() {
        for is_accepted in [true, false] {
            let has_one = fixtures.iter().any(|fixture| {
                fixture.subject == kebab(name) && fixture.is_accepted == is_accepted
            });
            assert!(has_one, "{name}: no fixture with is_accepted {is_accepted}");
        }
    }
}

#[test]
fn fixtures_fit_into_any_namespace() {
    for fixture in fixtures() {
        let namespace = fixture.object.pointer("/metadata/namespace");
        assert_eq!(namespace, None, "{}", fixture.path.display());
    }
}

fn provider_key(url: &str) -> Value {
    json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "ProviderKey",
        "metadata": { "name": "fixture" },
        "spec": {
            "provider": "openai",
            "auth": { "apiKeySecretRef": { "name": "keys" } },
            "endpoint": { "url": url },
        },
    })
}

#[test]
fn a_refusal_quotes_no_value() {
    let canary = "sk-canary";
    let mut misplaced = provider_key("https://llm.example.com/v1");
    *misplaced.pointer_mut("/spec/auth").expect("auth") = json!({ "apiKeySecretRef": canary });
    let mut other = provider_key("https://llm.example.com/v1");
    *other.pointer_mut("/spec/provider").expect("provider") = json!(canary);
    for object in [
        misplaced,
        other,
        provider_key(&format!("https://{canary}@llm.example.com/")),
    ] {
        let refusal = admission::admit(&crd_of(&object), &object).expect_err("refused");
        let text = refusal.to_string();
        assert!(
            text.starts_with("spec.") && !text.contains(canary),
            "{text}"
        );
    }
}

#[test]
fn a_mebibyte_is_refused_in_a_line() {
    let mebibyte = "a".repeat(1 << 20);
    let base = provider_key("https://llm.example.com/v1");
    let pointers = [
        "/metadata/name",
        "/spec/provider",
        "/spec/auth/apiKeySecretRef/name",
        "/spec/endpoint/url",
    ];
    for pointer in pointers {
        let mut object = base.clone();
        *object.pointer_mut(pointer).expect("a field") = json!(mebibyte);
        let refusal = admission::admit(&crd_of(&object), &object).expect_err(pointer);
        assert!(refusal.to_string().len() < 1024, "{pointer}");
    }
}

/// A default at each level shows that the whole tree is filled in.
#[test]
fn defaults_are_those_of_the_documentation() {
    let minimal = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "AnyrayGateway",
        "metadata": { "name": "fixture" },
        "spec": {},
    });
    let complete = admission::admit(&crd_of(&minimal), &minimal).expect("accepted");
    let expected: BTreeMap<&str, Value> = [
        ("/spec/auth/clientKeys", json!("Required")),
        ("/spec/auth/acknowledgeOpen", json!(false)),
        ("/spec/auth/subscriptionPassthrough", json!(false)),
        ("/spec/admin/enabled", json!(true)),
        ("/spec/replicas", json!(2)),
        ("/spec/drain/terminationGracePeriodSeconds", json!(120)),
        ("/spec/limits/maxBodyBytes", json!(64 << 20)),
        ("/spec/timeouts/firstByte", json!("600s")),
        ("/spec/resources/limits/memory", json!("512Mi")),
        ("/spec/service/type", json!("ClusterIP")),
        ("/spec/service/port", json!(8787)),
        ("/status/observedGeneration", json!(-1)),
    ]
    .into();
    for (pointer, value) in expected {
        assert_eq!(complete.pointer(pointer), Some(&value), "{pointer}");
    }
}
