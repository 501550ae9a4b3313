//! Every custom resource of the examples would be stored by the API server and read by the operator.

#![cfg(test)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyray_crds::{
    admission, schema,
    v1alpha1::{AnyrayGateway, ClientKey, Invite, ProviderKey},
};
use serde_json::Value;

fn yaml_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            yaml_files(&path, files);
        } else if path.extension().is_some_and(|it| it == "yaml") {
            files.push(path);
        }
    }
}

/// The documents of the examples that are of this kind, each with its file.
fn examples(kind: &str) -> Vec<(PathBuf, Value)> {
    let mut files = Vec::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    yaml_files(&folder, &mut files);
    let mut examples = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a text");
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let documents = documents
            .into_iter()
            .filter(|document| document.get("kind").and_then(Value::as_str) == Some(kind));
        examples.extend(documents.map(|document| (file.clone(), document)));
    }
    examples
}

fn check<T: serde::de::DeserializeOwned>(kind: &str) {
    let crds = schema::all();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == kind);
    let examples = examples(kind);
    assert!(!examples.is_empty(), "no example of a {kind}");
    for (file, object) in examples {
        let admitted = admission::admit(crd.expect("a kind of ours"), &object)
            .unwrap_or_else(|refusal| panic!("{}: {refusal}", file.display()));
        serde_json::from_value::<T>(admitted)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
}

#[test]
fn gateways_of_the_examples_are_accepted_and_read() {
    check::<AnyrayGateway>("AnyrayGateway");
}

#[test]
fn provider_keys_of_the_examples_are_accepted_and_read() {
    check::<ProviderKey>("ProviderKey");
}

#[test]
fn invites_of_the_examples_are_accepted_and_read() {
    check::<Invite>("Invite");
}

#[test]
fn client_keys_of_the_examples_are_accepted_and_read() {
    check::<ClientKey>("ClientKey");
}
