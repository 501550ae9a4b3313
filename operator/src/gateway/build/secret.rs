//! The Secret with the credentials and the index of all files.

use anyray_wire::gateway_config::INDEX_FILE;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::ResourceExt as _;
use secrecy::ExposeSecret as _;

use crate::{gateway::validate::ValidatedGateway, metadata};

/// The type by which `kubectl get secrets` tells it from those that people make.
const TYPE: &str = "anyray.ai/provider-bundle";

pub(super) fn build(validated: &ValidatedGateway<'_>) -> Secret {
    let gateway = validated.gateway;
    let files = &validated.files;
    let keys = files.keys.iter();
    let keys = keys.map(|(name, key)| (name.clone(), ByteString(key.expose_secret().to_vec())));
    let index = ByteString(files.index_json.clone().into_bytes());
    Secret {
        metadata: metadata::child(gateway, metadata::secret_name(&gateway.name_any())),
        type_: Some(TYPE.to_owned()),
        data: Some(keys.chain([(INDEX_FILE.to_owned(), index)]).collect()),
        ..Secret::default()
    }
}
