//! What a watch has missed for long is told from what it is about to learn.

use std::{convert::Infallible, future::ready};

use anyray_crds::v1alpha1::AnyrayGateway;
use kube::{
    client::Body,
    runtime::{reflector, watcher::Event},
};
use serde_json::{Value, json};

use super::*;

/// A cluster with one gateway, of this version.
fn cluster(version: &str) -> Client {
    let object = json!({
        "metadata": { "name": "g", "namespace": "n", "resourceVersion": version },
    });
    let list = json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadataList",
        "metadata": {},
        "items": [object],
    });
    let service = tower::service_fn(move |_: http::Request<Body>| {
        let body = Body::from(list.to_string().into_bytes());
        ready(Ok::<_, Infallible>(http::Response::new(body)))
    });
    Client::new(service, "n")
}

/// A store that knows one gateway, of this version.
fn store(version: &str) -> Store<Guarded<AnyrayGateway>> {
    let object: Value = json!({
        "apiVersion": "anyray.ai/v1alpha1",
        "kind": "AnyrayGateway",
        "metadata": { "name": "g", "namespace": "n", "resourceVersion": version },
        "spec": { "auth": { "clientKeys": "Optional" } },
    });
    let object = serde_json::from_value(object).expect("a gateway");
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&Event::Apply(object));
    store
}

async fn looks(versions: [(&str, &str); 2]) -> [bool; 2] {
    let health = Health::default();
    let mut suspects = HashSet::new();
    let mut found = [false; 2];
    for (found, (listed, known)) in found.iter_mut().zip(versions) {
        *found = look(
            &cluster(listed),
            None,
            &store(known),
            &mut suspects,
            &health,
        )
        .await;
    }
    found
}

#[tokio::test]
async fn only_what_was_missed_at_two_looks_is_stale() {
    for (versions, expected) in [
        ([("1", "1"), ("1", "1")], false),
        // The watch learned of it in between.
        ([("2", "1"), ("2", "2")], false),
        // It lags behind a busy object, but follows.
        ([("2", "1"), ("3", "2")], false),
        ([("2", "1"), ("2", "1")], true),
    ] {
        assert_eq!(looks(versions).await, [false, expected], "{versions:?}");
    }
}
