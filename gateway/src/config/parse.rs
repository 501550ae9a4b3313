//! From the bytes of a configuration to a snapshot, or to the field that is wrong.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyray_wire::gateway_config::{
    self, CONFIG_FILE, Credential, Endpoint, GatewayConfig, INDEX_FILE, Index, SCHEMA_VERSION,
    api_key, check, egress::EgressRule, endpoint,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{
    ConfigError, Files,
    snapshot::{ModelRule, ProviderKey, Snapshot, Timeouts, Transport},
};
use crate::provider::{self, Provider};

/// Parses JSON strictly and names the field that is wrong.
pub(super) fn json<T: DeserializeOwned>(
    file: &'static str,
    content: &[u8],
) -> Result<T, ConfigError> {
    let failed = |field: String, message: String| ConfigError::ParseField {
        file,
        field,
        message,
    };
    let mut parser = serde_json::Deserializer::from_slice(content);
    let parsed = serde_path_to_error::deserialize(&mut parser).map_err(|error| {
        let field = Some(error.path().to_string()).filter(|path| path != "?");
        failed(
            field.unwrap_or_else(|| ".".to_owned()),
            expectation(&error.inner().to_string()),
        )
    })?;
    parser
        .end()
        .map_err(|error| failed(".".to_owned(), error.to_string()))?;
    Ok(parsed)
}

/// What the parser expected, in the words of JSON and without the value that it found: a key may
/// have been put into the wrong field.
fn expectation(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    if found.starts_with("unknown field") {
        return message.to_owned();
    }
    let (what, place) = expected.split_once(" at line ").unwrap_or((expected, "?"));
    let what = match what {
        what if what.starts_with("struct ") => "an object",
        "u64" | "u32" => "a whole number, not negative",
        "a sequence" => "a list",
        what => what,
    };
    format!("expected {what} at line {place}")
}

/// The files that hold the provider keys, each once, with the field that names it.
pub(super) fn secret_files(
    config: &GatewayConfig,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let keys = config.provider_keys.iter().enumerate();
    let credentials = keys.filter_map(|(index, key)| Some((index, key.credential.as_ref()?)));
    credentials
        .map(|(index, credential)| {
            let at = format!("providerKeys[{index}].credential");
            check::credential_file(&credential.file).map_err(|error| error.under(&at))?;
            Ok((credential.file.clone(), format!("{at}.file")))
        })
        .collect()
}

/// Checks all of a configuration and resolves it.
pub(super) fn snapshot(files: &Files) -> Result<Snapshot, ConfigError> {
    let config: GatewayConfig = json(CONFIG_FILE, &files.config)?;
    if config.schema_version != SCHEMA_VERSION {
        let message = format!("must be {SCHEMA_VERSION}, the only version that this gateway reads");
        return Err(check_failed("schemaVersion", &message));
    }
    check_digests(files)?;
    check::limits(&config.limits).map_err(|error| error.under("limits"))?;
    check::timeouts(&config.timeouts).map_err(|error| error.under("timeouts"))?;
    let egress = EgressRule::from_config(&config.egress).map_err(|error| error.under("egress"))?;
    let transport = Transport {
        ca_bundle: None,
        egress: Arc::new(egress),
        connect_timeout: Duration::from_millis(config.timeouts.connect_ms),
    };
    let keys = provider_keys(&config, files, &transport)?;
    Ok(Snapshot {
        hash: hexadecimal(&Sha256::digest(&files.config)),
        is_indexed: files.index.is_some(),
        client_keys: config.auth.client_keys,
        model_rules: model_rules(&config, &keys)?,
        keys,
        public_endpoints: public_endpoints(&transport)?,
        passthrough_paths: passthrough_paths(config.passthrough_paths)?,
        limits: config.limits,
        timeouts: timeouts(&config.timeouts),
        access_log: config.access_log,
    })
}

fn check_failed(field: impl Into<String>, message: &str) -> ConfigError {
    ConfigError::CheckField {
        field: field.into(),
        message: message.to_owned(),
    }
}

/// Holds every file against the index, where there is one.
fn check_digests(files: &Files) -> Result<(), ConfigError> {
    let Some(index) = &files.index else {
        return Ok(());
    };
    let index: Index = json(INDEX_FILE, index)?;
    let config = (CONFIG_FILE, files.config.as_slice());
    let secrets = files.secrets.iter();
    let secrets = secrets.map(|(name, content)| (name.as_str(), content.expose_secret()));
    for (name, content) in std::iter::once(config).chain(secrets) {
        if index.files.get(name) != Some(&hexadecimal(&Sha256::digest(content))) {
            return Err(ConfigError::DigestMismatch {
                file: name.to_owned(),
            });
        }
    }
    Ok(())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn timeouts(config: &gateway_config::Timeouts) -> Timeouts {
    Timeouts {
        first_byte: Duration::from_millis(config.first_byte_ms),
        idle: Duration::from_millis(config.idle_ms),
        total: config.total_ms.map(Duration::from_millis),
        request_body: Duration::from_millis(config.request_body_ms),
        ping: Duration::from_millis(config.ping_ms),
    }
}

fn passthrough_paths(paths: Vec<String>) -> Result<Vec<String>, ConfigError> {
    for (index, path) in paths.iter().enumerate() {
        check::passthrough_path(path)
            .map_err(|error| error.under(&format!("passthroughPaths[{index}]")))?;
    }
    Ok(paths)
}

fn provider_keys(
    config: &GatewayConfig,
    files: &Files,
    transport: &Transport,
) -> Result<Vec<Arc<ProviderKey>>, ConfigError> {
    let mut names = HashSet::new();
    let mut keys = Vec::with_capacity(config.provider_keys.len());
    for (index, key) in config.provider_keys.iter().enumerate() {
        let at = format!("providerKeys[{index}]");
        check::provider_key_name(&key.name).map_err(|error| error.under(&at))?;
        if !names.insert(&key.name) {
            return Err(check_failed(
                format!("{at}.name"),
                "is used by another provider key",
            ));
        }
        keys.push(Arc::new(provider_key(key, &at, files, transport)?));
    }
    Ok(keys)
}

fn provider_key(
    key: &gateway_config::ProviderKey,
    at: &str,
    files: &Files,
    transport: &Transport,
) -> Result<ProviderKey, ConfigError> {
    let provider = provider::find(&key.provider).ok_or_else(|| {
        let message = format!("must be one of {}", provider::slugs());
        check_failed(format!("{at}.provider"), &message)
    })?;
    let endpoint = key
        .endpoint
        .clone()
        .unwrap_or_else(|| public_endpoint(provider));
    let mut resolved = resolve_endpoint(provider, &endpoint, &format!("{at}.endpoint"), transport)?;
    resolved.name.clone_from(&key.name);
    let credential = key.credential.as_ref();
    resolved.secret = credential
        .map(|credential| secret(credential, at, files))
        .transpose()?;
    Ok(resolved)
}

fn secret(credential: &Credential, at: &str, files: &Files) -> Result<SecretString, ConfigError> {
    let file = &credential.file;
    let content = files.secrets.get(file);
    let content = content.map(|content| content.expose_secret());
    let key = api_key::check(content.unwrap_or_default()).map_err(|error| {
        check_failed(format!("{at}.credential.file"), &format!("{file} {error}"))
    })?;
    Ok(key.into())
}

fn public_endpoint(provider: &dyn Provider) -> Endpoint {
    Endpoint {
        url: provider.default_endpoint().to_owned(),
        allow_insecure: false,
        ca_bundle: None,
    }
}

/// Where callers' own credentials go.
fn public_endpoints(transport: &Transport) -> Result<Vec<Arc<ProviderKey>>, ConfigError> {
    let endpoints = provider::ALL.iter().map(|provider| {
        let endpoint = public_endpoint(*provider);
        resolve_endpoint(*provider, &endpoint, provider.slug(), transport).map(Arc::new)
    });
    endpoints.collect()
}

fn resolve_endpoint(
    provider: &'static dyn Provider,
    endpoint: &Endpoint,
    at: &str,
    transport: &Transport,
) -> Result<ProviderKey, ConfigError> {
    let checked = endpoint::check(endpoint, &transport.egress).map_err(|error| error.under(at))?;
    Ok(ProviderKey {
        name: String::new(),
        provider,
        secret: None,
        scheme: checked.scheme,
        authority: checked.authority,
        base_path: format!("{}{}", checked.path, provider.path_prefix()),
        transport: Arc::new(Transport {
            ca_bundle: endpoint.ca_bundle.as_deref().map(Arc::from),
            ..transport.clone()
        }),
    })
}

fn model_rules(
    config: &GatewayConfig,
    keys: &[Arc<ProviderKey>],
) -> Result<Vec<ModelRule>, ConfigError> {
    let rules = config.routing.models.iter().enumerate();
    rules
        .map(|(index, rule)| {
            let at = format!("routing.models[{index}]");
            check::model_pattern(&rule.pattern).map_err(|error| error.under(&at))?;
            let name = &rule.provider_key;
            let key = match keys.iter().find(|key| key.name == *name) {
                Some(key) => Ok(Arc::clone(key)),
                None if rule.unresolved => Err(name.as_str().into()),
                None => {
                    let message = "names no entry of providerKeys";
                    return Err(check_failed(format!("{at}.providerKey"), message));
                }
            };
            Ok(ModelRule {
                pattern: rule.pattern.clone(),
                key,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
