//! A field that has no effect is a lie: each field of a spec changes an object of the gateway, or
//! decides whether the spec is accepted.
//!
//! The fields come from the definitions; a new one fails here until it has a row.

#![cfg(test)]

#[path = "fields/clients.rs"]
mod clients;
#[path = "fields/provider_keys.rs"]
mod provider_keys;

use std::collections::{BTreeMap, BTreeSet};

use anyray_crds::{
    admission, schema,
    v1alpha1::{AnyrayGateway, ProviderKey},
};
use anyray_operator::{
    gateway::{
        admin,
        build::{self, Defaults},
        validate::{self, References, selects},
    },
    provider_key::material::SecretEntries,
};
use provider_keys::{material, provider_key};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A certificate that nobody has the key of.
const CERTIFICATE: &str = "\
-----BEGIN CERTIFICATE-----
MIIBgjCCASmgAwIBAgIUP7xiwn2ijjDvD+NvCmdRC9REYScwCgYIKoZIzj0EAwIw
FjEUMBIGA1UEAwwLQW55cmF5IHRlc3QwIBcNMjYxMTI0MTMxMjA5WhgPMjEyNjEw
MzExMzEyMDlaMBYxFDASBgNVBAMMC0FueXJheSB0ZXN0MFkwEwYHKoZIzj0CAQYI
KoZIzj0DAQcDQgAECy4fmxcvel6/Z9V2JdTVeIdRHMcldjGMn9DpLIv9Lm8/ZVuS
snwA1BYzQWd0ukYN20+P1p+HeQOkV/+GhuWvPKNTMFEwHQYDVR0OBBYEFGbzNHHx
lL0JFFHgO6o1TWejxxxLMB8GA1UdIwQYMBaAFGbzNHHxlL0JFFHgO6o1TWejxxxL
MA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgAbQDFadDEXu5d59t
uzYgatAUpaZwwqGhp4WzEDSOuL8CIDM9Sf7TNcjqHMiSLhcYKwUSEjGV8DLDr23Z
1g+wrEUK
-----END CERTIFICATE-----
";

/// Types of Kubernetes, which count as one field each.
const EMBEDDED: [&str; 5] = [
    "affinity",
    "providers.selector",
    "resources",
    "tolerations",
    "topologySpreadConstraints",
];

/// What a change of a field does.
enum Effect {
    /// With the first spec and with the second, other objects are built.
    Objects(Value, Value),
    /// The first spec is accepted, the second is refused.
    Acceptance(Value, Value),
    /// Both specs are accepted, and the operator makes the same of them: the gateway reads the
    /// field from the object itself, and its tests show what it does there.
    InGateway(Value, Value),
    /// Both specs are accepted; people read the field, and nothing else does.
    ForPeople(Value, Value),
}

use Effect::{Acceptance, ForPeople, InGateway, Objects};

/// A row for a field that the base leaves out.
fn set(after: Value) -> Effect {
    Objects(json!({}), after)
}

/// By the path of each field of `AnyrayGateway`: changes of [`gateway`].
fn gateway_fields() -> BTreeMap<&'static str, Effect> {
    let mut fields = data_plane_fields();
    fields.extend(admin_fields());
    fields.extend(custom_host_fields());
    fields.extend(pod_fields());
    fields.extend(service_fields());
    fields
}

fn admin_fields() -> BTreeMap<&'static str, Effect> {
    let token = |name: &str, key: &str| json!({ "admin": { "tokenSecretRef": { "name": name, "key": key } } });
    [
        (
            "admin.enabled",
            set(json!({ "admin": { "enabled": false } })),
        ),
        (
            "admin.tokenSecretRef.name",
            Objects(token("keys", "token"), token("other", "token")),
        ),
        (
            "admin.tokenSecretRef.key",
            Objects(token("keys", "token"), token("keys", "other")),
        ),
        (
            "admin.host",
            set(json!({ "admin": { "host": "admin.example.com" } })),
        ),
    ]
    .into()
}

fn custom_host_fields() -> BTreeMap<&'static str, Effect> {
    let host = |host: &str| json!({ "egress": { "customHosts": [{ "host": host }] } });
    let bundle = |name: &str, key: &str| {
        let mut spec = host("llm.example.com");
        spec["egress"]["customHosts"][0]["caBundleRef"] = json!({ "name": name, "key": key });
        spec
    };
    [
        (
            "egress.customHosts[].host",
            Objects(host("llm.example.com"), host("llm.example.com:8443")),
        ),
        (
            "egress.customHosts[].caBundleRef.name",
            Objects(bundle("one", "ca.crt"), bundle("two", "ca.crt")),
        ),
        (
            "egress.customHosts[].caBundleRef.key",
            Objects(bundle("one", "ca.crt"), bundle("one", "other.crt")),
        ),
    ]
    .into()
}

fn data_plane_fields() -> BTreeMap<&'static str, Effect> {
    let rule = |pattern: &str, key: &str| json!({ "routing": { "models": [{ "match": pattern, "providerKey": key }] } });
    let balanced = json!({ "service": { "type": "LoadBalancer", "allowPublic": true } });
    let mut opened = balanced.clone();
    opened["auth"] = json!({ "acknowledgeOpen": true });
    [
        (
            "auth.clientKeys",
            set(json!({ "auth": { "clientKeys": "Required" } })),
        ),
        ("auth.acknowledgeOpen", Acceptance(opened, balanced)),
        (
            "auth.subscriptionPassthrough",
            set(json!({ "auth": { "subscriptionPassthrough": true } })),
        ),
        (
            "providers.selector",
            set(json!({ "providers": { "selector": { "matchLabels": { "team": "b" } } } })),
        ),
        (
            "routing.models[].match",
            Objects(rule("a", "main"), rule("b", "main")),
        ),
        (
            "routing.models[].providerKey",
            Objects(rule("a", "main"), rule("a", "other")),
        ),
        (
            "passthroughPaths",
            set(json!({ "passthroughPaths": ["/v1/files"] })),
        ),
        (
            "egress.allowPrivateAddresses",
            set(json!({ "egress": { "allowPrivateAddresses": true } })),
        ),
        (
            "egress.allowedNetworks",
            set(json!({ "egress": { "allowedNetworks": ["10.1.0.0/16"] } })),
        ),
        ("limits.maxBodyBytes", limit("maxBodyBytes")),
        ("limits.maxBufferedBytes", limit("maxBufferedBytes")),
        (
            "limits.maxConcurrentRequests",
            limit("maxConcurrentRequests"),
        ),
        ("limits.maxConnections", limit("maxConnections")),
        ("timeouts.connect", timeout("connect")),
        ("timeouts.firstByte", timeout("firstByte")),
        ("timeouts.idle", timeout("idle")),
        ("timeouts.total", timeout("total")),
        ("timeouts.requestBody", timeout("requestBody")),
        ("timeouts.ping", timeout("ping")),
        (
            "observability.accessLog",
            set(json!({ "observability": { "accessLog": false } })),
        ),
        (
            "observability.logLevel",
            set(json!({ "observability": { "logLevel": "debug" } })),
        ),
    ]
    .into()
}

fn limit(field: &str) -> Effect {
    set(json!({ "limits": { field: 7 } }))
}

fn timeout(field: &str) -> Effect {
    set(json!({ "timeouts": { field: "7s" } }))
}

fn pod_fields() -> BTreeMap<&'static str, Effect> {
    let image = |tag: &str| json!({ "image": { "repository": "anyray", "tag": tag } });
    let mut other_repository = image("1");
    other_repository["image"]["repository"] = json!("other");
    let mut digested = image("1");
    digested["image"]["digest"] = json!(format!("sha256:{}", "0123456789abcdef".repeat(4)));
    let toleration = json!([{ "key": "pool", "operator": "Exists" }]);
    let spread =
        json!([{ "maxSkew": 1, "topologyKey": "a", "whenUnsatisfiable": "DoNotSchedule" }]);
    let term = json!({ "matchExpressions": [{ "key": "pool", "operator": "Exists" }] });
    let affinity = json!({ "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [term] },
    } });
    [
        ("replicas", set(json!({ "replicas": 3 }))),
        ("image.repository", Objects(image("1"), other_repository)),
        ("image.tag", Objects(image("1"), image("2"))),
        ("image.digest", Objects(image("1"), digested)),
        (
            "image.pullPolicy",
            set(json!({ "image": { "pullPolicy": "Always" } })),
        ),
        (
            "image.pullSecrets[].name",
            set(json!({ "image": { "pullSecrets": [{ "name": "registry" }] } })),
        ),
        (
            "drain.preStopSeconds",
            set(json!({ "drain": { "preStopSeconds": 7 } })),
        ),
        (
            "drain.drainSeconds",
            set(json!({ "drain": { "drainSeconds": 7 } })),
        ),
        (
            "drain.terminationGracePeriodSeconds",
            set(json!({ "drain": { "terminationGracePeriodSeconds": 700 } })),
        ),
        (
            "resources",
            set(json!({ "resources": { "limits": { "memory": "1Gi" } } })),
        ),
        (
            "podTemplate.labels",
            set(json!({ "podTemplate": { "labels": { "team": "a" } } })),
        ),
        (
            "podTemplate.annotations",
            set(json!({ "podTemplate": { "annotations": { "mesh": "off" } } })),
        ),
        (
            "nodeSelector",
            set(json!({ "nodeSelector": { "pool": "llm" } })),
        ),
        ("tolerations", set(json!({ "tolerations": toleration }))),
        ("affinity", set(json!({ "affinity": affinity }))),
        (
            "topologySpreadConstraints",
            set(json!({ "topologySpreadConstraints": spread })),
        ),
        (
            "priorityClassName",
            set(json!({ "priorityClassName": "important" })),
        ),
    ]
    .into()
}

fn service_fields() -> BTreeMap<&'static str, Effect> {
    let balanced = |more: Value| {
        let mut spec = json!({
            "auth": { "acknowledgeOpen": true },
            "service": { "type": "LoadBalancer", "allowPublic": true },
        });
        merge(&mut spec["service"], &more);
        spec
    };
    let ranges = |range: &str| balanced(json!({ "loadBalancerSourceRanges": [range] }));
    [
        ("service.type", set(balanced(json!({})))),
        ("service.port", set(json!({ "service": { "port": 80 } }))),
        (
            "service.annotations",
            set(json!({ "service": { "annotations": { "cloud": "internal" } } })),
        ),
        (
            "service.loadBalancerClass",
            Objects(
                balanced(json!({})),
                balanced(json!({ "loadBalancerClass": "example.com/internal" })),
            ),
        ),
        (
            "service.loadBalancerSourceRanges",
            Objects(ranges("203.0.113.0/24"), ranges("198.51.100.0/24")),
        ),
        (
            "service.allowPublic",
            Acceptance(
                balanced(json!({})),
                balanced(json!({ "allowPublic": false })),
            ),
        ),
    ]
    .into()
}

/// The paths of all fields of a schema.
fn fields(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    if EMBEDDED.contains(&path) {
        found.insert(path.to_owned());
        return;
    }
    let items = schema.get("items");
    if let Some(items) = items.filter(|items| items.get("properties").is_some()) {
        return fields(items, &format!("{path}[]"), found);
    }
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        found.insert(path.to_owned());
        return;
    };
    for (name, property) in properties {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        fields(property, &path, found);
    }
}

fn fields_of(kind: &str) -> BTreeSet<String> {
    let crds = schema::all();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == kind);
    let schema = schema::open_api(crd.expect("a kind of ours"));
    let mut found = BTreeSet::new();
    let spec = schema.pointer("/properties/spec").expect("a spec");
    fields(spec, "", &mut found);
    found
}

/// A merge patch: null removes.
fn merge(target: &mut Value, patch: &Value) {
    let (Some(target), Some(patch)) = (target.as_object_mut(), patch.as_object()) else {
        target.clone_from(patch);
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

fn object(kind: &str, name: &str, spec: Value, patch: &Value) -> Value {
    let mut spec = spec;
    merge(&mut spec, patch);
    json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": kind,
        "metadata": { "name": name, "namespace": "llm", "labels": { "team": "a" } },
        "spec": spec,
    })
}

fn gateway(patch: &Value) -> Value {
    let spec = json!({ "auth": { "clientKeys": "Optional" } });
    object("AnyrayGateway", "main", spec, patch)
}

fn admit<T: DeserializeOwned>(object: &Value) -> Result<T, String> {
    let kind = object["kind"].as_str().expect("a kind");
    let crds = schema::all();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == kind);
    let admitted = admission::admit(crd.expect("a kind of ours"), object);
    let admitted = admitted.map_err(|refusal| refusal.to_string())?;
    serde_json::from_value(admitted).map_err(|error| error.to_string())
}

/// The `data` of a ConfigMap.
fn certificates(name: &str) -> BTreeMap<String, String> {
    let count = if name == "one" { 1 } else { 2 };
    let certificates = |count| CERTIFICATE.repeat(count);
    [
        ("ca.crt".to_owned(), certificates(count)),
        ("other.crt".to_owned(), certificates(count + 2)),
    ]
    .into()
}

/// The Secret with the admin token; each has other entries.
fn admin_secret(gateway: &AnyrayGateway) -> SecretEntries {
    let secret = admin::reference(gateway).name;
    let entry = |entry: &str| {
        let value = format!("{secret}-{entry}-0123456789").into_bytes();
        (entry.to_owned(), value.into())
    };
    SecretEntries {
        version: Some("1".to_owned()),
        entries: ["token", "other"].map(entry).into(),
    }
}

/// The objects of a gateway with one key, or why the API server or the operator refuses it.
fn objects(gateway: &Value, key: &Value) -> Result<String, String> {
    let gateway: AnyrayGateway = admit(gateway)?;
    let key: ProviderKey = admit(key)?;
    let keys = [key].into_iter().filter(|key| selects(&gateway, key));
    let references = References {
        keys: keys.map(|key| (key.clone(), material(&key))).collect(),
        admin: Some(admin_secret(&gateway)),
        bundles: ["one", "two"]
            .map(|name| (name.to_owned(), certificates(name)))
            .into(),
        ..References::default()
    };
    let validated = validate::validate(&gateway, &references).map_err(|fault| fault.message)?;
    let defaults = Defaults {
        image: "release:1".to_owned(),
        image_pull_policy: "IfNotPresent".to_owned(),
    };
    let built = build::build(&validated, &defaults);
    let objects = json!([
        built.service_account,
        built.role,
        built.role_binding,
        built.secret,
        built.config_map,
        built.service,
        built.deployment,
    ]);
    Ok(objects.to_string())
}

fn check(
    kind: &str,
    rows: &BTreeMap<&str, Effect>,
    build: impl Fn(&Value) -> Result<String, String>,
) {
    let known: BTreeSet<_> = rows.keys().map(|&path| path.to_owned()).collect();
    assert_eq!(fields_of(kind), known, "{kind}: rows are not its fields");
    for (path, effect) in rows {
        match effect {
            Objects(before, after) => {
                let before = build(before).unwrap_or_else(|error| panic!("{path}: {error}"));
                let after = build(after).unwrap_or_else(|error| panic!("{path}: {error}"));
                assert!(before != after, "{kind}: {path} has no effect");
            }
            Acceptance(accepted, refused) => {
                build(accepted).unwrap_or_else(|error| panic!("{path}: {error}"));
                assert!(build(refused).is_err(), "{kind}: {path} has no effect");
            }
            InGateway(before, after) | ForPeople(before, after) => {
                let before = build(before).unwrap_or_else(|error| panic!("{path}: {error}"));
                let after = build(after).unwrap_or_else(|error| panic!("{path}: {error}"));
                assert!(before == after, "{kind}: {path} has an effect here");
            }
        }
    }
}

#[test]
fn every_field_of_a_gateway_has_an_effect() {
    check("AnyrayGateway", &gateway_fields(), |patch| {
        objects(&gateway(patch), &provider_key(&json!({})))
    });
}

#[test]
fn every_field_of_a_provider_key_has_an_effect() {
    check("ProviderKey", &provider_keys::fields(), |patch| {
        objects(&gateway(&json!({})), &provider_key(patch))
    });
}

/// Otherwise a difference would be no effect of a field.
#[test]
fn the_same_spec_makes_the_same_objects() {
    let build = || objects(&gateway(&json!({})), &provider_key(&json!({})));
    assert_eq!(build().expect("objects"), build().expect("objects"));
}
