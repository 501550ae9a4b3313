//! Every example configuration loads, given keys in the files that it names.

#![cfg(test)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyray_gateway::config;
use anyray_wire::gateway_config::{CONFIG_FILE, GatewayConfig};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// The configurations among the examples.
fn configs() -> Vec<PathBuf> {
    let folders = fs::read_dir(EXAMPLES).expect("the examples");
    let files = folders.map(|folder| folder.expect("a folder").path().join(CONFIG_FILE));
    files.filter(|file| file.is_file()).collect()
}

/// Lays a configuration and its keys out as a mounted directory would be.
fn lay_out(file: &Path, directory: &Path) {
    let text = fs::read(file).expect("the configuration");
    fs::write(directory.join(CONFIG_FILE), &text).expect("copy the configuration");
    let config: GatewayConfig = serde_json::from_slice(&text).expect("fits the schema");
    for key in &config.provider_keys {
        let credential = key.credential.as_ref().expect("a credential");
        let path = directory.join(&credential.file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("create the folder of keys");
        fs::write(path, "any-key\n").expect("write a key");
    }
}

#[test]
fn every_example_configuration_loads() {
    let configs = configs();
    assert!(!configs.is_empty(), "there is no example");
    for file in configs {
        let directory = tempfile::tempdir().expect("a directory");
        lay_out(&file, directory.path());
        let loaded = config::load(directory.path());
        assert!(loaded.is_ok(), "{}: {:?}", file.display(), loaded.err());
    }
}
