//! Requests that go on with the caller's own credential: a subscription at a provider, or a host that the
//! caller names. The gateway's own keys never go along.

use anyray_providers::Provider;
use anyray_wire::anyray::headers::{AUTH_MODE, CUSTOM_HOST};
use http::{HeaderMap, HeaderValue};

use crate::{
    config::{
        Snapshot,
        custom_host::{self, CustomHost},
    },
    error::GatewayError,
    inbound::auth::CallerCredential,
};

/// The only value of `x-anyray-auth-mode`.
const PASSTHROUGH: &[u8] = b"passthrough";

/// What a caller wants done with its own credential.
#[derive(Clone, Debug)]
pub struct Passthrough {
    /// The credential that goes on, unchanged.
    pub credential: CallerCredential,
    /// Where to; the provider's public API, if nowhere else.
    pub host: Option<CustomHost>,
    is_subscription: bool,
}

/// Reads what the headers ask for; `None` where the gateway's keys are to be used.
///
/// # Errors
/// [`GatewayError::UnknownAuthMode`], [`GatewayError::InvalidCustomHost`],
/// [`GatewayError::PassthroughDisabled`] or [`GatewayError::OwnTokenMissing`].
pub fn read(
    headers: &HeaderMap,
    own: Option<&CallerCredential>,
    config: &Snapshot,
) -> Result<Option<Passthrough>, GatewayError> {
    let mode = headers.get(AUTH_MODE);
    let is_subscription = mode
        .map(HeaderValue::as_bytes)
        .map(|mode| mode.eq_ignore_ascii_case(PASSTHROUGH));
    if is_subscription == Some(false) {
        return Err(GatewayError::UnknownAuthMode);
    }
    let is_subscription = is_subscription.is_some();
    let host = find_host(headers)?;
    if !is_subscription && host.is_none() {
        return Ok(None);
    }
    if is_subscription && !config.subscription_passthrough {
        return Err(GatewayError::PassthroughDisabled);
    }
    let credential = own.cloned().ok_or(GatewayError::OwnTokenMissing)?;
    Ok(Some(Passthrough {
        credential,
        host,
        is_subscription,
    }))
}

fn find_host(headers: &HeaderMap) -> Result<Option<CustomHost>, GatewayError> {
    let mut values = headers.get_all(CUSTOM_HOST).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        let header = "x-anyray-custom-host";
        return Err(GatewayError::DuplicateCredential { header });
    }
    custom_host::parse(value)
        .map(Some)
        .map_err(|fault| GatewayError::InvalidCustomHost { fault })
}

impl Passthrough {
    /// Whether the credential may go to this provider, and to the host that was named.
    ///
    /// # Errors
    /// [`GatewayError::TokenOfOtherProvider`] or [`GatewayError::CustomHostNotAllowed`].
    pub fn check(&self, provider: &dyn Provider, config: &Snapshot) -> Result<(), GatewayError> {
        let token = self.credential.token();
        if !provider.may_own(token) {
            return Err(GatewayError::TokenOfOtherProvider {
                provider: provider.slug(),
            });
        }
        let Some(host) = &self.host else {
            return Ok(());
        };
        let listed = config.custom_hosts.iter().map(|host| host.name.as_str());
        let is_listed = custom_host::is_allowed(host, listed);
        let own = provider.own_hosts().iter().copied();
        if is_listed || (self.is_subscription && custom_host::is_allowed(host, own)) {
            return Ok(());
        }
        Err(GatewayError::CustomHostNotAllowed)
    }
}

#[cfg(test)]
mod tests;
