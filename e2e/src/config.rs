//! The configuration with which tests start a gateway.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// The credential that must reach OpenAI, whatever the caller sent.
pub const OPENAI_KEY: &str = "sk-provider-openai-0123456789";

/// The credential that must reach Anthropic, whatever the caller sent.
pub const ANTHROPIC_KEY: &str = "sk-ant-provider-0123456789";

/// One gateway's `gateway.json` and keys.
#[derive(Clone, Debug, Default)]
pub struct Config {
    keys: Vec<Value>,
    more: Map<String, Value>,
    files: Vec<(String, String)>,
}

impl Config {
    /// Keys of both providers that lead to the same plain HTTP server.
    pub fn for_provider(url: &str) -> Self {
        Self::default()
            .with_key(
                "openai",
                "apiKey",
                &json!({"url": format!("{url}/v1"), "allowInsecure": true}),
            )
            .with_key(
                "anthropic",
                "apiKey",
                &json!({"url": url, "allowInsecure": true}),
            )
    }

    /// Keys of both providers that lead to the same TLS server, which alone is trusted.
    pub fn for_tls_provider(url: &str, ca_pem: &str) -> Self {
        Self::default()
            .with_key(
                "openai",
                "apiKey",
                &json!({"url": format!("{url}/v1"), "caBundle": ca_pem}),
            )
            .with_key(
                "anthropic",
                "apiKey",
                &json!({"url": url, "caBundle": ca_pem}),
            )
    }

    /// Adds the key of a provider; `kind` is the type of its credential, whose file
    /// is `keys/` and the name of the provider.
    #[must_use]
    pub fn with_key(mut self, provider: &str, kind: &str, endpoint: &Value) -> Self {
        self.keys.push(json!({
            "name": provider,
            "provider": provider,
            "credential": {"file": format!("keys/{provider}"), "type": kind},
            "endpoint": endpoint,
        }));
        self
    }

    /// Names of our own for what a provider calls otherwise.
    #[must_use]
    pub fn with_models(mut self, provider: &str, models: &Value) -> Self {
        let keys = self.keys.iter_mut();
        for key in keys.filter(|key| key.get("provider") == Some(&json!(provider))) {
            if let Some(Value::Object(endpoint)) = key.get_mut("endpoint") {
                endpoint.insert("models".to_owned(), models.clone());
            }
        }
        self
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
