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

use kube::{Resource, core::ApiResource};

use super::validate::ValidatedGateway;
use crate::metadata;

/// What every gateway gets that does not say otherwise.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Image reference of the gateway.
    pub image: String,
    /// When nodes pull it.
    pub image_pull_policy: String,
}

/// An object of a gateway, by kind and name.
#[derive(Clone, Debug)]
pub struct ChildName {
    /// Its kind.
    pub resource: ApiResource,
    /// Its `metadata.name`.
    pub name: String,
}

impl ChildName {
    /// An object of this kind.
    pub fn of<K: Resource<DynamicType = ()>>(name: String) -> Self {
        Self {
            resource: ApiResource::erase::<K>(&()),
            name,
        }
    }
}

/// Declares the objects of a gateway: the field, the kind, how it is named after the gateway, and how
/// it is built. Whoever applies them takes [`Resources`] apart field by field.
macro_rules! children {
    ($($(#[doc = $doc:literal])+ $field:ident: $kind:ty, $name:expr, $build:expr;)+) => {
        /// Everything that a gateway is made of.
        #[derive(Clone, Debug)]
        pub struct Resources {
            $($(#[doc = $doc])+ pub $field: $kind,)+
        }

        /// Builds the objects of a gateway.
        pub fn build(gateway: &ValidatedGateway<'_>, defaults: &Defaults) -> Resources {
            Resources {
                $($field: ($build)(gateway, defaults),)+
            }
        }

        /// What the objects of a gateway of this name are called: an object of such a name that
        /// belongs to somebody else is in the way.
        pub fn names(gateway: &str) -> Vec<ChildName> {
            vec![$(ChildName::of::<$kind>(($name)(gateway)),)+]
        }
    };
}

children! {
    /// What the pods run as.
    service_account: ServiceAccount, str::to_owned, |gateway, _| service_account::build(gateway);
    /// What the pods may do.
    role: Role, str::to_owned, |gateway, _| role::build(gateway);
    /// That the pods may do it.
    role_binding: RoleBinding, str::to_owned, |gateway, _| role_binding::build(gateway);
    /// The credentials.
    secret: Secret, metadata::secret_name, |gateway, _| secret::build(gateway);
    /// `gateway.json`.
    config_map: ConfigMap, metadata::config_map_name, |gateway, _| config_map::build(gateway);
    /// The address for callers.
    service: Service, str::to_owned, |gateway, _| service::build(gateway);
    /// The pods.
    deployment: Deployment, str::to_owned, deployment::build;
}
