//! Pods fit Pod Security `restricted`, whatever the values.

use serde_json::{Value, json};

use super::{cases, find, of_kind, render};

#[test]
fn every_pod_is_restricted() {
    for (case, objects) in cases() {
        let pods: Vec<_> = objects
            .iter()
            .filter_map(|object| object.pointer("/spec/template/spec"))
            .collect();
        assert_eq!(pods.len(), 1, "{case}");
        for pod in pods {
            let faults = faults_of_pod(pod);
            assert!(faults.is_empty(), "{case}: {faults:#?}");
        }
    }
}

#[test]
fn the_check_of_pods_misses_no_field() {
    let objects = render(&[]);
    let deployment = find(&objects, "Deployment", "anyray-operator");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = "/containers/0/securityContext";
    let changes = [
        ("/hostNetwork".to_owned(), json!(true)),
        (
            "/volumes".to_owned(),
            json!([{ "name": "host", "hostPath": {} }]),
        ),
        ("/securityContext/runAsNonRoot".to_owned(), json!(false)),
        ("/securityContext/runAsUser".to_owned(), json!(0)),
        ("/securityContext/seccompProfile".to_owned(), json!({})),
        (format!("{container}/allowPrivilegeEscalation"), json!(null)),
        (format!("{container}/privileged"), json!(true)),
        (format!("{container}/readOnlyRootFilesystem"), json!(false)),
        (format!("{container}/capabilities/drop"), json!([])),
        (format!("{container}/capabilities/add"), json!(["NET_RAW"])),
        ("/containers/0/ports/0/hostPort".to_owned(), json!(8789)),
    ];
    for (pointer, value) in changes {
        let mut changed = pod.clone();
        let (parent, field) = pointer.rsplit_once('/').expect("a field");
        let parent = changed.pointer_mut(parent).expect("its parent");
        parent[field] = value;
        assert_eq!(faults_of_pod(&changed).len(), 1, "{pointer}");
    }
}

#[test]
fn only_the_operators_pod_gets_its_token() {
    for (case, objects) in cases() {
        for account in of_kind(&objects, "ServiceAccount") {
            assert_eq!(account["automountServiceAccountToken"], false, "{case}");
        }
        let deployment = find(&objects, "Deployment", "anyray-operator");
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], true, "{case}");
        assert_eq!(pod["enableServiceLinks"], false, "{case}");
    }
}

/// Where a pod misses the Pod Security Standard `restricted`, or has a file system to write to.
///
/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted>
fn faults_of_pod(pod: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let mut must = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        must(pod[host].is_null(), host);
    }
    // The chart mounts nothing, so every volume is one too many.
    must(pod["volumes"].is_null(), "volumes");
    let context = &pod["securityContext"];
    must(context["runAsNonRoot"] == true, "runAsNonRoot");
    must(context["runAsUser"] == 65532, "runAsUser");
    must(context["runAsGroup"] == 65532, "runAsGroup");
    let seccomp = &context["seccompProfile"]["type"];
    must(seccomp == "RuntimeDefault", "seccompProfile");
    must(context["sysctls"].is_null(), "sysctls");
    for kind in ["initContainers", "ephemeralContainers"] {
        must(pod[kind].is_null(), kind);
    }
    for container in pod["containers"].as_array().expect("containers") {
        let ports = container["ports"].as_array().expect("ports");
        must(ports.iter().all(|it| it["hostPort"].is_null()), "hostPort");
        let expected = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        });
        must(container["securityContext"] == expected, "securityContext");
    }
    faults
}
