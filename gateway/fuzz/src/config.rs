//! Any bytes for the configuration are either accepted or refused with a message that quotes no key.

use std::collections::BTreeMap;

use anyray_gateway::config::Files;

const CANARY: &str = "sk-canary-0123456789";

/// Checks one input, which is a `gateway.json`.
///
/// # Panics
///
/// The claim of this module does not hold.
pub fn check(config: &[u8]) {
    let secrets = BTreeMap::from([("keys/a".to_owned(), CANARY.as_bytes().to_vec().into())]);
    let files = Files {
        config: config.to_vec(),
        index: None,
        secrets,
    };
    let told = match files.parse() {
        Ok(snapshot) => format!("{snapshot:?}"),
        Err(error) => error.to_string(),
    };
    let is_given = config
        .windows(CANARY.len())
        .any(|window| window == CANARY.as_bytes());
    assert!(is_given || !told.contains(CANARY));
}
