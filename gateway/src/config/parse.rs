//! From the bytes of a configuration to a snapshot, or to the field that is wrong.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyray_wire::gateway_config::{
    self, CONFIG_FILE, Endpoint, GatewayConfig, INDEX_FILE, Index, SCHEMA_VERSION,
};
use http::{HeaderValue, Uri, uri::Scheme};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{
    ConfigError, Files,
    snapshot::{ModelRule, ProviderKey, Snapshot, Timeouts, Transport},
};
use crate::{
    egress::Egress,
    provider::{self, Provider},
};

/// Longest name, as Kubernetes has it.
const MAX_NAME_LENGTH: usize = 253;

/// Longest time limit: a day. Beyond it a number was surely meant in another unit.
const MAX_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

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
    keys.map(|(index, key)| {
        let field = format!("providerKeys[{index}].credential.file");
        let file = &key.credential.file;
        let is_plain = !file.is_empty()
            && file.split('/').all(|part| !matches!(part, "" | "." | ".."))
            && !file.contains('\0');
        if is_plain {
            Ok((file.clone(), field))
        } else {
            Err(check_failed(
                field,
                "must be a path inside the configuration directory, such as keys/openai",
            ))
        }
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
    check_limits(&config.limits)?;
    let timeouts = timeouts(&config.timeouts)?;
    let transport = Transport {
        ca_bundle: None,
        egress: Arc::new(egress(&config.egress)?),
        connect_timeout: timeout("connectMs", config.timeouts.connect_ms)?,
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
        timeouts,
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

fn check_limits(limits: &gateway_config::Limits) -> Result<(), ConfigError> {
    let zero = |name: &str| check_failed(format!("limits.{name}"), "must be at least 1");
    match limits {
        limits if limits.max_body_bytes == 0 => Err(zero("maxBodyBytes")),
        limits if limits.max_buffered_bytes == 0 => Err(zero("maxBufferedBytes")),
        limits if limits.max_concurrent_requests == 0 => Err(zero("maxConcurrentRequests")),
        limits if limits.max_connections == 0 => Err(zero("maxConnections")),
        _ => Ok(()),
    }
}

fn timeouts(config: &gateway_config::Timeouts) -> Result<Timeouts, ConfigError> {
    Ok(Timeouts {
        first_byte: timeout("firstByteMs", config.first_byte_ms)?,
        idle: timeout("idleMs", config.idle_ms)?,
        total: config
            .total_ms
            .map(|total| timeout("totalMs", total))
            .transpose()?,
        request_body: timeout("requestBodyMs", config.request_body_ms)?,
        ping: timeout("pingMs", config.ping_ms)?,
    })
}

fn timeout(name: &str, milliseconds: u64) -> Result<Duration, ConfigError> {
    let limit = Duration::from_millis(milliseconds);
    if limit.is_zero() || limit > MAX_TIMEOUT {
        let message = "must be between 1 and 86400000 milliseconds";
        return Err(check_failed(format!("timeouts.{name}"), message));
    }
    Ok(limit)
}

fn egress(config: &gateway_config::Egress) -> Result<Egress, ConfigError> {
    let networks = config.allowed_networks.iter().enumerate();
    let allowed = networks.map(|(index, network)| {
        let field = format!("egress.allowedNetworks[{index}]");
        network
            .parse()
            .map_err(|_| check_failed(field, "must be a network such as 10.1.0.0/16 or fd00::/8"))
    });
    Ok(Egress {
        allow_private: config.allow_private_addresses,
        allowed: allowed.collect::<Result<_, _>>()?,
    })
}

fn passthrough_paths(paths: Vec<String>) -> Result<Vec<String>, ConfigError> {
    for (index, path) in paths.iter().enumerate() {
        let plain = path.strip_suffix("/*").unwrap_or(path);
        let is_version_path = plain.strip_prefix("/v1/").is_some_and(|rest| {
            rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
                && !rest.contains(['*', '?', '#', '%', '\\'])
        });
        if !is_version_path {
            let message = "must be a path such as /v1/files, or /v1/files/* for all below it";
            return Err(check_failed(format!("passthroughPaths[{index}]"), message));
        }
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
        if !is_name(&key.name) {
            let message = "must be 1 to 253 lower-case letters, digits, '-' or '.'";
            return Err(check_failed(format!("{at}.name"), message));
        }
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

fn is_name(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    !name.is_empty() && name.len() <= MAX_NAME_LENGTH && name.chars().all(is_allowed)
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
    resolved.secret = Some(secret(
        &key.credential.file,
        &format!("{at}.credential.file"),
        files,
    )?);
    Ok(resolved)
}

fn secret(file: &str, field: &str, files: &Files) -> Result<SecretString, ConfigError> {
    let content = files
        .secrets
        .get(file)
        .map(|content| content.expose_secret());
    let content = content.unwrap_or_default();
    let key = std::str::from_utf8(content).unwrap_or_default().trim();
    let fits_header = HeaderValue::from_str(key).is_ok_and(|value| value.to_str().is_ok());
    if key.is_empty() || !fits_header {
        let message = format!("{file} must hold an API key: one line of printable ASCII");
        return Err(check_failed(field, &message));
    }
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
    let url = |message: &str| check_failed(format!("{at}.url"), message);
    let uri: Uri = endpoint.url.parse().map_err(|_| url("must be a URL"))?;
    let parts = uri.into_parts();
    let scheme = parts
        .scheme
        .ok_or_else(|| url("must begin with https://"))?;
    let is_https = scheme == Scheme::HTTPS;
    if !is_https && scheme != Scheme::HTTP {
        return Err(url("must begin with https://"));
    }
    if !is_https && !endpoint.allow_insecure {
        return Err(url("plain http needs endpoint.allowInsecure: true"));
    }
    let authority = parts.authority.ok_or_else(|| url("must name a host"))?;
    if authority.as_str().contains('@') {
        return Err(url("must not hold a user or password"));
    }
    check_literal_address(authority.host(), &transport.egress).map_err(url)?;
    let path = parts.path_and_query.as_ref();
    if path.is_some_and(|path| path.query().is_some()) {
        return Err(url("must not have a query"));
    }
    let path = path.map_or("", |path| path.path()).trim_end_matches('/');
    Ok(ProviderKey {
        name: String::new(),
        provider,
        secret: None,
        scheme,
        authority,
        base_path: format!("{path}{}", provider.path_prefix()),
        transport: Arc::new(Transport {
            ca_bundle: ca_bundle(endpoint, at)?,
            ..transport.clone()
        }),
    })
}

/// An address in the URL itself is dialled without a look-up, so it is checked here.
fn check_literal_address(host: &str, egress: &Egress) -> Result<(), &'static str> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse() {
        Ok(address) if !egress.allows(address) => {
            Err("is a private address, which egress does not allow; see egress.allowedNetworks")
        }
        _ => Ok(()),
    }
}

fn ca_bundle(endpoint: &Endpoint, at: &str) -> Result<Option<Arc<str>>, ConfigError> {
    let Some(pem) = &endpoint.ca_bundle else {
        return Ok(None);
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()).flatten() {
        let added = roots.add(certificate);
        if added.is_err() {
            let message = "holds a certificate that cannot be a trust anchor";
            return Err(check_failed(format!("{at}.caBundle"), message));
        }
    }
    if roots.is_empty() {
        let message = "must hold at least one PEM certificate";
        return Err(check_failed(format!("{at}.caBundle"), message));
    }
    Ok(Some(pem.as_str().into()))
}

fn model_rules(
    config: &GatewayConfig,
    keys: &[Arc<ProviderKey>],
) -> Result<Vec<ModelRule>, ConfigError> {
    let rules = config.routing.models.iter().enumerate();
    rules
        .map(|(index, rule)| {
            let at = format!("routing.models[{index}]");
            if rule.pattern.is_empty() {
                return Err(check_failed(format!("{at}.match"), "must not be empty"));
            }
            let key = keys
                .iter()
                .find(|key| key.name == rule.provider_key)
                .ok_or_else(|| {
                    check_failed(
                        format!("{at}.providerKey"),
                        "names no entry of providerKeys",
                    )
                })?;
            Ok(ModelRule {
                pattern: rule.pattern.clone(),
                key: Arc::clone(key),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
