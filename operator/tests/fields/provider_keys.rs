//! The fields of `ProviderKey`.

#[path = "../provider_keys/secret.rs"]
mod secret;

use std::collections::BTreeMap;

use anyray_crds::v1alpha1::ProviderKey;
use anyray_operator::provider_key::material::Material;
use serde_json::{Value, json};

use super::{
    Effect::{self, Acceptance, Objects},
    certificates, merge, object, set,
};

/// By the path of each field: changes of [`provider_key`].
pub(crate) fn fields() -> BTreeMap<&'static str, Effect> {
    let mut fields = auth_fields();
    fields.extend(endpoint_fields());
    fields.extend(cloud_fields());
    fields.extend([
        ("provider", set(json!({ "provider": "anthropic" }))),
        ("suspend", set(json!({ "suspend": true }))),
    ]);
    fields
}

fn bedrock(patch: &Value) -> Value {
    let mut spec = json!({
        "provider": "bedrock",
        "auth": { "apiKeySecretRef": null, "awsSecretRef": { "name": "keys" } },
        "endpoint": { "region": "eu-central-1" },
    });
    merge(&mut spec, patch);
    spec
}

fn vertex(patch: &Value) -> Value {
    let mut spec = json!({
        "provider": "google-vertex-ai",
        "auth": { "apiKeySecretRef": null, "gcpSecretRef": { "name": "keys" } },
        "endpoint": { "projectId": "acme-1", "location": "global" },
    });
    merge(&mut spec, patch);
    spec
}

fn azure(patch: &Value) -> Value {
    let mut spec = json!({
        "provider": "azure-openai",
        "auth": { "apiKeySecretRef": null, "entraSecretRef": { "name": "keys" } },
        "endpoint": { "url": "https://acme.openai.azure.com" },
    });
    merge(&mut spec, patch);
    spec
}

fn auth_fields() -> BTreeMap<&'static str, Effect> {
    let reference = |kind: &str, field: &str| json!({ "auth": { kind: { field: "other" } } });
    let of_key = |field: &str| set(reference("apiKeySecretRef", field));
    let file = json!({ "auth": { "gcpSecretRef": { "key": "other.json" } } });
    [
        ("auth.apiKeySecretRef.name", of_key("name")),
        ("auth.apiKeySecretRef.key", of_key("key")),
        (
            "auth.awsSecretRef.name",
            Objects(
                bedrock(&json!({})),
                bedrock(&reference("awsSecretRef", "name")),
            ),
        ),
        (
            "auth.gcpSecretRef.name",
            Objects(
                vertex(&json!({})),
                vertex(&reference("gcpSecretRef", "name")),
            ),
        ),
        (
            "auth.gcpSecretRef.key",
            Objects(vertex(&json!({})), vertex(&file)),
        ),
        (
            "auth.entraSecretRef.name",
            Objects(
                azure(&json!({})),
                azure(&reference("entraSecretRef", "name")),
            ),
        ),
    ]
    .into()
}

fn endpoint_fields() -> BTreeMap<&'static str, Effect> {
    let endpoint = |url: &str| json!({ "endpoint": { "url": url } });
    let url = "https://llm.example.com/v1";
    let bundle = |name: &str, key: &str| {
        let mut spec = endpoint(url);
        spec["endpoint"]["caBundleRef"] = json!({ "name": name, "key": key });
        spec
    };
    let mut insecure = endpoint("http://llm.example.com/v1");
    let secure = insecure.clone();
    insecure["endpoint"]["allowInsecure"] = json!(true);
    [
        (
            "endpoint.url",
            Objects(endpoint(url), endpoint("https://llm.example.com/v2")),
        ),
        ("endpoint.allowInsecure", Acceptance(insecure, secure)),
        (
            "endpoint.caBundleRef.name",
            Objects(bundle("one", "ca.crt"), bundle("two", "ca.crt")),
        ),
        (
            "endpoint.caBundleRef.key",
            Objects(bundle("one", "ca.crt"), bundle("one", "other.crt")),
        ),
        (
            "endpoint.models",
            set(json!({ "endpoint": { "models": { "gpt-6": "acme/tuned" } } })),
        ),
    ]
    .into()
}

/// Those that some providers alone have.
fn cloud_fields() -> BTreeMap<&'static str, Effect> {
    let endpoint = |field: &str, value: &str| json!({ "endpoint": { field: value } });
    let of_vertex =
        |field: &str, value: &str| Objects(vertex(&json!({})), vertex(&endpoint(field, value)));
    [
        (
            "endpoint.region",
            Objects(
                bedrock(&json!({})),
                bedrock(&endpoint("region", "us-east-1")),
            ),
        ),
        ("endpoint.projectId", of_vertex("projectId", "acme-2")),
        ("endpoint.location", of_vertex("location", "europe-west1")),
        (
            "endpoint.apiVersion",
            Objects(
                azure(&json!({})),
                azure(&endpoint("apiVersion", "2024-10-21")),
            ),
        ),
    ]
    .into()
}

pub(crate) fn provider_key(patch: &Value) -> Value {
    let spec = json!({
        "provider": "openai",
        "auth": { "apiKeySecretRef": { "name": "keys" } },
    });
    object("ProviderKey", "main", spec, patch)
}

/// What a key names: each Secret has other values, and each ConfigMap other certificates.
pub(crate) fn material(key: &ProviderKey) -> Material {
    let secret = key.spec.auth.secret_name();
    let bundle = key.spec.endpoint.as_ref();
    let bundle = bundle.and_then(|endpoint| endpoint.ca_bundle_ref.as_ref());
    Material {
        secret: secret.map(secret::with_every_kind),
        ca_bundle: bundle.map(|reference| certificates(&reference.name)),
    }
}
