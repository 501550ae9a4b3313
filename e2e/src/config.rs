//! The configuration with which tests start a gateway.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// The credential that must reach OpenAI, whatever the caller sent.
pub const OPENAI_KEY: &str = "sk-provider-openai-0123456789";

/// The credential that must reach Anthropic, whatever the caller sent.
pub const ANTHROPIC_KEY: &str = "sk-ant-provider-0123456789";

/// One gateway's `gateway.json` and keys.
#[derive(Clone, Debug)]
pub struct Config {
    keys: Vec<Value>,
    more: Map<String, Value>,
    files: Vec<(String, String)>,
}

impl Config {
    /// Keys of both providers that lead to the same plain HTTP server.
    pub fn for_provider(url: &str) -> Self {
        let keys = vec![
            provider_key(
                "openai",
                &json!({"url": format!("{url}/v1"), "allowInsecure": true}),
            ),
            provider_key("anthropic", &json!({"url": url, "allowInsecure": true})),
        ];
        Self {
            keys,
            more: Map::new(),
            files: Vec::new(),
        }
    }

    /// Keys of both providers that lead to the same TLS server, which alone is trusted.
    pub fn for_tls_provider(url: &str, ca_pem: &str) -> Self {
        let keys = vec![
            provider_key(
                "openai",
                &json!({"url": format!("{url}/v1"), "caBundle": ca_pem}),
            ),
            provider_key("anthropic", &json!({"url": url, "caBundle": ca_pem})),
        ];
        Self {
            keys,
            more: Map::new(),
            files: Vec::new(),
        }
    }

    /// Sets a further top-level field.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.more.insert(field.to_owned(), value);
        self
    }

    /// Adds a further file, such as the one that holds the admin token.
    #[must_use]
    pub fn with_file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// Writes `gateway.json`, the key files and all others.
    ///
    /// # Errors
    ///
    /// A file could not be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let keys = directory.join("keys");
        fs::create_dir_all(&keys).context("create the directory of keys")?;
        fs::write(keys.join("openai"), OPENAI_KEY).context("write a key")?;
        fs::write(keys.join("anthropic"), ANTHROPIC_KEY).context("write a key")?;
        for (name, content) in &self.files {
            fs::write(directory.join(name), content).context("write a file")?;
        }
        let text = serde_json::to_string_pretty(&self.to_json())?;
        fs::write(directory.join("gateway.json"), text).context("write gateway.json")
    }

    fn to_json(&self) -> Value {
        let mut config = json!({
            "schemaVersion": 1,
            "auth": {"clientKeys": "Optional"},
            "egress": {"allowPrivateAddresses": true},
            "providerKeys": self.keys,
        });
        if let Value::Object(fields) = &mut config {
            fields.extend(self.more.clone());
        }
        config
    }
}

fn provider_key(provider: &str, endpoint: &Value) -> Value {
    json!({
        "name": provider,
        "provider": provider,
        "credential": {"file": format!("keys/{provider}")},
        "endpoint": endpoint,
    })
}
