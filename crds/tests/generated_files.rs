//! The committed definitions are those that the types make; `UPDATE=1` writes them.

#![cfg(test)]

use std::{env, fs, path::Path};

use anyray_crds::schema;

const HEADER: &str =
    "# Generated from crds/src: UPDATE=1 cargo test -p anyray-crds --test generated_files\n";

#[test]
fn manifests_and_chart_templates_are_those_of_the_types() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for crd in schema::all() {
        let name = crd.metadata.name.clone().expect("a name");
        let yaml = serde_saphyr::to_string(&crd).expect("YAML");
        let manifest = root.join(format!("crds/manifests/{name}.yaml"));
        compare(&manifest, &format!("{HEADER}{yaml}"));
        let template = root.join(format!("charts/anyray/templates/crds/{name}.yaml"));
        compare(&template, &chart_template(&yaml));
    }
}

/// Definitions are templates, because Helm never upgrades what lies in a chart's `crds/` folder.
fn chart_template(yaml: &str) -> String {
    let keep = "  annotations:\n    helm.sh/resource-policy: keep\n";
    let metadata = "\nmetadata:\n";
    assert!(!yaml.contains("{{"), "Helm would take it for a template");
    assert_eq!(yaml.matches(metadata).count(), 1);
    let guarded = yaml.replace(
        metadata,
        &format!("{metadata}{{{{- if .Values.crds.keep }}}}\n{keep}{{{{- end }}}}\n"),
    );
    format!("{HEADER}{{{{- if .Values.crds.enabled }}}}\n{guarded}{{{{- end }}}}\n")
}

fn compare(path: &Path, expected: &str) {
    if env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().expect("a folder")).expect("create");
        fs::write(path, expected).expect("write");
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is not what crds/src makes: run UPDATE=1 cargo test -p anyray-crds --test generated_files",
        path.display()
    );
}
