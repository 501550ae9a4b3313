//! What a change concerns, among the objects of one namespace.

use kube::runtime::{
    reflector::{self, store::Writer},
    watcher::Event,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

const HASH: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

fn object<K: Resource + DeserializeOwned>(kind: &str, name: &str, spec: &Value) -> Guarded<K> {
    let object = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": kind,
        "metadata": { "name": name, "namespace": "llm", "uid": name, "generation": 1 },
        "spec": spec,
    });
    serde_json::from_value(object).expect("an object")
}

fn gateway(name: &str, spec: &Value) -> Guarded<AnyrayGateway> {
    object("AnyrayGateway", name, spec)
}

fn invite(name: &str, code_hash: Option<&str>) -> Guarded<Invite> {
    let mut spec = json!({ "gatewayRef": { "name": "main" }, "user": "ada" });
    if let Some(hash) = code_hash {
        spec["codeHash"] = json!(hash);
    }
    object("Invite", name, &spec)
}

fn client_key(name: &str, invite: Option<&str>) -> Guarded<ClientKey> {
    let key = json!({ "id": "0123456789ab", "hash": HASH });
    let mut spec = json!({ "gatewayRef": { "name": "main" }, "user": "ada", "key": key });
    if let Some(invite) = invite {
        spec["invite"] = json!({ "name": invite, "codeHash": HASH });
    }
    object("ClientKey", name, &spec)
}

fn store<K>(objects: Vec<K>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let mut writer = Writer::<K>::default();
    let store = writer.as_reader();
    writer.apply_watcher_event(&Event::Init);
    for object in objects {
        writer.apply_watcher_event(&Event::InitApply(object));
    }
    writer.apply_watcher_event(&Event::InitDone);
    store
}

/// Two gateways, of which one names a Secret and a ConfigMap; an invite that waits and one that
/// does not; a key of the latter, and one of nobody's.
fn stores() -> Stores {
    let named = json!({
        "admin": { "tokenSecretRef": { "name": "token" } },
        "egress": { "customHosts": [
            { "host": "llm.example.com", "caBundleRef": { "name": "bundle" } },
        ] },
    });
    Stores {
        gateways: store(vec![gateway("main", &json!({})), gateway("other", &named)]),
        provider_keys: reflector::store().0,
        invites: store(vec![invite("waiting", None), invite("issued", Some(HASH))]),
        client_keys: store(vec![
            client_key("of-issued", Some("issued")),
            client_key("alone", None),
        ]),
        deployments: reflector::store().0,
        services: reflector::store().0,
        pods: reflector::store().0,
    }
}

/// As `Kind name`, in order and each once.
fn names(triggers: Vec<Trigger>) -> Vec<String> {
    let mut names: Vec<_> = triggers
        .into_iter()
        .map(|trigger| match trigger {
            Trigger::Gateway(key) => format!("AnyrayGateway {}", key.name),
            Trigger::ProviderKey(key) => format!("ProviderKey {}", key.name),
            Trigger::Invite(key) => format!("Invite {}", key.name),
            Trigger::ClientKey(key) => format!("ClientKey {}", key.name),
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn changed<K>(concerns: impl Fn(Change<'_, K>) -> Vec<Trigger>, old: &K, new: &K) -> Vec<String> {
    names(concerns(Change::Object {
        old: Some(old),
        new: Some(new),
    }))
}

fn made<K>(concerns: impl Fn(Change<'_, K>) -> Vec<Trigger>, new: &K) -> Vec<String> {
    names(concerns(Change::Object {
        old: None,
        new: Some(new),
    }))
}

#[test]
fn a_gateways_status_concerns_the_invites_that_wait_for_its_address() {
    let gateway = gateway("main", &json!({}));
    let told = changed(of_gateway(stores()), &gateway, &gateway);
    assert_eq!(told, ["Invite waiting"]);
}

#[test]
fn a_new_gateway_concerns_all_that_belongs_to_it() {
    let told = made(of_gateway(stores()), &gateway("main", &json!({})));
    let all = [
        "AnyrayGateway main",
        "ClientKey alone",
        "ClientKey of-issued",
        "Invite issued",
        "Invite waiting",
    ];
    assert_eq!(told, all);
    let other = made(of_gateway(stores()), &gateway("third", &json!({})));
    assert_eq!(other, ["AnyrayGateway third"]);
}

#[test]
fn an_invite_concerns_its_keys_once_it_says_something_else() {
    let before = invite("issued", Some(HASH));
    assert_eq!(
        changed(of_invite(stores()), &before, &before),
        ["Invite issued"]
    );
    let mut revoked = before.clone();
    revoked.meta_mut().generation = Some(2);
    let both = ["ClientKey of-issued", "Invite issued"];
    assert_eq!(changed(of_invite(stores()), &before, &revoked), both);
    let gone = Change::Object {
        old: Some(&before),
        new: None,
    };
    assert_eq!(names(of_invite(stores())(gone)), both);
}

#[test]
fn a_new_key_concerns_the_invite_that_it_came_from() {
    let key = client_key("of-issued", Some("issued"));
    let both = ["ClientKey of-issued", "Invite issued"];
    assert_eq!(made(of_client_key(stores()), &key), both);
    let alone = changed(of_client_key(stores()), &key, &key);
    assert_eq!(alone, ["ClientKey of-issued"]);
}

fn secret(name: &str, owner: Option<&str>) -> PartialObjectMeta<Secret> {
    let owner = owner.map(|kind| {
        json!([{
            "apiVersion": "anyray.ai/v1alpha1",
            "kind": kind,
            "name": "owner",
            "uid": "1",
            "controller": true,
        }])
    });
    let metadata = json!({ "name": name, "namespace": "llm", "ownerReferences": owner });
    serde_json::from_value(json!({ "metadata": metadata })).expect("metadata")
}

#[test]
fn a_secret_concerns_its_owner() {
    for kind in ["AnyrayGateway", "Invite", "ClientKey"] {
        let told = made(of_secret(stores()), &secret("made", Some(kind)));
        assert_eq!(told, [format!("{kind} owner")]);
    }
    assert!(made(of_secret(stores()), &secret("someone's", None)).is_empty());
}

#[test]
fn a_credential_concerns_the_keys_that_name_its_secret_and_their_gateways() {
    let fields = [
        "apiKeySecretRef",
        "awsSecretRef",
        "gcpSecretRef",
        "entraSecretRef",
    ];
    let keys = fields.map(|field| {
        let spec = json!({ "provider": "openai", "auth": { field: { "name": field } } });
        object::<ProviderKey>("ProviderKey", &format!("by-{field}"), &spec)
    });
    let stores = || Stores {
        provider_keys: store(keys.to_vec()),
        ..stores()
    };
    for field in fields {
        let told = made(of_secret(stores()), &secret(field, None));
        let key = format!("ProviderKey by-{field}");
        assert_eq!(told, ["AnyrayGateway main", "AnyrayGateway other", &key]);
    }
    assert!(made(of_secret(stores()), &secret("unnamed", None)).is_empty());
}

#[test]
fn an_admin_token_concerns_the_gateway_that_it_is_for() {
    let named = made(of_secret(stores()), &secret("token", None));
    assert_eq!(named, ["AnyrayGateway other"]);
    let own = made(of_secret(stores()), &secret("main-admin", None));
    assert_eq!(own, ["AnyrayGateway main"]);
    assert!(made(of_secret(stores()), &secret("other-admin", None)).is_empty());
}

#[test]
fn certificates_concern_the_gateway_whose_hosts_name_them() {
    let metadata = json!({ "metadata": { "name": "bundle", "namespace": "llm" } });
    let bundle = serde_json::from_value(metadata).expect("metadata");
    let told = made(of_config_map(stores()), &bundle);
    assert_eq!(told, ["AnyrayGateway other"]);
}
