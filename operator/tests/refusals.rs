//! What passes the schema and is refused by the operator, and that what it builds of the rest is
//! whole.

#![cfg(test)]

use std::{fs, path::Path};

use anyray_crds::{
    admission,
    conditions::Reason,
    schema,
    v1alpha1::{AnyrayGateway, ProviderKey},
};
use anyray_operator::{
    gateway::validate::{self as gateway, References},
    provider_key::{
        material::{Material, SecretEntries},
        validate,
    },
};
use anyray_wire::gateway_config::{GatewayConfig, egress::EgressRule};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const CANARY: &str = "sk-canary-0123456789";

fn admit<T: DeserializeOwned>(object: &Value) -> T {
    let kind = object["kind"].as_str().expect("a kind");
    let crds = schema::all();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == kind);
    let admitted = admission::admit(crd.expect("a kind of ours"), object).expect("accepted");
    serde_json::from_value(admitted).expect("readable")
}

fn main_gateway() -> AnyrayGateway {
    admit(&json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "AnyrayGateway",
        "metadata": { "name": "main", "namespace": "llm" },
        "spec": { "auth": { "clientKeys": "Optional" } },
    }))
}

fn provider_key(endpoint: Option<&str>) -> ProviderKey {
    let mut key = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "ProviderKey",
        "metadata": { "name": "openai", "namespace": "llm" },
        "spec": {
            "provider": "openai",
            "auth": { "apiKeySecretRef": { "name": "keys" } },
        },
    });
    if let Some(url) = endpoint {
        key["spec"]["endpoint"] = json!({ "url": url });
    }
    admit(&key)
}

/// The Secret of [`provider_key`], with this entry.
fn material(entry: &str, value: &[u8]) -> Material {
    Material {
        secret: Some(SecretEntries {
            version: Some("1".to_owned()),
            entries: [(entry.to_owned(), value.to_vec().into())].into(),
        }),
        ca_bundle: None,
    }
}

#[test]
fn a_private_address_is_no_endpoint_unless_egress_allows_it() {
    let nothing = EgressRule::default();
    let everything = EgressRule {
        allow_private: true,
        allowed: Vec::new(),
    };
    for host in [
        "10.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "192.168.1.1:8443",
        "100.64.0.1",
        "0.0.0.0",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[fd00::1]",
        "[fe80::1]:8443",
    ] {
        let key = provider_key(Some(&format!("https://{host}/v1")));
        let material = material("apiKey", CANARY.as_bytes());
        let refused = validate::validate(&key, &material, &nothing).expect_err(host);
        assert_eq!(refused.fault.reason, Reason::EndpointNotAllowed, "{host}");
        assert!(refused.fault.message.contains("egress"), "{host}");
        validate::validate(&key, &material, &everything).expect(host);
    }
}

#[test]
fn a_secret_that_holds_no_key_is_refused_with_its_place_and_not_its_content() {
    let two_lines = format!("{CANARY}\nx-injected: {CANARY}");
    let not_ascii = format!("{CANARY}\u{e9}");
    for (entry, value, reason) in [
        ("other", CANARY, Reason::KeyMissing),
        ("apiKey", " \n", Reason::EmptyKey),
        ("apiKey", &two_lines, Reason::InvalidKey),
        ("apiKey", &not_ascii, Reason::InvalidKey),
    ] {
        let material = material(entry, value.as_bytes());
        let key = provider_key(None);
        let refused = validate::validate(&key, &material, &EgressRule::default());
        let refused = refused.expect_err("refused");
        assert_eq!(refused.fault.reason, reason);
        let told = format!("{refused:?}");
        assert!(told.contains("apiKey") && told.contains("keys"), "{told}");
        assert!(!told.contains(CANARY), "{told}");
    }
}

/// Server-side apply with force would take it over.
#[test]
fn a_foreign_object_of_a_needed_name_keeps_the_gateway_from_being_built() {
    let references = References {
        keys: Vec::new(),
        foreign: vec![
            "Service main".to_owned(),
            "Secret main-providers".to_owned(),
        ],
        ..References::default()
    };
    let gateway = main_gateway();
    let fault = gateway::validate(&gateway, &references).expect_err("refused");
    assert_eq!(fault.reason, Reason::NameConflict);
    let named = "Service main, Secret main-providers exists already";
    assert!(fault.message.starts_with(named), "{}", fault.message);
}

#[test]
fn keys_that_no_secret_can_hold_are_refused_before_they_are_applied() {
    let key = "k".repeat(16 << 10);
    let mut keys = Vec::new();
    for number in 0..60 {
        let mut provider_key = provider_key(None);
        provider_key.metadata.name = Some(format!("key-{number}"));
        keys.push((provider_key, material("apiKey", key.as_bytes())));
    }
    let gateway = main_gateway();
    let all = References {
        keys: keys.clone(),
        ..References::default()
    };
    let fault = gateway::validate(&gateway, &all).expect_err("refused");
    assert_eq!(fault.reason, Reason::BundleTooLarge);
    keys.truncate(50);
    let fewer = References {
        keys,
        ..References::default()
    };
    gateway::validate(&gateway, &fewer).expect("these fit");
}

/// It would take the room of the others.
#[test]
fn a_key_that_is_too_long_is_refused_alone() {
    let key = "k".repeat((16 << 10) + 1);
    let references = References {
        keys: vec![(provider_key(None), material("apiKey", key.as_bytes()))],
        ..References::default()
    };
    let gateway = main_gateway();
    let validated = gateway::validate(&gateway, &references).expect("a gateway");
    let reasons = validated.unresolved.iter().map(|fault| fault.reason);
    assert_eq!(reasons.collect::<Vec<_>>(), [Reason::InvalidKey]);
}

/// What passes both is escaped wherever it is written.
#[test]
fn what_the_api_server_accepts_becomes_a_configuration_that_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/tests/fixtures/anyraygateway");
    let mut count = 0;
    for entry in fs::read_dir(folder).expect("fixtures") {
        let path = entry.expect("a file").path();
        if !path.to_string_lossy().ends_with(".accepted.yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a text");
        let object: Value = serde_saphyr::from_str(&text).expect("YAML");
        let accepted: AnyrayGateway = admit(&object);
        let validated = gateway::validate(&accepted, &References::default())
            .unwrap_or_else(|fault| panic!("{}: {}", path.display(), fault.message));
        let config: GatewayConfig = serde_json::from_str(&validated.files.gateway_json)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let wanted = accepted.spec.routing.models.iter();
        let wanted: Vec<_> = wanted.map(|rule| &rule.pattern).collect();
        let written = config.routing.models.iter();
        let written: Vec<_> = written.map(|rule| &rule.pattern).collect();
        assert_eq!(written, wanted, "{}", path.display());
        count += 1;
    }
    assert!(count > 0, "there is no fixture");
}

/// With `/admin` of a token in this Secret's entry `token`.
fn with_token(value: &[u8]) -> (AnyrayGateway, References) {
    let gateway = admit(&json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "AnyrayGateway",
        "metadata": { "name": "main", "namespace": "llm" },
        "spec": { "admin": { "tokenSecretRef": { "name": "admin" } } },
    }));
    let references = References {
        admin: material("token", value).secret,
        ..References::default()
    };
    (gateway, references)
}

#[test]
fn a_secret_that_holds_no_admin_token_leaves_admin_out_and_is_not_quoted() {
    for value in [
        "sk-canary-short",
        "sk-canary 0123456789",
        "sk-canary\n0123456789",
    ] {
        let (gateway, references) = with_token(value.as_bytes());
        let validated = gateway::validate(&gateway, &references).expect("a gateway");
        let fault = validated.unresolved.first().expect("a fault");
        assert_eq!(fault.reason, Reason::InvalidKey);
        assert!(fault.message.contains("token of the Secret admin"));
        assert!(!fault.message.contains("canary"), "{}", fault.message);
        assert!(!validated.files.keys.contains_key("admin.token"));
        let config: Value = serde_json::from_str(&validated.files.gateway_json).expect("JSON");
        assert_eq!(config["admin"], Value::Null);
    }
}

#[test]
fn a_missing_secret_or_entry_leaves_admin_out() {
    let (gateway, mut references) = with_token(CANARY.as_bytes());
    references.admin = material("other", CANARY.as_bytes()).secret;
    let validated = gateway::validate(&gateway, &references).expect("a gateway");
    let fault = validated.unresolved.first().expect("a fault");
    assert_eq!(fault.reason, Reason::KeyMissing);
    references.admin = None;
    let validated = gateway::validate(&gateway, &references).expect("a gateway");
    let fault = validated.unresolved.first().expect("a fault");
    assert_eq!(fault.reason, Reason::SecretNotFound);
}

#[test]
fn an_admin_token_is_handed_over_with_its_digest_and_without_its_line_break() {
    let (gateway, references) = with_token(format!("{CANARY}\n").as_bytes());
    let validated = gateway::validate(&gateway, &references).expect("a gateway");
    let token = &validated.files.keys["admin.token"];
    assert_eq!(token.expose_secret(), CANARY.as_bytes());
    assert!(validated.files.index_json.contains("admin.token"));
    assert!(!validated.files.gateway_json.contains(CANARY));
    assert!(!format!("{validated:?}").contains(CANARY));
}

#[test]
fn a_host_that_callers_may_name_is_left_out_where_it_cannot_be_served() {
    let gateway: AnyrayGateway = admit(&json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "AnyrayGateway",
        "metadata": { "name": "main", "namespace": "llm" },
        "spec": { "egress": { "customHosts": [
            { "host": "good.example.com" },
            { "host": "missing.example.com", "caBundleRef": { "name": "missing" } },
            { "host": "wrong.example.com", "caBundleRef": { "name": "wrong" } },
            { "host": "good.example.com:443" },
            { "host": "port.example.com:99999" },
        ] } },
    }));
    let wrong = [("ca.crt".to_owned(), "no certificate".to_owned())];
    let references = References {
        bundles: [("wrong".to_owned(), wrong.into())].into(),
        ..References::default()
    };
    let validated = gateway::validate(&gateway, &references).expect("a gateway");
    let reasons = validated.unresolved.iter().map(|fault| fault.reason);
    let expected = [
        Reason::CaBundleNotFound,
        Reason::InvalidCaBundle,
        Reason::Invalid,
        Reason::EndpointNotAllowed,
    ];
    assert_eq!(reasons.collect::<Vec<_>>(), expected);
    for fault in &validated.unresolved {
        assert!(fault.message.starts_with("egress.customHosts "));
    }
    let config: Value = serde_json::from_str(&validated.files.gateway_json).expect("JSON");
    let hosts = config["egress"]["customHosts"].as_array().expect("hosts");
    assert_eq!(hosts.len(), 1);
    assert_eq!(hosts[0]["host"], "good.example.com");
}
