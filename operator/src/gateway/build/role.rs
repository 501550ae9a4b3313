//! The Role: what a gateway's pods may do with invites and client keys, and with nothing else.
//!
//! RBAC cannot tell the objects of one gateway from those of another. The last two rules are about
//! no resource that exists: they are rights that the chart's admission policy for gateways asks
//! for. By `serve` it knows a gateway, and by `own`, which one.

use k8s_openapi::api::rbac::v1::{PolicyRule, Role};
use kube::ResourceExt as _;

use crate::{gateway::validate::ValidatedGateway, metadata};

const CLIENTS: &str = "anyraygateways/clients";

pub(super) fn build(validated: &ValidatedGateway<'_>) -> Role {
    let gateway = validated.gateway;
    let name = gateway.name_any();
    let mut rules = vec![
        rule(&["invites", "clientkeys"], &["get", "list", "watch"]),
        // A key whose redemption failed half-way is taken back.
        rule(&["clientkeys"], &["create", "delete"]),
        rule(&["invites/status"], &["update"]),
    ];
    if gateway.spec.admin.enabled {
        rules.push(rule(&["invites"], &["create", "delete"]));
    }
    rules.push(rule(&[CLIENTS], &["serve"]));
    rules.push(PolicyRule {
        resource_names: Some(vec![name.clone()]),
        ..rule(&[CLIENTS], &["own"])
    });
    Role {
        metadata: metadata::child(gateway, name),
        rules: Some(rules),
    }
}

fn rule(resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let texts = |all: &[&str]| all.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(vec![anyray_crds::GROUP.to_owned()]),
        resources: Some(texts(resources)),
        verbs: texts(verbs),
        ..PolicyRule::default()
    }
}
