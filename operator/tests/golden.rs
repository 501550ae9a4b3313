//! The objects that a cluster gets for some manifests: `golden/CASE/input.yaml` makes
//! `golden/CASE/expected.yaml`. `UPDATE=1` writes what is expected; review the difference.

#![cfg(test)]

use std::{env, fs, path::Path};

use anyray_operator::{
    cli::RenderOptions,
    gateway::build::{Defaults, Resources},
    render,
};
use serde::Serialize;

const HEADER: &str = "# Made by UPDATE=1 cargo test -p anyray-operator --test golden\n";

fn golden() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"))
}

fn build(input: &Path) -> Resources {
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(input, folder.path().join("input.yaml")).expect("an input");
    let options = RenderOptions {
        manifests: folder.path().to_owned(),
        out: folder.path().join("out"),
        watch: false,
        gateway: None,
        endpoint: Vec::new(),
    };
    let defaults = Defaults {
        image: "registry.example.com/release:1".to_owned(),
        image_pull_policy: "IfNotPresent".to_owned(),
    };
    render::objects(&options, &defaults)
        .unwrap_or_else(|error| panic!("{}: {error}", input.display()))
}

fn document<T: Serialize>(object: &T) -> String {
    let yaml = serde_saphyr::to_string(object).expect("YAML");
    format!("---\n{yaml}")
}

fn documents(resources: &Resources) -> String {
    [
        HEADER.to_owned(),
        document(&resources.service_account),
        document(&resources.role),
        document(&resources.role_binding),
        document(&resources.secret),
        document(&resources.config_map),
        document(&resources.service),
        document(&resources.deployment),
    ]
    .concat()
}

fn check(case: &str) {
    let folder = golden().join(case);
    let built = documents(&build(&folder.join("input.yaml")));
    let expected = folder.join("expected.yaml");
    if env::var_os("UPDATE").is_some() {
        fs::write(&expected, &built).expect("write");
    }
    let found = fs::read_to_string(&expected).unwrap_or_default();
    let difference = built.lines().zip(found.lines()).find(|(a, b)| a != b);
    assert!(
        built == found,
        "{case}: run UPDATE=1 cargo test -p anyray-operator --test golden and review: {difference:?}"
    );
}

#[test]
fn objects_are_those_that_were_reviewed() {
    let mut count = 0;
    for entry in fs::read_dir(golden()).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        check(name.to_str().expect("text"));
        count += 1;
    }
    assert!(count > 0, "there is no case");
}

/// Of what GitOps tools put on the custom resource, a child would be pruned.
#[test]
fn nothing_of_the_labels_and_annotations_of_the_gateway_reaches_a_child() {
    let folder = golden().join("two-providers");
    let input = fs::read_to_string(folder.join("input.yaml")).expect("an input");
    let built = documents(&build(&folder.join("input.yaml")));
    for mark in ["argocd.argoproj.io", "last-applied", "hostile"] {
        assert!(input.contains(mark) && !built.contains(mark), "{mark}");
    }
}

/// The kubelet would show it to everyone who may read pods or ConfigMaps.
#[test]
fn a_key_is_in_the_secret_alone() {
    for entry in fs::read_dir(golden()).expect("a folder") {
        let mut resources = build(&entry.expect("an entry").path().join("input.yaml"));
        resources.secret.data = None;
        let built = documents(&resources);
        assert!(!built.contains("fake-"), "{built}");
        assert!(!built.contains("ZmFrZS"), "{built}");
    }
}
