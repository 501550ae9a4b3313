//! ProviderKeys of every kind of credential: what the gateway gets of them, and what the operator
//! refuses though the schema does not.

#![cfg(test)]

#[path = "provider_keys/secret.rs"]
mod secret;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyray_crds::{
    admission,
    conditions::Reason,
    schema,
    v1alpha1::{
        ProviderKey,
        provider_key::auth::{CredentialSource, ProviderAuth},
    },
};
use anyray_operator::{
    fault::Fault,
    provider_key::{
        material::{ANY_ADDRESS, Material},
        validate::{self, UsableKey},
    },
};
use anyray_wire::gateway_config::{
    CredentialKind,
    credential::{self, Content},
    egress::EgressRule,
};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

/// In every value of the Secret.
const CANARY: &str = "canary0123456789";

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

fn provider_key(spec: &Value) -> ProviderKey {
    let key = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "ProviderKey",
        "metadata": { "name": "fixture", "namespace": "llm" },
        "spec": spec,
    });
    serde_json::from_value(key).expect("a key")
}

fn bedrock() -> ProviderKey {
    provider_key(&json!({
        "provider": "bedrock",
        "auth": { "awsSecretRef": { "name": "aws" } },
        "endpoint": { "region": "eu-central-1" },
    }))
}

fn vertex() -> ProviderKey {
    provider_key(&json!({
        "provider": "google-vertex-ai",
        "auth": { "gcpSecretRef": { "name": "gcp" } },
        "endpoint": { "projectId": "acme-1", "location": "global" },
    }))
}

fn azure() -> ProviderKey {
    provider_key(&json!({
        "provider": "azure-openai",
        "auth": { "entraSecretRef": { "name": "entra" } },
        "endpoint": { "url": "https://acme.openai.azure.com" },
    }))
}

/// Everything that a key names.
fn material(key: &ProviderKey) -> Material {
    let mut secret = secret::with_every_kind(CANARY);
    let (entry, from) = match key.spec.auth.source().expect("a source") {
        CredentialSource::ApiKey(reference) => (&reference.key, "apiKey"),
        CredentialSource::Gcp(reference) => (&reference.key, "key.json"),
        CredentialSource::Aws(reference) | CredentialSource::Entra(reference) => {
            (&reference.name, "other")
        }
    };
    let value = secret.entries[from].clone();
    secret.entries.insert(entry.clone(), value);
    let bundle = key.spec.endpoint.as_ref();
    let bundle = bundle.and_then(|endpoint| endpoint.ca_bundle_ref.as_ref());
    Material {
        secret: Some(secret),
        ca_bundle: bundle.map(|it| [(it.key.clone(), CERTIFICATE.to_owned())].into()),
    }
}

/// [`material`] with this entry of the Secret, or without it.
fn changed(key: &ProviderKey, entry: &str, value: Option<&[u8]>) -> Material {
    let mut material = material(key);
    let entries = &mut material.secret.as_mut().expect("a Secret").entries;
    match value {
        Some(value) => entries.insert(entry.to_owned(), value.to_vec().into()),
        None => entries.remove(entry),
    };
    material
}

fn refusal(key: &ProviderKey, material: &Material, egress: &EgressRule) -> Fault {
    let refused = validate::validate(key, material, egress).expect_err("refused");
    let told = format!("{refused:?}");
    assert!(!told.contains("canary"), "{told}");
    refused.fault
}

fn check_refusal(key: &ProviderKey, material: &Material, reason: Reason, begin: &str) {
    let fault = refusal(key, material, &EgressRule::default());
    let told = format!("{}: {}", fault.reason.as_str(), fault.message);
    let expected = format!("{}: {begin}", reason.as_str());
    assert!(told.starts_with(&expected), "{told}, not {expected}");
}

fn usable(key: &ProviderKey, material: &Material) -> UsableKey {
    validate::validate(key, material, &EgressRule::default())
        .unwrap_or_else(|refused| panic!("{}", refused.fault.message))
}

#[test]
fn entries_of_a_secret_become_what_the_gateway_reads() {
    let key = bedrock();
    let with_token = changed(&key, "sessionToken", Some(b" canary== \n"));
    for (material, token) in [
        (material(&key), None),
        (with_token, Some("canary==".to_owned())),
    ] {
        let usable = usable(&key, &material);
        let content = credential::check(usable.kind, usable.secret.expose_secret());
        let Ok(Content::AwsKeys(keys)) = content else {
            panic!("{content:?}");
        };
        assert_eq!(keys.access_key_id, format!("AKIA0123456789AB{CANARY}"));
        assert_eq!(keys.session_token.map(|token| token.0), token);
    }

    let key = azure();
    let (public, sovereign) = (
        "https://login.microsoftonline.com",
        "https://login.microsoftonline.us",
    );
    let elsewhere = changed(&key, "authority", Some(sovereign.as_bytes()));
    for (material, authority) in [(material(&key), public), (elsewhere, sovereign)] {
        let usable = usable(&key, &material);
        let content = credential::check(usable.kind, usable.secret.expose_secret());
        let Ok(Content::EntraClient(client)) = content else {
            panic!("{content:?}");
        };
        assert_eq!(client.client_secret.0, format!("{CANARY}-clientSecret"));
        assert_eq!(client.authority(), authority);
    }
}

#[test]
fn a_file_goes_to_the_gateway_as_it_is() {
    let key = vertex();
    let material = material(&key);
    let usable = usable(&key, &material);
    assert_eq!(usable.kind, CredentialKind::GoogleServiceAccount);
    let secret = material.secret.expect("a Secret");
    let file = secret.entries["key.json"].expose_secret();
    assert_eq!(usable.secret.expose_secret(), file);
}

#[test]
fn what_is_missing_is_told_with_its_place() {
    for (key, begin) in [
        (
            bedrock(),
            "there is no Secret aws: create it in this namespace with the entries accessKeyId, secretAccessKey",
        ),
        (
            vertex(),
            "there is no Secret gcp: create it in this namespace with an entry key.json",
        ),
        (
            azure(),
            "there is no Secret entra: create it in this namespace with the entries tenantId, clientId, clientSecret",
        ),
    ] {
        check_refusal(&key, &Material::default(), Reason::SecretNotFound, begin);
    }
    for (key, entry, begin) in [
        (
            bedrock(),
            "secretAccessKey",
            "the Secret aws has no entry secretAccessKey: add it",
        ),
        (
            vertex(),
            "key.json",
            "the Secret gcp has no entry key.json: add it, or name another in spec.auth.gcpSecretRef.key",
        ),
        (
            azure(),
            "tenantId",
            "the Secret entra has no entry tenantId: add it",
        ),
    ] {
        let material = changed(&key, entry, None);
        check_refusal(&key, &material, Reason::KeyMissing, begin);
    }
}

#[test]
fn a_secret_of_the_wrong_content_is_told_with_its_place_and_not_quoted() {
    let long = "canary".repeat(4096);
    for (key, entry, value, reason, begin) in [
        (
            bedrock(),
            "sessionToken",
            " \n",
            Reason::EmptyKey,
            "the entry sessionToken of the Secret aws is empty: put access keys of AWS there",
        ),
        (
            bedrock(),
            "accessKeyId",
            "canary",
            Reason::InvalidKey,
            "the Secret aws has an accessKeyId that is none",
        ),
        (
            bedrock(),
            "sessionToken",
            &long,
            Reason::InvalidKey,
            "the Secret aws is longer than any credential, which has at most 16 KiB",
        ),
        (
            vertex(),
            "key.json",
            "\n",
            Reason::EmptyKey,
            "the entry key.json of the Secret gcp is empty: put the file there that Google hands out",
        ),
        (
            vertex(),
            "key.json",
            "canary",
            Reason::InvalidKey,
            "the entry key.json of the Secret gcp is not the JSON file of a service account",
        ),
        (
            azure(),
            "tenantId",
            "canary/../canary",
            Reason::InvalidKey,
            "the Secret entra has a tenantId that is neither an id nor a domain",
        ),
    ] {
        let material = changed(&key, entry, Some(value.as_bytes()));
        check_refusal(&key, &material, reason, begin);
    }
    let key = azure();
    let bytes = changed(&key, "clientSecret", Some(b"canary\xff"));
    let begin = "the entry clientSecret of the Secret entra is not text";
    check_refusal(&key, &bytes, Reason::InvalidKey, begin);
}

#[test]
fn a_token_service_is_where_an_endpoint_might_be() {
    let key = azure();
    let plain = changed(&key, "authority", Some(b"http://canary.example"));
    let begin = "the Secret entra, URL of the token service: plain http needs";
    check_refusal(&key, &plain, Reason::InvalidKey, begin);

    let private = changed(&key, "authority", Some(b"https://10.0.0.1/canary"));
    let begin = "the Secret entra, URL of the token service: is a private address";
    check_refusal(&key, &private, Reason::EndpointNotAllowed, begin);
    validate::validate(&key, &private, &ANY_ADDRESS).expect("another gateway may allow it");
}

/// Of what no schema says, and of an object from before one did.
#[test]
fn a_wrong_setting_of_the_endpoint_is_told_with_its_field() {
    let with = |key: ProviderKey, endpoint: Value| {
        let mut value = serde_json::to_value(&key).expect("JSON");
        value["spec"]["endpoint"] = endpoint;
        serde_json::from_value(value).expect("a key")
    };
    let url = "https://acme.openai.azure.com";
    for (key, begin) in [
        (
            with(
                azure(),
                json!({ "url": url, "models": { "gpt-6": "acme/tuned" } }),
            ),
            "spec.endpoint.models.gpt-6: must be the name of a deployment",
        ),
        (
            with(azure(), json!({ "url": url, "location": "global" })),
            "spec.endpoint.location: means nothing to the provider azure-openai",
        ),
        (
            with(vertex(), json!({ "projectId": "acme-1" })),
            "spec.endpoint.location: must be set",
        ),
        (
            with(bedrock(), Value::Null),
            "spec.endpoint.region: must be set",
        ),
        (
            with(azure(), json!({ "url": "http://canary.example" })),
            "spec.endpoint.url: plain http needs",
        ),
    ] {
        check_refusal(&key, &material(&key), Reason::InvalidEndpoint, begin);
    }
}

#[test]
fn a_credential_that_the_provider_does_not_take_is_no_valid_spec() {
    let mut key = bedrock();
    key.spec.auth = azure().spec.auth;
    let begin = "spec.auth.entraSecretRef is not taken by the provider bedrock";
    check_refusal(&key, &material(&key), Reason::Invalid, begin);
    key.spec.auth = ProviderAuth::default();
    let begin = "spec.auth: exactly one of";
    check_refusal(&key, &Material::default(), Reason::Invalid, begin);
}

fn admit(object: &Value) -> ProviderKey {
    let crds = schema::all();
    let crd = crds.iter().find(|crd| crd.spec.names.kind == "ProviderKey");
    let admitted = admission::admit(crd.expect("a kind of ours"), object).expect("accepted");
    serde_json::from_value(admitted).expect("readable")
}

/// The objects in the files of a folder whose names end so.
fn objects(folder: &str, end: &str) -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("a file").path());
    let paths = paths.filter(|path| path.to_string_lossy().ends_with(end));
    let documents = paths.flat_map(|path| {
        let text = fs::read_to_string(&path).expect("a text");
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
        documents
            .into_iter()
            .map(move |document| (path.clone(), document))
    });
    documents.collect()
}

/// With a Secret as it should be, nothing is left to be refused.
#[test]
fn what_the_api_server_accepts_can_be_used() {
    let fixtures = objects("../crds/tests/fixtures/providerkey", ".accepted.yaml");
    let examples = objects("../examples/providers", ".yaml");
    assert!(fixtures.len() > 10 && examples.len() > 5);
    for (path, object) in fixtures.into_iter().chain(examples) {
        let mut key = admit(&object);
        key.spec.suspend = false;
        validate::validate(&key, &material(&key), &ANY_ADDRESS)
            .unwrap_or_else(|refused| panic!("{}: {}", path.display(), refused.fault.message));
    }
}
