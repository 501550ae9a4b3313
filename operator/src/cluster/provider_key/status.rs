//! What a ProviderKey's status says.

use anyray_crds::{
    conditions::{ConditionType, Reason},
    v1alpha1::{ProviderKey, ProviderKeyStatus, provider_key::UsedBy},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use crate::{
    cluster::{
        conditions::{self, Finding, Truth},
        gateway,
    },
    fault::Fault,
    provider_key::validate::{UnusableKey, UsableKey},
};

/// Most gateways that a status names.
const MAX_GATEWAYS: usize = 32;

/// Who uses a key.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// The gateways that select it and want pods, without those below.
    pub gateways: Vec<UsedBy>,
    /// Why gateways that select it cannot use it, each with the gateway's name.
    pub refused: Vec<String>,
}

/// The new status of a ProviderKey.
pub fn status(
    key: &ProviderKey,
    checked: &Result<UsableKey, UnusableKey>,
    usage: Usage,
    now: Timestamp,
) -> ProviderKeyStatus {
    let previous = key.status.clone().unwrap_or_default();
    let Usage {
        mut gateways,
        refused,
    } = usage;
    gateways.sort_by(|a, b| a.name.cmp(&b.name));
    let findings = match checked {
        Ok(_) => usable(&gateways, &refused),
        Err(key) => unusable(&key.fault),
    };
    let used = checked.as_ref().ok().and_then(|key| key.version.clone());
    let is_new = used.is_some() && used != previous.secret_version;
    let (version, changed_at) = if is_new {
        (used, Some(Time(now)))
    } else {
        (previous.secret_version, previous.secret_changed_at)
    };
    let programmed = gateways.iter().filter(|gateway| gateway.programmed).count();
    let summary = format!("{programmed}/{}", gateways.len() + refused.len());
    gateways.truncate(MAX_GATEWAYS);
    ProviderKeyStatus {
        observed_generation: key.metadata.generation,
        conditions: conditions::merge(
            &previous.conditions,
            &findings,
            key.metadata.generation,
            now,
        ),
        secret_version: version,
        secret_changed_at: changed_at,
        gateway_summary: Some(summary),
        gateways,
    }
}

fn usable(gateways: &[UsedBy], refused: &[String]) -> Vec<Finding> {
    let programmed = programmed(gateways, refused);
    let ready = match programmed.reason {
        Reason::NotUsed => Finding::yes(
            ConditionType::Ready,
            Reason::NotUsed,
            "the key can be used, but no gateway with pods selects it",
        ),
        _ => programmed.about(ConditionType::Ready),
    };
    let mut findings = vec![
        Finding::yes(
            ConditionType::Accepted,
            Reason::Accepted,
            "the spec is valid",
        ),
        Finding::yes(
            ConditionType::ResolvedRefs,
            Reason::ResolvedRefs,
            "everything that the spec names was found",
        ),
    ];
    let abnormal = match programmed.reason {
        Reason::ConfigPending => Some(ConditionType::Reconciling),
        Reason::EndpointNotAllowed => Some(ConditionType::Stalled),
        _ => None,
    };
    findings.extend(abnormal.map(|type_| programmed.about(type_).with(Truth::True)));
    findings.extend([programmed, ready]);
    findings
}

fn programmed(gateways: &[UsedBy], refused: &[String]) -> Finding {
    const TYPE: ConditionType = ConditionType::Programmed;
    if !refused.is_empty() {
        return Finding::no(TYPE, Reason::EndpointNotAllowed, refused.join("; "));
    }
    if gateways.is_empty() {
        return Finding::no(
            TYPE,
            Reason::NotUsed,
            "no gateway with pods selects the key",
        );
    }
    let pending = gateways.iter().filter(|gateway| !gateway.programmed);
    let pending: Vec<_> = pending.map(|gateway| gateway.name.as_str()).collect();
    if pending.is_empty() {
        let message =
            "every ready pod of each gateway that selects the key runs this version of it";
        return Finding::yes(TYPE, Reason::Programmed, message);
    }
    let message = format!("not in use yet by all pods of: {}", pending.join(", "));
    Finding::no(TYPE, Reason::ConfigPending, message)
}

fn unusable(fault: &Fault) -> Vec<Finding> {
    if matches!(fault.reason, Reason::Invalid | Reason::InvalidEndpoint) {
        return gateway::status::refused(fault);
    }
    let mut findings = vec![Finding::yes(
        ConditionType::Accepted,
        Reason::Accepted,
        "the spec is valid",
    )];
    if fault.reason != Reason::Suspended {
        findings.push(Finding::no(
            ConditionType::ResolvedRefs,
            fault.reason,
            &fault.message,
        ));
    }
    findings.extend(
        [ConditionType::Programmed, ConditionType::Ready]
            .map(|type_| Finding::no(type_, fault.reason, &fault.message)),
    );
    findings
}

#[cfg(test)]
mod tests;
