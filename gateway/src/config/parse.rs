//! From the bytes of a configuration to a snapshot, or to the field that is wrong.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use anyray_providers::{self as providers, Provider, check as provider_check};
use anyray_wire::{
    anyray::credential::CredentialDigest,
    gateway_config::{
        self, CONFIG_FILE, Endpoint, FieldError, GatewayConfig, INDEX_FILE, Index, SCHEMA_VERSION,
        check, credential,
        egress::EgressRule,
        endpoint::{self, CheckedEndpoint},
    },
};
use http::uri::{Authority, Scheme};
use secrecy::ExposeSecret as _;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::{
    ConfigError, Files,
    credential::Credential,
    custom_host,
    snapshot::{Admin, CustomHost, ModelRule, ProviderKey, Snapshot, Timeouts},
    strict_json,
    transport::Transport,
};

/// Parses JSON strictly and names the field that is wrong.
pub(super) fn json<T: DeserializeOwned>(
    file: &'static str,
    content: &[u8],
) -> Result<T, ConfigError> {
    strict_json::parse(content).map_err(|fault| ConfigError::ParseField {
        file,
        field: fault.field,
        message: fault.message,
    })
}

/// The files that hold the provider keys, each once, with the field that names it.
pub(super) fn secret_files(
    config: &GatewayConfig,
) -> Result<BTreeMap<String, String>, ConfigError> {
    let keys = config.provider_keys.iter().enumerate();
    let credentials = keys.filter_map(|(index, key)| {
        let at = format!("providerKeys[{index}].credential");
        Some((at, &key.credential.as_ref()?.file))
    });
    let admin = config.admin.iter();
    let admin = admin.map(|admin| ("admin.credential".to_owned(), &admin.credential.file));
    credentials
        .chain(admin)
        .map(|(at, file)| {
            check::credential_file(file).map_err(|error| error.under(&at))?;
            Ok((file.clone(), format!("{at}.file")))
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
        subscription_passthrough: config.auth.subscription_passthrough,
        admin: config
            .admin
            .as_ref()
            .map(|admin| admin_access(admin, files))
            .transpose()?,
        custom_hosts: custom_hosts(&config, &transport)?,
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
    let provider = providers::find(&key.provider).ok_or_else(|| {
        let message = format!("must be one of {}", providers::slugs());
        check_failed(format!("{at}.provider"), &message)
    })?;
    if key.credential.is_none() && key.endpoint.is_none() {
        return Ok(idle_key(&key.name, provider, transport));
    }
    let endpoint = key.endpoint.clone().unwrap_or_default();
    let under_endpoint = |error: FieldError| error.under(&format!("{at}.endpoint"));
    let checked = provider_check::check_endpoint(provider, &endpoint, &transport.egress)
        .map_err(under_endpoint)?;
    let transport = transport_to(&endpoint, transport);
    let credential = credential(provider, key, at, files, &transport)?;
    Ok(ProviderKey {
        name: key.name.clone(),
        credential,
        ..resolved(provider, endpoint, checked, transport)
    })
}

/// A key that serves nobody at present, so that nothing has to be known of where it leads.
fn idle_key(name: &str, provider: &'static dyn Provider, transport: &Transport) -> ProviderKey {
    ProviderKey {
        name: name.to_owned(),
        provider,
        credential: None,
        endpoint: Endpoint::default(),
        scheme: Scheme::HTTPS,
        authority: Authority::from_static("nowhere.invalid"),
        base_path: String::new(),
        transport: Arc::new(transport.clone()),
    }
}

fn credential(
    provider: &'static dyn Provider,
    key: &gateway_config::ProviderKey,
    at: &str,
    files: &Files,
    transport: &Transport,
) -> Result<Option<Credential>, ConfigError> {
    let Some(wanted) = &key.credential else {
        return Ok(None);
    };
    provider_check::check_credential(provider, wanted.kind)
        .map_err(|error| error.under(&format!("{at}.credential")))?;
    let file = &wanted.file;
    let content = files.secrets.get(file);
    let content = content.map_or(&[][..], |content| content.expose_secret());
    let fault = |message: &dyn std::fmt::Display| {
        check_failed(
            format!("{at}.credential.file"),
            &format!("{file} {message}"),
        )
    };
    let read = credential::check(wanted.kind, content).map_err(|error| fault(&error))?;
    let allow_insecure = key.endpoint.as_ref().is_some_and(|to| to.allow_insecure);
    Credential::new(read, content, allow_insecure, transport)
        .map(Some)
        .map_err(|message| fault(&format!("names a token service whose URL {message}")))
}

fn admin_access(admin: &gateway_config::Admin, files: &Files) -> Result<Admin, ConfigError> {
    let file = &admin.credential.file;
    let content = files.secrets.get(file).map(|file| file.expose_secret());
    let token = check::admin_token(content.unwrap_or_default()).map_err(|message| {
        let message = format!("{file} {message}");
        check_failed("admin.credential.file", &message)
    })?;
    Ok(Admin {
        token: CredentialDigest::of(token),
        host: admin.host.clone(),
    })
}

/// The hosts that callers may name, each checked as an endpoint.
fn custom_hosts(
    config: &GatewayConfig,
    transport: &Transport,
) -> Result<Vec<CustomHost>, ConfigError> {
    let hosts = config.egress.custom_hosts.iter().enumerate();
    hosts
        .map(|(index, host)| {
            let at = format!("egress.customHosts[{index}]");
            let endpoint = Endpoint {
                ca_bundle: host.ca_bundle.clone(),
                ..Endpoint::default()
            };
            let url = format!("https://{}", host.host);
            endpoint::check(&url, &endpoint, &transport.egress)
                .map_err(|error| error.under(&at))?;
            let is_name = host.host.parse().is_ok_and(|value| {
                custom_host::parse(&value).is_ok_and(|parsed| parsed.authority() == host.host)
            });
            if !is_name {
                let message = "must be a host in lower case, with a port unless that is 443";
                return Err(check_failed(format!("{at}.host"), message));
            }
            Ok(CustomHost {
                name: host.host.clone(),
                transport: Arc::new(Transport {
                    ca_bundle: host.ca_bundle.as_deref().map(Arc::from),
                    ..transport.clone()
                }),
            })
        })
        .collect()
}

/// Where callers' own credentials go.
fn public_endpoints(transport: &Transport) -> Result<Vec<Arc<ProviderKey>>, ConfigError> {
    let endpoint = Endpoint::default();
    let public = providers::ALL.iter().filter_map(|provider| {
        let url = provider.public_url(&endpoint)?;
        let checked = endpoint::check(&url, &endpoint, &transport.egress)
            .map_err(|error| ConfigError::from(error.under(provider.slug())));
        Some(checked.map(|checked| {
            Arc::new(resolved(
                *provider,
                endpoint.clone(),
                checked,
                transport.clone(),
            ))
        }))
    });
    public.collect()
}

/// An endpoint without name and credential.
fn resolved(
    provider: &'static dyn Provider,
    endpoint: Endpoint,
    checked: CheckedEndpoint,
    transport: Transport,
) -> ProviderKey {
    ProviderKey {
        name: String::new(),
        provider,
        credential: None,
        scheme: checked.scheme,
        authority: checked.authority,
        base_path: checked.path,
        transport: Arc::new(transport),
        endpoint,
    }
}

/// How connections to an endpoint, and to the token service for it, are made.
fn transport_to(endpoint: &Endpoint, transport: &Transport) -> Transport {
    Transport {
        ca_bundle: endpoint.ca_bundle.as_deref().map(Arc::from),
        ..transport.clone()
    }
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
