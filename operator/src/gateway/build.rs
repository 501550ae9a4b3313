//! The objects of a gateway, one file per kind.

mod config_map;
mod deployment;
mod role;
mod role_binding;
mod secret;
mod service;
mod service_account;
mod volumes;

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Secret, Service, ServiceAccount},
    rbac::v1::{Role, RoleBinding},
};

use super::validate::ValidatedGateway;

/// What every gateway gets that does not say otherwise.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Image reference of the gateway.
    pub image: String,
    /// When nodes pull it.
    pub image_pull_policy: String,
}

/// Everything that a gateway is made of, in the order in which it is applied.
#[derive(Clone, Debug)]
pub struct Resources {
    /// What the pods run as.
    pub service_account: ServiceAccount,
    /// What the pods may do.
    pub role: Role,
    /// That the pods may do it.
    pub role_binding: RoleBinding,
    /// The credentials.
    pub secret: Secret,
    /// `gateway.json`.
    pub config_map: ConfigMap,
    /// The address for callers.
    pub service: Service,
    /// The pods.
    pub deployment: Deployment,
}

/// Builds the objects of a gateway.
pub fn build(gateway: &ValidatedGateway<'_>, defaults: &Defaults) -> Resources {
    Resources {
        service_account: service_account::build(gateway),
        role: role::build(gateway),
        role_binding: role_binding::build(gateway),
        secret: secret::build(gateway),
        config_map: config_map::build(gateway),
        service: service::build(gateway),
        deployment: deployment::build(gateway, defaults),
    }
}
