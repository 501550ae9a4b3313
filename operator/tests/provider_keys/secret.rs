//! A Secret that has every kind of credential.

use anyray_operator::provider_key::material::SecretEntries;
use serde_json::json;

/// A private key that belongs to nobody.
const PRIVATE_KEY: &str =
    include_str!("../../../gateway/wire/src/gateway_config/credential/test-key.pem");

/// Each value has the mark, letters and digits, and the name of its entry.
pub(crate) fn with_every_kind(mark: &str) -> SecretEntries {
    let marked = |entry: &str| format!("{mark}-{entry}");
    let key_id = ("accessKeyId", format!("AKIA0123456789AB{mark}"));
    let texts = [
        "apiKey",
        "other",
        "secretAccessKey",
        "tenantId",
        "clientId",
        "clientSecret",
    ]
    .map(|entry| (entry, marked(entry)));
    let files = ["key.json", "other.json"].map(|entry| (entry, service_account(&marked(entry))));
    let all = texts.into_iter().chain(files).chain([key_id]);
    SecretEntries {
        version: Some("1".to_owned()),
        entries: all
            .map(|(entry, value)| (entry.to_owned(), value.into_bytes().into()))
            .collect(),
    }
}

fn service_account(name: &str) -> String {
    let file = json!({
        "type": "service_account",
        "private_key_id": name,
        "private_key": PRIVATE_KEY,
        "client_email": "gateway@acme.iam.gserviceaccount.com",
    });
    file.to_string()
}
