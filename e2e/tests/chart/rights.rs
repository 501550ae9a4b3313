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
    // It makes and deletes none of these; it grants that to gateways' pods.
    (
        &["anyray.ai"],
        &["invites", "clientkeys"],
        &["get", "list", "watch", "create", "delete"],
    ),
    (
        &["anyray.ai"],
        &[
            "anyraygateways/status",
            "providerkeys/status",
            "clientkeys/status",
        ],
        &["get", "patch"],
    ),
    // It patches; gateways' pods update.
    (
        &["anyray.ai"],
        &["invites/status"],
        &["get", "patch", "update"],
    ),
    // Rights on nothing that exists, see `GATEWAY_RULES`.
    (
        &["anyray.ai"],
        &["anyraygateways/clients"],
        &["serve", "own"],
    ),
    (&["anyray.ai"], &["anyraygateways/finalizers"], &["update"]),
    (
        &["apps"],
        &["deployments"],
        &["get", "list", "watch", "create", "patch"],
    ),
    (
        &[""],
        &["services", "configmaps", "serviceaccounts"],
        &["get", "list", "watch", "create", "patch"],
    ),
    // To give gateways' pods their rights. Without `bind` and `escalate` it gives none that it does
    // not have itself.
    (
        &["rbac.authorization.k8s.io"],
        &["roles", "rolebindings"],
        &["get", "list", "watch", "create", "patch"],
    ),
    // It deletes the code of an Invite that is of no more use.
    (
        &[""],
        &["secrets"],
        &["get", "list", "watch", "create", "patch", "delete"],
    ),
    (&[""], &["pods"], &["get", "list", "watch", "patch"]),
    (&["events.k8s.io"], &["events"], &["create", "patch"]),
];

/// All that the operator grants to a gateway's pods, as `operator/src/gateway/build/role.rs` has it.
/// It must hold each of them itself, or the API server refuses the Role.
const GATEWAY_RULES: &[Rule] = &[
    (
        &["anyray.ai"],
        &["invites", "clientkeys"],
        &["get", "list", "watch", "create", "delete"],
    ),
    (&["anyray.ai"], &["invites/status"], &["update"]),
    (
        &["anyray.ai"],
        &["anyraygateways/clients"],
        &["serve", "own"],
    ),
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
fn the_operator_has_every_right_that_it_grants() {
    let operator = rights_of_rules(OPERATOR_RULES);
    for (resource, verbs) in rights_of_rules(GATEWAY_RULES) {
        let held = operator.get(&resource).expect("a right");
        assert!(verbs.is_subset(held), "{resource:?}: {verbs:?}");
    }
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
    let policy = [
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ];
    for switch in ["podPatchPolicy", "gatewayClientsPolicy"] {
        let asked = format!("watchNamespaces={{team-a}},{switch}.enabled=true");
        let objects = render(&["--set", &asked]);
        let kinds = objects.iter().filter(is_extra).map(|it| text(&it["kind"]));
        assert_eq!(kinds.collect::<Vec<_>>(), policy, "{switch}");
    }
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

/// A field that it forgot could be changed by a gateway's pod.
#[test]
fn the_policy_for_gateways_knows_every_field_of_an_invites_status() {
    let objects = render(&[]);
    let name = "anyray-operator.anyray-system.gateway-clients";
    let policy = find(&objects, "ValidatingAdmissionPolicy", name);
    let validations = policy["spec"]["validations"].as_array().expect("a list");
    let last = text(&validations.last().expect("one")["expression"]);
    let invites = find(&objects, "CustomResourceDefinition", "invites.anyray.ai");
    let status = invites
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/status/properties")
        .and_then(Value::as_object)
        .expect("fields");
    for field in status.keys().filter(|field| *field != "redemption") {
        let same = format!("variables.after.?status.?{field} == variables.before.?status.?{field}");
        assert!(last.contains(&same), "{field} is not in: {last}");
    }
    assert_eq!(last.matches("==").count(), status.len() - 1, "{last}");
}

#[test]
fn the_policy_for_gateways_is_in_force_and_leaves_the_operator_out() {
    let objects = render(&[]);
    let name = "anyray-operator.anyray-system.gateway-clients";
    let policy = find(&objects, "ValidatingAdmissionPolicy", name);
    assert_eq!(policy["spec"]["failurePolicy"], "Fail");
    let condition = text(&policy["spec"]["matchConditions"][0]["expression"]);
    assert!(condition.contains(".check(\"serve\").allowed() && !authorizer."));
    assert!(condition.ends_with(".check(\"patch\").allowed()"));
    let binding = find(&objects, "ValidatingAdmissionPolicyBinding", name);
    assert_eq!(binding["spec"]["policyName"], name);
    assert_eq!(binding["spec"]["validationActions"], json!(["Deny"]));
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
