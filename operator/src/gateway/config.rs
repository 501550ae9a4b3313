//! The files that a gateway's pods read: `gateway.json`, an index, a file per key.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyray_crds::{
    conditions::Reason,
    v1alpha1::{AnyrayGatewaySpec, anyray_gateway::data_plane},
};
use anyray_wire::gateway_config::{
    Admin, AdminCredential, Auth, CONFIG_FILE, ClientKeys, Credential, Egress, GatewayConfig,
    Index, Limits, ModelRule, ProviderKey, Routing, SCHEMA_VERSION, Timeouts,
};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};

use super::admin::AdminToken;
use crate::{
    fault::Fault,
    provider_key::validate::{UnusableKey, UsableKey},
};

/// Most bytes of a ConfigMap or Secret that are used; Kubernetes refuses more than 1 MiB, and the
/// index and the metadata need some.
const MAX_BUNDLE_BYTES: usize = 900 << 10;

/// The file with the admin token. No key's file is named so: those begin with `key.`.
const ADMIN_TOKEN_FILE: &str = "admin.token";

/// One consistent set of files.
#[derive(Clone, Debug)]
pub struct ConfigFiles {
    /// `gateway.json`.
    pub gateway_json: String,
    /// SHA-256 of `gateway.json` in hexadecimal, which the pods report.
    pub hash: String,
    /// `index.json`: by it a pod sees that all files belong together.
    pub index_json: String,
    /// The credentials, by file name.
    pub keys: BTreeMap<String, SecretSlice<u8>>,
}

/// What the spec alone says, without keys, the admin token and the hosts that callers may name:
/// those take what the spec names.
pub fn from_spec(spec: &AnyrayGatewaySpec) -> GatewayConfig {
    GatewayConfig {
        schema_version: SCHEMA_VERSION,
        auth: Auth {
            client_keys: match spec.auth.client_keys {
                data_plane::ClientKeys::Required => ClientKeys::Required,
                data_plane::ClientKeys::Optional => ClientKeys::Optional,
            },
            subscription_passthrough: spec.auth.subscription_passthrough,
        },
        admin: None,
        provider_keys: Vec::new(),
        routing: Routing {
            models: spec.routing.models.iter().map(model_rule).collect(),
        },
        passthrough_paths: spec.passthrough_paths.clone(),
        egress: Egress {
            allow_private_addresses: spec.egress.allow_private_addresses,
            allowed_networks: spec.egress.allowed_networks.clone(),
            custom_hosts: Vec::new(),
        },
        limits: limits(&spec.limits),
        timeouts: timeouts(&spec.timeouts),
        access_log: spec.observability.access_log,
    }
}

fn model_rule(rule: &data_plane::ModelRule) -> ModelRule {
    ModelRule {
        pattern: rule.pattern.clone(),
        provider_key: rule.provider_key.clone(),
        unresolved: false,
    }
}

/// The schema allows no negative number; one becomes 0 here, which the check refuses.
fn limits(limits: &data_plane::Limits) -> Limits {
    Limits {
        max_body_bytes: limits.max_body_bytes.try_into().unwrap_or(0),
        max_buffered_bytes: limits.max_buffered_bytes.try_into().unwrap_or(0),
        max_concurrent_requests: limits.max_concurrent_requests.try_into().unwrap_or(0),
        max_connections: limits.max_connections.try_into().unwrap_or(0),
    }
}

/// A negative duration becomes 0, which the check refuses.
fn timeouts(timeouts: &data_plane::Timeouts) -> Timeouts {
    let milliseconds = |limit: kube::core::Duration| {
        let limit = if limit.is_negative() {
            Duration::ZERO
        } else {
            Duration::from(limit)
        };
        u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)
    };
    Timeouts {
        connect_ms: milliseconds(timeouts.connect),
        first_byte_ms: milliseconds(timeouts.first_byte),
        idle_ms: milliseconds(timeouts.idle),
        total_ms: timeouts.total.map(milliseconds),
        request_body_ms: milliseconds(timeouts.request_body),
        ping_ms: milliseconds(timeouts.ping),
    }
}

/// What a configuration holds of the objects that the spec names.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The keys that can be used.
    pub usable: &'a [UsableKey],
    /// Those that cannot.
    pub unusable: &'a [UnusableKey],
    /// The names in routing rules that no ProviderKey has.
    pub missing: &'a BTreeSet<String>,
    /// The admin token, where `/admin` is served.
    pub admin: Option<&'a AdminToken>,
}

/// Completes a configuration by what the spec names and makes the files of it.
///
/// A key that cannot be used stays without a credential, so that its requests are refused instead
/// of going elsewhere; a rule whose key does not exist is marked for the same.
///
/// # Errors
/// [`Fault`] when a ConfigMap or Secret cannot hold it.
pub fn files(mut config: GatewayConfig, contents: &Contents<'_>) -> Result<ConfigFiles, Fault> {
    let Contents {
        usable,
        unusable,
        missing,
        admin,
    } = *contents;
    config.provider_keys = usable.iter().map(usable_entry).collect();
    config.provider_keys.extend(unusable.iter().map(idle_entry));
    for rule in &mut config.routing.models {
        rule.unresolved = missing.contains(&rule.provider_key);
    }
    config.admin = admin.map(admin_section);
    let gateway_json = to_json(&config);
    let mut keys: BTreeMap<_, _> = usable
        .iter()
        .map(|key| (file_name(&key.name), key.secret.clone()))
        .collect();
    keys.extend(admin.map(|admin| (ADMIN_TOKEN_FILE.to_owned(), admin.token.clone())));
    check_size(&gateway_json, &keys)?;
    let hash = digest(gateway_json.as_bytes());
    let mut digests: BTreeMap<_, _> = keys
        .iter()
        .map(|(name, key)| (name.clone(), digest(key.expose_secret())))
        .collect();
    digests.insert(CONFIG_FILE.to_owned(), hash.clone());
    Ok(ConfigFiles {
        gateway_json,
        hash,
        index_json: to_json(&Index { files: digests }),
        keys,
    })
}

fn admin_section(admin: &AdminToken) -> Admin {
    Admin {
        credential: AdminCredential {
            file: ADMIN_TOKEN_FILE.to_owned(),
            version: admin.version.clone(),
        },
        host: admin.host.clone(),
    }
}

fn usable_entry(key: &UsableKey) -> ProviderKey {
    ProviderKey {
        name: key.name.clone(),
        provider: key.provider.to_owned(),
        credential: Some(Credential {
            file: file_name(&key.name),
            version: key.version.clone(),
            kind: key.kind,
        }),
        endpoint: key.endpoint.clone(),
    }
}

fn idle_entry(key: &UnusableKey) -> ProviderKey {
    ProviderKey {
        name: key.name.clone(),
        provider: key.provider.to_owned(),
        credential: None,
        endpoint: None,
    }
}

/// The file of a key. A Secret's entries can have no `/`, and one projected volume holds all.
fn file_name(key: &str) -> String {
    format!("key.{key}")
}

fn check_size(gateway_json: &str, keys: &BTreeMap<String, SecretSlice<u8>>) -> Result<(), Fault> {
    let secrets: usize = keys
        .iter()
        .map(|(name, key)| name.len() + key.expose_secret().len())
        .sum();
    let (what, size) = if gateway_json.len() > MAX_BUNDLE_BYTES {
        ("the configuration with its CA bundles", gateway_json.len())
    } else if secrets > MAX_BUNDLE_BYTES {
        ("the credentials of the gateway", secrets)
    } else {
        return Ok(());
    };
    let message = format!(
        "{what} takes {size} bytes, and {MAX_BUNDLE_BYTES} fit: select fewer ProviderKeys by providers.selector"
    );
    Err(Fault::new(Reason::BundleTooLarge, message))
}

fn digest(content: &[u8]) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[expect(
    clippy::expect_used,
    reason = "types of strings and numbers, with text keys"
)]
fn to_json<T: serde::Serialize>(value: &T) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("plain data is JSON");
    text.push('\n');
    text
}
