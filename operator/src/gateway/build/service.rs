//! The Service: the address for callers. The ops port is not part of it.

use anyray_crds::v1alpha1::anyray_gateway::service::ServiceType;
use k8s_openapi::{
    api::core::v1::{Service, ServicePort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::ResourceExt as _;

use crate::{gateway::validate::ValidatedGateway, metadata};

pub(super) fn build(validated: &ValidatedGateway<'_>) -> Service {
    let gateway = validated.gateway;
    let wanted = &gateway.spec.service;
    let mut metadata = metadata::child(gateway, gateway.name_any());
    metadata.annotations = Some(wanted.annotations.clone()).filter(|all| !all.is_empty());
    let type_ = match wanted.type_ {
        ServiceType::ClusterIP => "ClusterIP",
        ServiceType::LoadBalancer => "LoadBalancer",
    };
    let ranges = Some(wanted.load_balancer_source_ranges.clone());
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(type_.to_owned()),
            selector: Some(metadata::selector_labels(&gateway.name_any())),
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: wanted.port,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String("http".to_owned())),
                app_protocol: Some("http".to_owned()),
                ..ServicePort::default()
            }]),
            load_balancer_class: wanted.load_balancer_class.clone(),
            load_balancer_source_ranges: ranges.filter(|ranges| !ranges.is_empty()),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}
