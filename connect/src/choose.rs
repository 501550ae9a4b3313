//! Which gateway is meant where no argument names one.

use crate::{
    cli::DEFAULT_GATEWAY, environment::Environment, failure::Failure, gateway_url::GatewayUrl,
    state::State,
};

/// Names the gateway where no argument does.
const GATEWAY_VARIABLE: &str = "ANYRAY_GATEWAY_URL";

/// The gateway that is meant: the one that is named, that of the last run, or the one on this
/// machine.
///
/// # Errors
/// [`Failure::Usage`] if what the variable or the last run names is no address.
pub fn choose_gateway(
    named: Option<&GatewayUrl>,
    state: &State,
    environment: &Environment,
) -> Result<GatewayUrl, Failure> {
    if let Some(named) = named {
        return Ok(named.clone());
    }
    if let Some(text) = environment.variable(GATEWAY_VARIABLE) {
        return GatewayUrl::parse(text).map_err(|fault| {
            Failure::Usage(format!(
                "{GATEWAY_VARIABLE} is no address of a gateway: {fault}"
            ))
        });
    }
    let text = state.gateway.as_deref().unwrap_or(DEFAULT_GATEWAY);
    GatewayUrl::parse(text).map_err(|fault| {
        Failure::Usage(format!(
            "the gateway of the last run is no address: {fault}"
        ))
    })
}
