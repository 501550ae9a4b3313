//! The ServiceAccount: an identity whose rights are in [`super::role`]. Its pods ask for the token
//! themselves; no other pod gets one by accident.

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt as _;

use crate::{gateway::validate::ValidatedGateway, metadata};

pub(super) fn build(validated: &ValidatedGateway<'_>) -> ServiceAccount {
    let gateway = validated.gateway;
    ServiceAccount {
        metadata: metadata::child(gateway, gateway.name_any()),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
