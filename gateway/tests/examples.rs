//! Every example configuration loads, given keys in the files that it names.

#![cfg(test)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyray_gateway::config;
use anyray_wire::gateway_config::{CONFIG_FILE, CredentialKind, GatewayConfig};
use serde_json::json;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// A key that is used for nothing but tests.
const RSA_KEY: &str = include_str!("../wire/src/gateway_config/credential/test-key.pem");

/// The configurations among the examples.
fn configs() -> Vec<PathBuf> {
    let files = fs::read_dir(Path::new(EXAMPLES).join("files")).expect("the examples");
    let files = files.map(|file| file.expect("a file").path());
    let is_json = |file: &PathBuf| file.extension().is_some_and(|end| end == "json");
    files.filter(is_json).collect()
}

/// A credential of this kind, such as a provider hands out.
fn credential(kind: CredentialKind) -> String {
    match kind {
        CredentialKind::ApiKey => "any-key\n".to_owned(),
        CredentialKind::AwsKeys => json!({
            "accessKeyId": "AKIAEXAMPLEEXAMPLE00",
            "secretAccessKey": "a-secret-of-forty-characters-as-it-goes-",
        })
        .to_string(),
        CredentialKind::GoogleServiceAccount => json!({
            "type": "service_account",
            "client_email": "gateway@acme-llm.iam.gserviceaccount.com",
            "private_key_id": "1",
            "private_key": RSA_KEY,
        })
        .to_string(),
        CredentialKind::EntraClient => json!({
            "tenantId": "acme.example",
            "clientId": "gateway",
            "clientSecret": "secret",
        })
        .to_string(),
    }
}

fn write(directory: &Path, file: &str, content: &str) {
    let path = directory.join(file);
    fs::create_dir_all(path.parent().expect("a folder")).expect("create the folder of keys");
    fs::write(path, content).expect("write a key");
}

/// Lays a configuration and its keys out as a mounted directory would be.
fn lay_out(file: &Path, directory: &Path) {
    let text = fs::read(file).expect("the configuration");
    fs::write(directory.join(CONFIG_FILE), &text).expect("copy the configuration");
    let config: GatewayConfig = serde_json::from_slice(&text).expect("fits the schema");
    for key in &config.provider_keys {
        let held = key.credential.as_ref().expect("a credential");
        write(directory, &held.file, &credential(held.kind));
    }
    if let Some(admin) = &config.admin {
        write(
            directory,
            &admin.credential.file,
            "a-token-of-an-administrator",
        );
    }
}

#[test]
fn every_example_configuration_loads() {
    let configs = configs();
    assert!(configs.len() > 1, "an example is missing: {configs:?}");
    for file in configs {
        let directory = tempfile::tempdir().expect("a directory");
        lay_out(&file, directory.path());
        let loaded = config::load(directory.path());
        assert!(loaded.is_ok(), "{}: {:?}", file.display(), loaded.err());
    }
}
