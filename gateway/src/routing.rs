//! Which provider and which credential a request gets.

use std::sync::Arc;

use anyray_providers::{self as providers, Carriage, Provider};
use anyray_wire::gateway_config::{ClientKeys, Endpoint, model_pattern};
use http::uri::{Authority, Scheme};

use crate::{
    config::{Snapshot, snapshot::ProviderKey},
    error::GatewayError,
    inbound::{Inbound, auth::CallerCredential, passthrough::OwnWay},
};

/// Where one request goes, and as whom.
#[derive(Debug)]
pub struct Target {
    /// Provider, endpoint and, where the gateway holds one, the credential.
    pub key: Arc<ProviderKey>,
    /// The caller's own credential, used only where the gateway holds none.
    pub caller_credential: Option<CallerCredential>,
    /// The caller named the host.
    pub is_custom_host: bool,
    /// How the provider takes the body.
    pub carriage: Carriage,
}

/// What decides besides the path.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The provider that `x-anyray-provider` names.
    pub provider: Option<&'static dyn Provider>,
    /// `model` of the body.
    pub model: Option<&'a str>,
    /// The caller's own provider credential.
    pub credential: Option<CallerCredential>,
    /// The caller wants its own credential used, whatever keys the gateway has.
    pub own_way: Option<OwnWay>,
}

/// Chooses the target: by `x-anyray-provider`, else by model rule, else by the path's own API.
///
/// A provider's own path leads to none but that provider.
///
/// # Errors
/// [`GatewayError::PathOfOtherProvider`], [`GatewayError::DialectNotSpoken`], [`GatewayError::NoProviderKey`], those of
/// [`OwnWay::check`], or [`GatewayError::NoCredential`]: a key of ours that has no credential at
/// present is not replaced by the caller's own.
pub fn plan(inbound: &Inbound, wish: Wish<'_>, config: &Snapshot) -> Result<Target, GatewayError> {
    let wanted = wanted_provider(inbound, wish.provider)?;
    if let Some(own_way) = wish.own_way {
        let provider = wanted.unwrap_or_else(|| providers::native(inbound.dialect));
        let carriage = carriage(inbound, provider)?;
        own_way.check(provider, config)?;
        return plan_own_way(provider, own_way, carriage, config);
    }
    let rule = wish
        .model
        .and_then(|model| find_rule(model, wanted, config));
    let rule = rule
        .transpose()
        .map_err(|name| GatewayError::NoCredential {
            name: Arc::clone(name),
        })?;
    let provider = rule
        .map(|key| key.provider)
        .or(wanted)
        .unwrap_or_else(|| providers::native(inbound.dialect));
    let carriage = carriage(inbound, provider)?;
    if let Some(key) = rule.or_else(|| find_default_key(provider, config)) {
        if key.credential.is_none() {
            let name = key.name.as_str().into();
            return Err(GatewayError::NoCredential { name });
        }
        return Ok(Target {
            key: Arc::clone(key),
            caller_credential: None,
            is_custom_host: false,
            carriage,
        });
    }
    match wish.credential {
        Some(credential)
            if config.client_keys == ClientKeys::Optional
                && provider.may_own(credential.token()) =>
        {
            Ok(Target {
                key: public_endpoint(provider, config)?,
                caller_credential: Some(credential),
                is_custom_host: false,
                carriage,
            })
        }
        _ => Err(GatewayError::NoProviderKey {
            provider: provider.slug(),
        }),
    }
}

/// The provider that the path or the header demands, if either does.
fn wanted_provider(
    inbound: &Inbound,
    named: Option<&'static dyn Provider>,
) -> Result<Option<&'static dyn Provider>, GatewayError> {
    match (inbound.native, named) {
        (Some(native), Some(named)) if native != named => Err(GatewayError::PathOfOtherProvider {
            provider: native.slug(),
        }),
        (native, named) => Ok(native.or(named)),
    }
}

/// Where a provider's public API is.
fn public_endpoint(
    provider: &dyn Provider,
    config: &Snapshot,
) -> Result<Arc<ProviderKey>, GatewayError> {
    let mut endpoints = config.public_endpoints.iter();
    let endpoint = endpoints.find(|key| key.provider == provider);
    endpoint.map(Arc::clone).ok_or(GatewayError::NoProviderKey {
        provider: provider.slug(),
    })
}

/// To the provider's public API, or to the host that the caller names, as itself.
fn plan_own_way(
    provider: &'static dyn Provider,
    own_way: OwnWay,
    carriage: Carriage,
    config: &Snapshot,
) -> Result<Target, GatewayError> {
    let public = public_endpoint(provider, config)?;
    let is_custom_host = own_way.host.is_some();
    let (authority, base_path) = match own_way.host {
        None => (public.authority.clone(), public.base_path.clone()),
        Some(host) => {
            let authority = Authority::try_from(host.authority().as_str());
            let authority = authority.map_err(|_| GatewayError::CustomHostNotAllowed)?;
            (authority, host.path)
        }
    };
    // What is listed of a host also holds where that is the provider's own: its certificates are
    // another's behind a proxy that looks into TLS.
    let mut listed = config.custom_hosts.iter();
    let listed = listed.find(|host| host.name == authority.as_str());
    let transport = listed.map_or(&public.transport, |host| &host.transport);
    let key = ProviderKey {
        name: String::new(),
        provider,
        credential: None,
        endpoint: Endpoint::default(),
        scheme: Scheme::HTTPS,
        transport: Arc::clone(transport),
        authority,
        base_path,
    };
    Ok(Target {
        key: Arc::new(key),
        caller_credential: Some(own_way.credential),
        is_custom_host,
        carriage,
    })
}

/// The key of the first rule that matches the model, among those of the wanted provider if one is
/// wanted; or the name of a key that does not exist, of whatever provider it would be.
fn find_rule<'c>(
    model: &str,
    wanted: Option<&'static dyn Provider>,
    config: &'c Snapshot,
) -> Option<Result<&'c Arc<ProviderKey>, &'c Arc<str>>> {
    let is_wanted = |key: &ProviderKey| wanted.is_none_or(|wanted| key.provider == wanted);
    config
        .model_rules
        .iter()
        .filter(|rule| rule.key.as_ref().map_or(true, |key| is_wanted(key)))
        .find(|rule| model_pattern::matches(&rule.pattern, model))
        .map(|rule| rule.key.as_ref())
}

/// The provider's first key with a credential; its first one, where none has.
fn find_default_key<'c>(
    provider: &dyn Provider,
    config: &'c Snapshot,
) -> Option<&'c Arc<ProviderKey>> {
    let keys = || {
        let is_of_provider = |key: &&Arc<ProviderKey>| key.provider == provider;
        config.keys.iter().filter(is_of_provider)
    };
    keys()
        .find(|key| key.credential.is_some())
        .or_else(|| keys().next())
}

/// How the provider takes the request.
fn carriage(inbound: &Inbound, provider: &'static dyn Provider) -> Result<Carriage, GatewayError> {
    if inbound.native.is_some() {
        return Ok(Carriage::AsIs);
    }
    provider
        .carries(inbound.dialect, inbound.operation)
        .ok_or(GatewayError::DialectNotSpoken {
            provider: provider.slug(),
            dialect: inbound.dialect,
            operation: inbound.operation,
        })
}

#[cfg(test)]
mod tests;
