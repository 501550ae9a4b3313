//! Whether an `AnyrayGateway` can be built, from its spec and what it names.

use std::collections::BTreeSet;

use anyray_crds::{
    conditions::Reason,
    v1alpha1::{AnyrayGateway, ProviderKey},
};
use anyray_wire::gateway_config::{FieldError, GatewayConfig, check, egress::EgressRule};
use kube::{
    ResourceExt as _,
    core::{Selector, SelectorExt as _},
};

use super::{
    admin,
    config::{self, ConfigFiles, Contents},
    custom_hosts::{self, Bundles},
};
use crate::{
    fault::Fault,
    provider_key::{
        material::{Material, SecretEntries},
        validate::{self, UnusableKey, UsableKey},
    },
};

/// Everything that a gateway names, as it was found.
#[derive(Clone, Debug, Default)]
pub struct References {
    /// The ProviderKeys that the gateway selects, each with what it names in turn.
    pub keys: Vec<(ProviderKey, Material)>,
    /// The Secret with the admin token.
    pub admin: Option<SecretEntries>,
    /// The ConfigMaps that `egress.customHosts` names.
    pub bundles: Bundles,
    /// Objects that have a needed name and are not the gateway's, as `Kind name`.
    pub foreign: Vec<String>,
    /// Objects of an earlier gateway of this name, which the cluster is about to delete.
    pub leftover: Vec<String>,
}

impl References {
    /// Why the gateway has to wait, if an earlier one of its name is not quite gone.
    pub fn leftover(&self) -> Option<Fault> {
        if self.leftover.is_empty() {
            return None;
        }
        let message = format!(
            "{} of an earlier gateway of this name will be deleted first",
            self.leftover.join(", ")
        );
        Some(Fault::new(Reason::Progressing, message))
    }
}

/// A gateway that can be built.
#[derive(Clone, Debug)]
pub struct ValidatedGateway<'a> {
    /// The custom resource.
    pub gateway: &'a AnyrayGateway,
    /// The files that its pods read.
    pub files: ConfigFiles,
    /// The keys that its pods get, by name.
    pub usable: Vec<UsableKey>,
    /// References that lead nowhere, for `ResolvedRefs`.
    pub unresolved: Vec<Fault>,
    /// Names of the keys that are suspended.
    pub suspended: Vec<String>,
    /// How many ProviderKeys are selected.
    pub selected: usize,
    /// The routing rules in force whose key is usable, as patterns.
    pub models: Vec<String>,
}

/// Whether a gateway uses a key, by the key's labels.
pub fn selects(gateway: &AnyrayGateway, key: &ProviderKey) -> bool {
    let Some(selector) = gateway.spec.providers.selector.clone() else {
        return true;
    };
    // One that cannot be read selects nothing here, and is refused by `validate`.
    Selector::try_from(selector).is_ok_and(|selector| selector.matches(key.labels()))
}

/// Checks a gateway and decides what its pods get.
///
/// One key that cannot be used is no reason to refuse a gateway: it is left without a credential
/// and named in [`ValidatedGateway::unresolved`]. So it is with the admin token and with hosts.
///
/// # Errors
/// [`Fault`], when nothing of this generation may be built.
pub fn validate<'a>(
    gateway: &'a AnyrayGateway,
    references: &References,
) -> Result<ValidatedGateway<'a>, Fault> {
    refuse_foreign(&references.foreign)?;
    let mut base = config::from_spec(&gateway.spec);
    check_spec(&base).map_err(|error| Fault::new(Reason::Invalid, format!("spec.{error}")))?;
    let egress = EgressRule::from_config(&base.egress)
        .map_err(|error| Fault::new(Reason::Invalid, format!("spec.{}", error.under("egress"))))?;

    if let Some(selector) = &gateway.spec.providers.selector {
        Selector::try_from(selector.clone()).map_err(|error| {
            let message = format!("spec.providers.selector: {error}");
            Fault::new(Reason::Invalid, message)
        })?;
    }
    let (usable, unusable) = sort_out(&references.keys, &egress);
    let missing = missing_keys(&base, &usable, &unusable);
    let mut unresolved = unresolved(&unusable, &missing);
    let wanted = &gateway.spec.egress.custom_hosts;
    let (hosts, faults) = custom_hosts::validate(wanted, &references.bundles, &egress);
    base.egress.custom_hosts = hosts;
    unresolved.extend(faults);
    let admin = admin::validate(gateway, references.admin.as_ref())
        .map_err(|fault| unresolved.push(fault))
        .unwrap_or_default();
    let suspended = unusable
        .iter()
        .filter(|key| key.fault.reason == Reason::Suspended);
    let suspended = suspended.map(|key| key.name.clone()).collect();
    let models = base.routing.models.iter();
    let models = models
        .filter(|rule| usable.iter().any(|key| key.name == rule.provider_key))
        .map(|rule| rule.pattern.clone())
        .collect();
    let contents = Contents {
        usable: &usable,
        unusable: &unusable,
        missing: &missing,
        admin: admin.as_ref(),
    };
    let files = config::files(base, &contents)?;
    Ok(ValidatedGateway {
        gateway,
        files,
        suspended,
        selected: references.keys.len(),
        usable,
        unresolved,
        models,
    })
}

/// Server-side apply with force would take such an object over, whoever made it.
fn refuse_foreign(foreign: &[String]) -> Result<(), Fault> {
    if foreign.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} exists already and was not made for this gateway: rename or delete it, or choose another name for the gateway",
        foreign.join(", ")
    );
    Err(Fault::new(Reason::NameConflict, message))
}

/// The API server has checked this by the schema; an object from before a change of the schema
/// has passed another one.
fn check_spec(config: &GatewayConfig) -> Result<(), FieldError> {
    check::limits(&config.limits).map_err(|error| error.under("limits"))?;
    check::timeouts(&config.timeouts).map_err(|error| error.under("timeouts"))?;
    for (index, path) in config.passthrough_paths.iter().enumerate() {
        check::passthrough_path(path)
            .map_err(|error| error.under(&format!("passthroughPaths[{index}]")))?;
    }
    for (index, rule) in config.routing.models.iter().enumerate() {
        let at = format!("routing.models[{index}]");
        check::model_pattern(&rule.pattern).map_err(|error| error.under(&at))?;
        check::provider_key_name(&rule.provider_key).map_err(|error| {
            FieldError {
                field: "providerKey".to_owned(),
                ..error
            }
            .under(&at)
        })?;
    }
    Ok(())
}

fn sort_out(
    keys: &[(ProviderKey, Material)],
    egress: &EgressRule,
) -> (Vec<UsableKey>, Vec<UnusableKey>) {
    let mut keys: Vec<_> = keys.iter().collect();
    keys.sort_by_key(|(key, _)| key.name_any());
    let (mut usable, mut unusable) = (Vec::new(), Vec::new());
    for (key, material) in keys {
        match validate::validate(key, material, egress) {
            Ok(key) => usable.push(key),
            Err(key) => unusable.push(key),
        }
    }
    (usable, unusable)
}

/// The names in routing rules that no selected ProviderKey has.
fn missing_keys(
    config: &GatewayConfig,
    usable: &[UsableKey],
    unusable: &[UnusableKey],
) -> BTreeSet<String> {
    let known = usable.iter().map(|key| &key.name);
    let known: BTreeSet<_> = known.chain(unusable.iter().map(|key| &key.name)).collect();
    let named = config.routing.models.iter().map(|rule| &rule.provider_key);
    named
        .filter(|name| !known.contains(name))
        .cloned()
        .collect()
}

fn unresolved(unusable: &[UnusableKey], missing: &BTreeSet<String>) -> Vec<Fault> {
    let faults = unusable
        .iter()
        // Suspended is what its owner wants it to be.
        .filter(|key| key.fault.reason != Reason::Suspended)
        .map(|key| {
            let message = format!("ProviderKey {}: {}", key.name, key.fault.message);
            Fault::new(key.fault.reason, message)
        });
    let missing = missing.iter().map(|name| {
        let message = format!(
            "routing names the ProviderKey {name}, which does not exist or is not selected by providers.selector"
        );
        Fault::new(Reason::ProviderKeyNotFound, message)
    });
    faults.chain(missing).collect()
}
