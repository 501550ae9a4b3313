//! The ConfigMap with `gateway.json`.

use anyray_wire::gateway_config::CONFIG_FILE;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt as _;

use crate::{gateway::validate::ValidatedGateway, metadata};

pub(super) fn build(validated: &ValidatedGateway<'_>) -> ConfigMap {
    let gateway = validated.gateway;
    let content = (CONFIG_FILE.to_owned(), validated.files.gateway_json.clone());
    ConfigMap {
        metadata: metadata::child(gateway, metadata::config_map_name(&gateway.name_any())),
        data: Some([content].into()),
        ..ConfigMap::default()
    }
}
