//! The hosts that callers may name, with the certificates of each.

use std::collections::{BTreeMap, BTreeSet};

use anyray_crds::{
    conditions::Reason,
    v1alpha1::anyray_gateway::data_plane::{self, CustomHost as Wanted},
};
use anyray_wire::gateway_config::{CustomHost, Endpoint, egress::EgressRule, endpoint};

use crate::{fault::Fault, provider_key::validate::MAX_CA_BUNDLE_BYTES};

/// The `data` of ConfigMaps, by their names.
pub type Bundles = BTreeMap<String, BTreeMap<String, String>>;

/// Names of the ConfigMaps that the hosts of a spec name, each once.
pub fn bundle_names(egress: &data_plane::Egress) -> BTreeSet<&str> {
    let references = egress.custom_hosts.iter();
    let references = references.filter_map(|host| host.ca_bundle_ref.as_ref());
    references
        .map(|reference| reference.name.as_str())
        .collect()
}

/// The hosts that can be served, and why the others cannot: without their certificates, requests
/// to them would fail or trust others.
pub fn validate(
    wanted: &[Wanted],
    bundles: &Bundles,
    egress: &EgressRule,
) -> (Vec<CustomHost>, Vec<Fault>) {
    let mut seen = BTreeSet::new();
    let (mut usable, mut faults) = (Vec::new(), Vec::new());
    for host in wanted {
        let is_new = seen.insert(host.host.trim_end_matches(":443"));
        match check(host, bundles, egress) {
            Ok(_) if !is_new => faults.push(fault(
                host,
                Reason::Invalid,
                "is named twice: keep one of them",
            )),
            Ok(host) => usable.push(host),
            Err(found) => faults.push(found),
        }
    }
    (usable, faults)
}

fn check(wanted: &Wanted, bundles: &Bundles, egress: &EgressRule) -> Result<CustomHost, Fault> {
    let reference = wanted.ca_bundle_ref.as_ref();
    let ca_bundle = reference.map(|reference| {
        let data = bundles.get(&reference.name);
        data.and_then(|data| data.get(&reference.key))
            .ok_or_else(|| {
                let message = format!(
                    "there is no ConfigMap {} with an entry {}: create it, with PEM certificates",
                    reference.name, reference.key
                );
                fault(wanted, Reason::CaBundleNotFound, &message)
            })
    });
    let ca_bundle = ca_bundle.transpose()?.cloned();
    if ca_bundle
        .as_ref()
        .is_some_and(|pem| pem.len() > MAX_CA_BUNDLE_BYTES)
    {
        let message = "the certificates of caBundleRef take more than 128 KiB: keep those that this host needs";
        return Err(fault(wanted, Reason::InvalidCaBundle, message));
    }
    let port = wanted.host.split_once(':').map(|(_, port)| port);
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        let message = "the port is greater than 65535";
        return Err(fault(wanted, Reason::EndpointNotAllowed, message));
    }
    let url = format!("https://{}", wanted.host);
    let endpoint = Endpoint {
        ca_bundle,
        ..Endpoint::default()
    };
    match endpoint::check(&url, &endpoint, egress) {
        Ok(_) => Ok(CustomHost {
            host: wanted.host.clone(),
            ca_bundle: endpoint.ca_bundle,
        }),
        Err(error) if error.field == "caBundle" => {
            let message = format!("the certificates of caBundleRef: {}", error.message);
            Err(fault(wanted, Reason::InvalidCaBundle, &message))
        }
        Err(error) => Err(fault(wanted, Reason::EndpointNotAllowed, &error.message)),
    }
}

fn fault(wanted: &Wanted, reason: Reason, message: &str) -> Fault {
    let message = format!("egress.customHosts {}: {message}", wanted.host);
    Fault::new(reason, message)
}
