//! Who gets which rights: the operator's exact table, and what no role may have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{NAMESPACE, cases, find, is_cluster_scoped, is_definition, of_kind, render, text};

/// API groups, resources and verbs, as in a rule of a role.
type Rule = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

/// All that the operator may do. A longer list needs an argument, and a line in
/// `docs/guides/install.md`.
const OPERATOR_RULES: &[Rule] = &[
    (
        &["anyray.ai"],
        &["anyraygateways", "providerkeys"],
        &["get", "list", "watch"],
    ),
    (
        &["anyray.ai"],
        &["anyraygateways/status", "providerkeys/status"],
        &["get", "patch"],
    ),
    (&["anyray.ai"], &["anyraygateways/finalizers"], &["update"]),
    (
        &["apps"],
        &["deployments"],
        &["get", "list", "watch", "create", "patch"],
    ),
    (
        &[""],
        &["services", "configmaps", "secrets", "serviceaccounts"],
        &["get", "list", "watch", "create", "patch"],
    ),
    (&[""], &["pods"], &["get", "list", "watch", "patch"]),
    (&["events.k8s.io"], &["events"], &["create", "patch"]),
];

/// Verbs that no role has: they widen rights or borrow somebody else's.
const FORBIDDEN_VERBS: &[&str] = &["*", "escalate", "bind", "impersonate", "approve", "sign"];

/// Resources that no role has, subresources included: they lead out of the operator's business.
const FORBIDDEN_RESOURCES: &[&str] = &[
    "*",
    "nodes",
    "pods/exec",
    "pods/attach",
    "pods/portforward",
    "pods/ephemeralcontainers",
    "serviceaccounts/token",
    "customresourcedefinitions",
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
    "certificatesigningrequests",
];

#[test]
fn the_operator_has_exactly_its_rights() {
    let objects = render(&[]);
    let name = "anyray-operator.anyray-system";
    let role = find(&objects, "ClusterRole", name);
    assert_eq!(rights(role), rights_of_rules(OPERATOR_RULES));
    let binding = find(&objects, "ClusterRoleBinding", name);
    assert_eq!(binding["roleRef"]["name"], name);
    assert_eq!(binding["subjects"], operator_alone());
    assert!(of_kind(&objects, "Role").is_empty());
    assert_eq!(of_kind(&objects, "ClusterRoleBinding").len(), 1);
}

#[test]
fn a_namespaced_operator_has_its_rights_in_the_listed_namespaces_alone() {
    let objects = render(&["--set", "watchNamespaces={team-a,team-b}"]);
    for kind in ["Role", "RoleBinding"] {
        let namespaces = of_kind(&objects, kind)
            .into_iter()
            .map(|object| text(&object["metadata"]["namespace"]));
        assert_eq!(namespaces.collect::<Vec<_>>(), ["team-a", "team-b"]);
    }
    for role in of_kind(&objects, "Role") {
        assert_eq!(rights(role), rights_of_rules(OPERATOR_RULES));
    }
    for binding in of_kind(&objects, "RoleBinding") {
        assert_eq!(binding["roleRef"]["kind"], "Role");
        assert_eq!(binding["roleRef"]["name"], "anyray-operator");
        assert_eq!(binding["subjects"], operator_alone());
    }
}

#[test]
fn a_namespaced_install_has_nothing_cluster_scoped_unasked() {
    let is_extra = |object: &&Value| is_cluster_scoped(object) && !is_definition(object);
    let objects = render(&["--set", "watchNamespaces={team-a}"]);
    let found: Vec<_> = objects.iter().filter(is_extra).collect();
    assert!(found.is_empty(), "{found:#?}");
    let asked = ["watchNamespaces={team-a}", "podPatchPolicy.enabled=true"].join(",");
    let objects = render(&["--set", &asked]);
    let kinds = objects.iter().filter(is_extra).map(|it| text(&it["kind"]));
    let policy = [
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ];
    assert_eq!(kinds.collect::<Vec<_>>(), policy);
}

#[test]
fn no_role_is_broad_or_dangerous() {
    for (case, objects) in cases() {
        for role in objects.iter().filter(|object| is_role(object)) {
            let faults = faults_of_role(role);
            assert!(faults.is_empty(), "{case}: {faults:#?}");
        }
    }
}

#[test]
fn the_check_of_roles_finds_what_it_is_for() {
    let bad = [
        json!({ "apiGroups": ["*"], "resources": ["pods"], "verbs": ["get"] }),
        json!({ "apiGroups": [""], "resources": ["*"], "verbs": ["get"] }),
        json!({ "apiGroups": [""], "resources": ["pods/*"], "verbs": ["get"] }),
        json!({ "apiGroups": [""], "resources": ["pods"], "verbs": ["*"] }),
        json!({ "apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"] }),
        json!({ "apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"] }),
        json!({ "apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"] }),
        json!({ "nonResourceURLs": ["/metrics"], "verbs": ["get"] }),
    ];
    for rule in bad {
        let role = json!({ "metadata": { "name": "bad" }, "rules": [rule] });
        assert_eq!(faults_of_role(&role).len(), 1, "{role}");
    }
}

#[test]
fn users_get_rights_on_anyrays_resources_alone() {
    let objects = render(&[]);
    let is_aggregated = |role: &&&Value| {
        let labels = role["metadata"]["labels"].as_object().expect("labels");
        labels.keys().any(|name| name.contains("/aggregate-to-"))
    };
    let roles = of_kind(&objects, "ClusterRole");
    let aggregated: Vec<_> = roles.iter().filter(is_aggregated).collect();
    assert_eq!(aggregated.len(), 2);
    for role in aggregated {
        for (group, resource) in rights(role).keys() {
            assert_eq!(group, "anyray.ai");
            assert!(!resource.ends_with("/status"), "the operator's own");
        }
    }
}

#[test]
fn the_pod_policy_is_about_the_account_that_the_operator_runs_as() {
    for arguments in [&[][..], &["--set", "serviceAccount.name=other"]] {
        let objects = render(arguments);
        let deployment = find(&objects, "Deployment", "anyray-operator");
        let account = text(&deployment["spec"]["template"]["spec"]["serviceAccountName"]);
        let name = "anyray-operator.anyray-system";
        let policy = find(&objects, "ValidatingAdmissionPolicy", name);
        let expected =
            format!("request.userInfo.username == \"system:serviceaccount:{NAMESPACE}:{account}\"");
        assert_eq!(
            policy["spec"]["matchConditions"][0]["expression"],
            expected.as_str()
        );
        assert_eq!(policy["spec"]["failurePolicy"], "Fail");
        let binding = find(&objects, "ValidatingAdmissionPolicyBinding", name);
        assert_eq!(binding["spec"]["policyName"], name);
        assert_eq!(binding["spec"]["validationActions"], json!(["Deny"]));
    }
}

fn is_role(object: &Value) -> bool {
    object["kind"] == "Role" || object["kind"] == "ClusterRole"
}

/// The subjects of every binding.
fn operator_alone() -> Value {
    json!([{ "kind": "ServiceAccount", "name": "anyray-operator", "namespace": NAMESPACE }])
}

/// The verbs on each resource of each API group.
type Rights = BTreeMap<(String, String), BTreeSet<String>>;

fn rights_of_rules(rules: &[Rule]) -> Rights {
    let rules = rules.iter().map(|(groups, resources, verbs)| {
        json!({ "apiGroups": groups, "resources": resources, "verbs": verbs })
    });
    rights(&json!({ "rules": rules.collect::<Vec<_>>() }))
}

fn rights(role: &Value) -> Rights {
    let mut rights = Rights::new();
    for rule in role["rules"].as_array().expect("rules") {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                let verbs = rights.entry((group.clone(), resource)).or_default();
                verbs.extend(words(&rule["verbs"]));
            }
        }
    }
    rights
}

/// What no role may have, one line for each find.
fn faults_of_role(role: &Value) -> Vec<String> {
    let name = text(&role["metadata"]["name"]);
    let mut faults = Vec::new();
    for rule in role["rules"].as_array().expect("rules") {
        let groups = words(&rule["apiGroups"]);
        faults.extend(groups.iter().filter(|it| it.contains('*')).cloned());
        let is_forbidden = |resource: &String| {
            let whole = resource.split('/').next().unwrap_or_default();
            let forbidden = |it: &&str| *it == resource || *it == whole;
            FORBIDDEN_RESOURCES.iter().any(forbidden) || resource.contains('*')
        };
        faults.extend(words(&rule["resources"]).into_iter().filter(is_forbidden));
        let is_forbidden = |verb: &String| FORBIDDEN_VERBS.contains(&verb.as_str());
        faults.extend(words(&rule["verbs"]).into_iter().filter(is_forbidden));
        faults.extend(words(&rule["nonResourceURLs"]));
    }
    faults
        .into_iter()
        .map(|it| format!("{name}: {it}"))
        .collect()
}

fn words(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|word| text(word).to_owned()).collect()
}
