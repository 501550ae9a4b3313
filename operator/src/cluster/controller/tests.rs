//! One object brings no other down.

use std::{convert::Infallible, future::ready, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Client,
    client::Body,
    runtime::{reflector, watcher::Event},
};
use tokio::time::timeout;

use super::*;
use crate::{
    cluster::{api::Cluster, metrics::Metrics, push::Push, scope::Stores, watch::Queues},
    gateway::build::Defaults,
};

/// Longest wait for two objects to be reconciled.
const LIMIT: Duration = Duration::from_secs(10);

/// Panics over the object `bad`.
const RECONCILER: Reconciler<ConfigMap> = Reconciler {
    kind: "ConfigMap",
    reconcile: |object, _| {
        Box::pin(async move {
            assert_ne!(object.metadata.name.as_deref(), Some("bad"), "bad");
            Ok(Action::await_change())
        })
    },
    forget: |_, _| {},
};

/// Of a cluster that is never asked.
fn context(metrics: Metrics) -> Context {
    let service = tower::service_fn(|_: http::Request<Body>| {
        ready(Ok::<_, Infallible>(http::Response::new(Body::empty())))
    });
    let cluster = Cluster::new(Client::new(service, "default"), None);
    let queue = || mpsc::channel(1).0;
    let queues = Queues {
        gateways: queue(),
        provider_keys: queue(),
        invites: queue(),
        client_keys: queue(),
    };
    Context {
        push: Arc::new(Push::new(cluster.clone(), queues, metrics.clone())),
        cluster,
        stores: Stores {
            gateways: reflector::store().0,
            provider_keys: reflector::store().0,
            invites: reflector::store().0,
            client_keys: reflector::store().0,
            deployments: reflector::store().0,
            services: reflector::store().0,
            pods: reflector::store().0,
        },
        defaults: Defaults {
            image: String::new(),
            image_pull_policy: String::new(),
        },
        metrics,
    }
}

fn config_map(name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object.metadata.namespace = Some("default".to_owned());
    object
}

#[test]
fn an_object_is_looked_at_again_when_its_time_is_over_or_before() {
    let key = ObjectKey {
        namespace: "llm".to_owned(),
        name: "a".to_owned(),
    };
    let at = |second| Timestamp::from_second(second).expect("a time");
    let after = |milliseconds| Action::requeue(Duration::from_millis(milliseconds));
    let until = |end| resync_until(&key, end, at(100));
    assert_eq!(until(Some(at(160))), after(60_001));
    assert_eq!(until(Some(at(100))), after(1));
    for end in [None, Some(at(99)), Some(at(1_000_000))] {
        assert_eq!(until(end), resync(&key), "{end:?}");
    }
}

#[tokio::test]
async fn a_pass_that_panics_leaves_the_others_alone() {
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&Event::Init);
    for name in ["bad", "good"] {
        writer.apply_watcher_event(&Event::InitApply(config_map(name)));
    }
    writer.apply_watcher_event(&Event::InitDone);
    let (sender, queue) = mpsc::channel(2);
    for name in ["bad", "good"] {
        let key = ObjectKey::of(&config_map(name));
        sender.send(key).await.expect("room");
    }
    let metrics = Metrics::default();
    let stop = CancellationToken::new();
    let controller = run(
        RECONCILER,
        store,
        (queue, stop.clone()),
        Arc::new(context(metrics.clone())),
    );
    let has_passed = |outcome: &str| {
        let text = metrics.exposition().expect("metrics");
        text.contains(&format!("outcome=\"{outcome}\""))
    };
    let passed = async {
        while !(has_passed("panicked") && has_passed("done")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = controller => panic!("the controller has ended"),
        passed = timeout(LIMIT, passed) => passed.expect("both are reconciled"),
    }
}
