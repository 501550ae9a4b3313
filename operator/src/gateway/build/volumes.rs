//! The volumes of a gateway's pods and where they are mounted: configuration, access to the API
//! server, and room for what must survive a restart of the container.

use k8s_openapi::{
    api::core::v1::{
        ConfigMapProjection, DownwardAPIProjection, DownwardAPIVolumeFile, EmptyDirVolumeSource,
        KeyToPath, ObjectFieldSelector, ProjectedVolumeSource, SecretProjection,
        ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
    },
    apimachinery::pkg::api::resource::Quantity,
};

use crate::metadata;

const CONFIG: &str = "config";
const CONFIG_DIRECTORY: &str = "/etc/anyray";

const API_ACCESS: &str = "api-access";
/// Where every client of the API looks.
const API_ACCESS_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Life of a token; the kubelet renews it at four fifths.
const TOKEN_SECONDS: i64 = 3600;

const STATE: &str = "state";
/// Where the gateway keeps what it knows of invites and keys, for the time without an API server.
pub(super) const STATE_DIRECTORY: &str = "/var/lib/anyray";
/// Tens of thousands of keys.
const STATE_SIZE: &str = "64Mi";

/// For owner and group alone.
const MODE: i32 = 0o440;

pub(super) fn volumes(gateway: &str) -> Vec<Volume> {
    let state = EmptyDirVolumeSource {
        size_limit: Some(Quantity(STATE_SIZE.to_owned())),
        medium: None,
    };
    vec![
        projected(CONFIG, config(gateway)),
        projected(API_ACCESS, api_access()),
        Volume {
            name: STATE.to_owned(),
            empty_dir: Some(state),
            ..Volume::default()
        },
    ]
}

pub(super) fn mounts() -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str, read_only: Option<bool>| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        ..VolumeMount::default()
    };
    vec![
        mount(CONFIG, CONFIG_DIRECTORY, Some(true)),
        mount(API_ACCESS, API_ACCESS_DIRECTORY, Some(true)),
        mount(STATE, STATE_DIRECTORY, None),
    ]
}

/// One projected volume, so that one swap of the kubelet changes configuration and keys together.
fn config(gateway: &str) -> Vec<VolumeProjection> {
    let config = VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: metadata::config_map_name(gateway),
            ..ConfigMapProjection::default()
        }),
        ..VolumeProjection::default()
    };
    let keys = VolumeProjection {
        secret: Some(SecretProjection {
            name: metadata::secret_name(gateway),
            ..SecretProjection::default()
        }),
        ..VolumeProjection::default()
    };
    vec![config, keys]
}

/// What `automountServiceAccountToken` would mount, but in this container alone.
fn api_access() -> Vec<VolumeProjection> {
    let token = VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            path: "token".to_owned(),
            expiration_seconds: Some(TOKEN_SECONDS),
            audience: None,
        }),
        ..VolumeProjection::default()
    };
    let certificates = VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: "kube-root-ca.crt".to_owned(),
            items: Some(vec![KeyToPath {
                key: "ca.crt".to_owned(),
                path: "ca.crt".to_owned(),
                mode: None,
            }]),
            optional: None,
        }),
        ..VolumeProjection::default()
    };
    let namespace = VolumeProjection {
        downward_api: Some(DownwardAPIProjection {
            items: Some(vec![DownwardAPIVolumeFile {
                path: "namespace".to_owned(),
                field_ref: Some(ObjectFieldSelector {
                    api_version: None,
                    field_path: "metadata.namespace".to_owned(),
                }),
                ..DownwardAPIVolumeFile::default()
            }]),
        }),
        ..VolumeProjection::default()
    };
    vec![token, certificates, namespace]
}

fn projected(name: &str, sources: Vec<VolumeProjection>) -> Volume {
    Volume {
        name: name.to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(MODE),
            sources: Some(sources),
        }),
        ..Volume::default()
    }
}
