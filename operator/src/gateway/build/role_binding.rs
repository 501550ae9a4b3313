//! The `RoleBinding`: the Role is the ServiceAccount's.

use k8s_openapi::api::{
    core::v1::ServiceAccount,
    rbac::v1::{Role, RoleBinding, RoleRef, Subject},
};
use kube::{Resource as _, ResourceExt as _};

use crate::{gateway::validate::ValidatedGateway, metadata};

pub(super) fn build(validated: &ValidatedGateway<'_>) -> RoleBinding {
    let gateway = validated.gateway;
    let name = gateway.name_any();
    RoleBinding {
        metadata: metadata::child(gateway, name.clone()),
        role_ref: RoleRef {
            api_group: Role::group(&()).into_owned(),
            kind: Role::kind(&()).into_owned(),
            name: name.clone(),
        },
        subjects: Some(vec![Subject {
            kind: ServiceAccount::kind(&()).into_owned(),
            name,
            namespace: gateway.namespace(),
            api_group: None,
        }]),
    }
}
