//! The chart grants what the operator needs and nothing more, its pods are restricted, and its
//! values are documented.
//!
//! Whole renderings are compared by `.ci/charts`. `UPDATE=1` rewrites the tables of values in
//! `docs/reference/chart.md` and the chart's README.

#![cfg(test)]

mod guide;
mod pods;
mod rights;
mod values;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const CHART: &str = "charts/anyray";
const NAMESPACE: &str = "anyray-system";

/// The oldest that `Chart.yaml` allows.
const KUBERNETES: &str = "1.31.0";

/// Everything that the chart renders is of these kinds; true where a kind is cluster-scoped.
const KINDS: &[(&str, bool)] = &[
    ("ClusterRole", true),
    ("ClusterRoleBinding", true),
    ("CustomResourceDefinition", true),
    ("Deployment", false),
    ("NetworkPolicy", false),
    ("PodMonitor", false),
    ("Role", false),
    ("RoleBinding", false),
    ("ServiceAccount", false),
    ("ValidatingAdmissionPolicy", true),
    ("ValidatingAdmissionPolicyBinding", true),
];

/// What makes a rendering depend on the cluster, the hour or chance.
const FORBIDDEN_IN_TEMPLATES: &[&str] = &[
    "lookup ",
    "rand",
    "gen",
    "uuid",
    "now",
    "date",
    "Release.IsInstall",
    "Release.IsUpgrade",
    "Capabilities",
];

#[test]
fn objects_are_of_known_kinds_in_known_namespaces() {
    for (case, objects) in cases() {
        for object in &objects {
            let kind = text(&object["kind"]);
            assert!(
                KINDS.iter().any(|(known, _)| *known == kind),
                "{case}: {kind}"
            );
            let namespace = object["metadata"]["namespace"].as_str();
            match kind {
                _ if is_cluster_scoped(object) => assert_eq!(namespace, None, "{case}: {kind}"),
                "Role" | "RoleBinding" => assert_ne!(namespace, None, "{case}: {kind}"),
                _ => assert_eq!(namespace, Some(NAMESPACE), "{case}: {kind}"),
            }
        }
    }
}

#[test]
fn definitions_come_and_stay_as_asked() {
    let kept = |objects: &[Value]| -> Vec<bool> {
        let definitions = objects.iter().filter(|object| is_definition(object));
        definitions
            .map(|object| object["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep")
            .collect()
    };
    assert_eq!(kept(&render(&[])), [true; 4]);
    assert_eq!(kept(&render(&["--set", "crds.keep=false"])), [false; 4]);
    assert!(kept(&render(&["--set", "crds.enabled=false"])).is_empty());
}

#[test]
fn the_charts_page_lists_every_definition() {
    let chart: Value = yaml(&read(&format!("{CHART}/Chart.yaml")));
    let listed: Value = yaml(text(&chart["annotations"]["artifacthub.io/crds"]));
    let listed = listed.as_array().expect("a list").iter();
    let listed: BTreeSet<_> = listed.map(|one| text(&one["name"]).to_owned()).collect();
    let objects = render(&[]);
    let definitions = objects.iter().filter(|object| is_definition(object));
    let rendered = definitions.map(|object| text(&object["metadata"]["name"]).to_owned());
    assert_eq!(listed, rendered.collect());
}

#[test]
fn templates_depend_on_values_alone() {
    let folder = Path::new(ROOT).join(CHART).join("templates");
    for entry in fs::read_dir(folder).expect("the templates") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            continue;
        }
        let template = fs::read_to_string(&path).expect("a template");
        for action in actions(&template) {
            for word in FORBIDDEN_IN_TEMPLATES {
                let found = action.contains(word);
                assert!(!found, "{}: `{word}` in {action}", path.display());
            }
        }
        assert!(!template.contains("helm.sh/hook"), "{}", path.display());
    }
}

/// The program, built into the cache where it is not there yet.
fn helm() -> &'static Path {
    static HELM: OnceLock<PathBuf> = OnceLock::new();
    HELM.get_or_init(|| {
        let install = Command::new("e2e/cluster/install.sh")
            .arg("helm")
            .current_dir(ROOT)
            .output()
            .expect("start e2e/cluster/install.sh");
        let errors = String::from_utf8_lossy(&install.stderr);
        assert!(install.status.success(), "{errors}");
        let printed = String::from_utf8(install.stdout).expect("text");
        Path::new(printed.lines().last().expect("a folder")).join("helm")
    })
}

/// The objects that the chart makes of some arguments.
fn render(arguments: &[&str]) -> Vec<Value> {
    let rendering = Command::new(helm())
        .args(["template", "anyray", CHART, "--namespace", NAMESPACE])
        .args(["--kube-version", KUBERNETES])
        .args(arguments)
        .current_dir(ROOT)
        .output()
        .expect("start helm");
    let errors = String::from_utf8_lossy(&rendering.stderr);
    assert!(rendering.status.success(), "{arguments:?}: {errors}");
    let rendered = String::from_utf8(rendering.stdout).expect("text");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&rendered).expect("YAML");
    objects.into_iter().filter(|it| !it.is_null()).collect()
}

/// What the chart makes of the values of each golden.
fn cases() -> Vec<(String, Vec<Value>)> {
    let goldens = fs::read_dir(Path::new(ROOT).join(CHART).join("golden")).expect("the goldens");
    let paths = goldens.map(|entry| entry.expect("an entry").path().display().to_string());
    let values = paths.filter(|path| path.ends_with(".values.yaml"));
    let cases: Vec<_> = values
        .map(|path| (path.clone(), render(&["--values", &path])))
        .collect();
    assert!(cases.len() > 2);
    cases
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|it| it["kind"] == kind).collect()
}

fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = of_kind(objects, kind).into_iter();
    let found = found.find(|it| it["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn is_definition(object: &Value) -> bool {
    object["kind"] == "CustomResourceDefinition"
}

fn is_cluster_scoped(object: &Value) -> bool {
    KINDS
        .iter()
        .any(|(kind, is_cluster_scoped)| object["kind"] == *kind && *is_cluster_scoped)
}

/// What stands between `{{` and `}}`, comments left out.
fn actions(template: &str) -> Vec<&str> {
    let pieces = template.split("{{").skip(1);
    let actions = pieces.filter_map(|piece| piece.split_once("}}").map(|it| it.0));
    actions
        .filter(|action| {
            !action
                .trim_start_matches('-')
                .trim_start()
                .starts_with("/*")
        })
        .collect()
}

fn read(path: &str) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
