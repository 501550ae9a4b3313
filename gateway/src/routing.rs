//! Which provider and which credential a request gets.

use std::sync::Arc;

use anyray_providers::{self as providers, Adaptation, Provider};
use anyray_wire::gateway_config::{ClientKeys, Endpoint, model_pattern};
use http::uri::{Authority, Scheme};

use crate::{
    config::{Snapshot, snapshot::ProviderKey},
    error::GatewayError,
    inbound::{Inbound, auth::CallerCredential, passthrough::Passthrough},
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
    /// How the request is adapted to the provider.
    pub adaptation: Adaptation,
}

/// What decides on the route besides the path.
#[derive(Clone, Copy, Debug)]
pub struct RouteRequest<'a> {
    /// The provider that `x-anyray-provider` names.
    pub provider: Option<&'static dyn Provider>,
    /// `model` of the body.
    pub model: Option<&'a str>,
    /// The caller's own provider credential.
    pub credential: Option<&'a CallerCredential>,
    /// The caller wants its own credential used, whatever keys the gateway has.
    pub passthrough: Option<&'a Passthrough>,
}

/// Where a request goes.
#[derive(Debug)]
pub struct Plan {
    /// The first target.
    pub target: Target,
    /// Those to try after it, in their order. None yet: nothing configures them.
    pub fallbacks: Vec<Target>,
}

impl Plan {
    /// All targets, in their order.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        std::iter::once(&self.target).chain(&self.fallbacks)
    }
}

impl From<Target> for Plan {
    fn from(target: Target) -> Self {
        Self {
            target,
            fallbacks: Vec::new(),
        }
    }
}

/// Plans where a request goes: by `x-anyray-provider`, else by model rule, else by the path's own
/// API.
///
/// A provider's own path leads to none but that provider.
///
/// # Errors
/// [`GatewayError::PathOfOtherProvider`], [`GatewayError::DialectNotSpoken`],
/// [`GatewayError::NoProviderKey`], those of [`Passthrough::check`], or
/// [`GatewayError::NoCredential`]: a key of the gateway that has no credential at present is not
/// replaced by the caller's own.
pub fn plan(
    inbound: &Inbound,
    request: &RouteRequest<'_>,
    config: &Snapshot,
) -> Result<Plan, GatewayError> {
    let named = named_provider(inbound, request.provider)?;
    if let Some(passthrough) = request.passthrough {
        let provider = named.unwrap_or_else(|| providers::native(inbound.dialect));
        let adaptation = adaptation(inbound, provider)?;
        passthrough.check(provider, config)?;
        return pass_through(provider, passthrough, adaptation, config).map(Plan::from);
    }
    let rule = find_rule(request.model, named, config)?;
    let provider = rule
        .map(|key| key.provider)
        .or(named)
        .unwrap_or_else(|| providers::native(inbound.dialect));
    let adaptation = adaptation(inbound, provider)?;
    let (key, caller_credential) = match rule.or_else(|| find_default_key(provider, config)) {
        Some(key) if key.credential.is_none() => {
            let name = key.name.as_str().into();
            return Err(GatewayError::NoCredential { name });
        }
        Some(key) => (Arc::clone(key), None),
        None => {
            let credential = callers_own(request.credential, provider, config)?;
            (public_endpoint(provider, config)?, Some(credential.clone()))
        }
    };
    Ok(Plan::from(Target {
        key,
        caller_credential,
        is_custom_host: false,
        adaptation,
    }))
}

/// The caller's own credential, where the gateway has no key for the provider and callers need none
/// of the gateway's.
fn callers_own<'a>(
    credential: Option<&'a CallerCredential>,
    provider: &dyn Provider,
    config: &Snapshot,
) -> Result<&'a CallerCredential, GatewayError> {
    let is_open = config.client_keys == ClientKeys::Optional;
    credential
        .filter(|credential| is_open && provider.may_own(credential.token()))
        .ok_or(GatewayError::NoProviderKey {
            provider: provider.slug(),
        })
}

/// The provider that the path or the header demands, if either does.
fn named_provider(
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
fn pass_through(
    provider: &'static dyn Provider,
    passthrough: &Passthrough,
    adaptation: Adaptation,
    config: &Snapshot,
) -> Result<Target, GatewayError> {
    let public = public_endpoint(provider, config)?;
    let is_custom_host = passthrough.host.is_some();
    let (authority, base_path) = match &passthrough.host {
        None => (public.authority.clone(), public.base_path.clone()),
        Some(host) => {
            let authority = Authority::try_from(host.authority().as_str());
            let authority = authority.map_err(|_| GatewayError::CustomHostNotAllowed)?;
            (authority, host.path.clone())
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
        caller_credential: Some(passthrough.credential.clone()),
        is_custom_host,
        adaptation,
    })
}

/// The key of the first rule that matches the model, among those of the named provider if one is
/// named.
///
/// # Errors
/// [`GatewayError::NoCredential`] with the name of a key that does not exist, of whatever provider
/// it would be.
fn find_rule<'c>(
    model: Option<&str>,
    named: Option<&'static dyn Provider>,
    config: &'c Snapshot,
) -> Result<Option<&'c Arc<ProviderKey>>, GatewayError> {
    let Some(model) = model else {
        return Ok(None);
    };
    let is_named = |key: &ProviderKey| named.is_none_or(|named| key.provider == named);
    config
        .model_rules
        .iter()
        .filter(|rule| rule.key.as_ref().map_or(true, |key| is_named(key)))
        .find(|rule| model_pattern::matches(&rule.pattern, model))
        .map(|rule| rule.key.as_ref())
        .transpose()
        .map_err(|name| GatewayError::NoCredential {
            name: Arc::clone(name),
        })
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

/// How the request is adapted to the provider.
fn adaptation(
    inbound: &Inbound,
    provider: &'static dyn Provider,
) -> Result<Adaptation, GatewayError> {
    if inbound.native.is_some() {
        return Ok(Adaptation::AsIs);
    }
    provider
        .accepts(inbound.dialect, inbound.operation)
        .ok_or(GatewayError::DialectNotSpoken {
            provider: provider.slug(),
            dialect: inbound.dialect,
            operation: inbound.operation,
        })
}

#[cfg(test)]
mod tests;
