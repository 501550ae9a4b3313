//! Names, labels and owners of the objects that the operator makes.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
};

use anyray_crds::v1alpha1::AnyrayGateway;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use kube::{Resource, ResourceExt as _};

/// The field manager of every write, and the value of `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "anyray-operator";

/// The label that every object of a gateway carries, with the gateway's name.
pub const GATEWAY_LABEL: &str = "anyray.ai/gateway";

/// The label by which the operator finds what it manages.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";

/// The annotation on pods whose change makes the kubelet look for a new configuration at once.
pub const SYNC_ANNOTATION: &str = "anyray.ai/config-sync";

/// Name of the gateway's container in its pods.
pub const CONTAINER: &str = "gateway";

const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
const COMPONENT: &str = "gateway";

/// Which object of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The key of an object.
    pub fn of<K: Resource>(object: &K) -> Self {
        Self {
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
        }
    }
}

impl Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Name of the ConfigMap with `gateway.json`.
pub fn config_map_name(gateway: &str) -> String {
    format!("{gateway}-config")
}

/// Name of the Secret with the admin token, where the spec names no other.
pub fn admin_secret_name(gateway: &str) -> String {
    format!("{gateway}-admin")
}

/// Name of the Secret with the keys of the providers.
pub fn secret_name(gateway: &str) -> String {
    format!("{gateway}-providers")
}

/// The labels that select a gateway's pods. They never change, since a Deployment's selector
/// cannot.
pub fn selector_labels(gateway: &str) -> BTreeMap<String, String> {
    [(GATEWAY_LABEL, gateway), (COMPONENT_LABEL, COMPONENT)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// [`selector_labels`] as a selector.
pub fn selector(gateway: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(selector_labels(gateway)),
        match_expressions: None,
    }
}

/// [`selector_labels`] as text, for the scale subresource.
pub fn selector_text(gateway: &str) -> String {
    let labels = selector_labels(gateway);
    let pairs = labels.iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

/// The labels of an object or pod of a gateway.
///
/// Labels of the custom resource are never copied: a GitOps tool would take the object for its
/// own and prune it.
pub fn labels(gateway: &str) -> BTreeMap<String, String> {
    let mut labels = selector_labels(gateway);
    labels.extend(
        [
            ("app.kubernetes.io/name", "anyray-gateway"),
            ("app.kubernetes.io/instance", gateway),
            ("app.kubernetes.io/part-of", "anyray"),
            (MANAGED_BY_LABEL, MANAGER),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    labels
}

/// Metadata of an object that belongs to a gateway and goes with it.
pub fn child(gateway: &AnyrayGateway, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: gateway.namespace(),
        labels: Some(labels(&gateway.name_any())),
        owner_references: gateway.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// Metadata of a Secret that belongs to an Invite or a `ClientKey` and goes with it.
///
/// Nothing of the owner is in its labels: a user's name may be no label.
pub fn minted<K: Resource<DynamicType = ()>>(owner: &K, name: &str, component: &str) -> ObjectMeta {
    let labels = [
        ("app.kubernetes.io/name", "anyray-gateway"),
        (COMPONENT_LABEL, component),
        ("app.kubernetes.io/part-of", "anyray"),
        (MANAGED_BY_LABEL, MANAGER),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: owner.namespace(),
        labels: Some(labels.into()),
        owner_references: owner.controller_owner_ref(&()).map(|owner| vec![owner]),
        ..ObjectMeta::default()
    }
}

/// The object of this kind that controls another, by name and uid.
pub fn owner<K: Resource<DynamicType = ()>>(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    let owners = metadata.owner_references.iter().flatten();
    let (api_version, kind) = (K::api_version(&()), K::kind(&()));
    owners
        .filter(|owner| owner.controller == Some(true))
        .find(|owner| owner.api_version == api_version && owner.kind == kind)
}
