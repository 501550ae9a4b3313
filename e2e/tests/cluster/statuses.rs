//! Every status that any test makes the operator write, checked against the truth.
//!
//! A snapshot that kstatus takes for `Current` makes Flux and others go on, so at that moment the
//! gateway must serve.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Result, ensure};
use anyray_e2e::kstatus::{Kstatus, kstatus};
use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, WatchEvent, WatchParams},
};
use serde_json::Value;
use tokio::time::sleep;

use crate::http;

/// Name of the objects whose statuses are written to see what the API server says of them.
const FIXTURE: &str = "fixture";

/// Pause before a watch begins again: tests stop the API server.
const PAUSE: Duration = Duration::from_millis(200);

/// What was seen, by namespace.
#[derive(Debug, Default)]
pub(crate) struct Statuses {
    seen: Mutex<BTreeMap<String, Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    snapshots: usize,
    current: usize,
    lies: Vec<String>,
}

impl Statuses {
    /// Watches one kind in all namespaces for ever.
    pub(crate) async fn watch(&self, client: Client, kind: &str) {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("anyray.ai", "v1alpha1", kind));
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let mut settled = HashSet::new();
        loop {
            if let Ok(events) = api.watch(&WatchParams::default(), "0").await {
                pin_mut!(events);
                while let Some(Ok(event)) = events.next().await {
                    if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
                        self.take(&client, &object, &mut settled).await;
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Fails if a status in this namespace has lied; returns how many were seen, and how many of
    /// them said that all is done.
    pub(crate) fn check(&self, namespace: &str) -> Result<(usize, usize)> {
        let all = self.lock();
        let Some(seen) = all.get(namespace) else {
            return Ok((0, 0));
        };
        ensure!(seen.lies.is_empty(), "{}", seen.lies.join("\n"));
        Ok((seen.snapshots, seen.current))
    }

    async fn take(
        &self,
        client: &Client,
        object: &DynamicObject,
        settled: &mut HashSet<(Option<String>, Option<i64>)>,
    ) {
        if object.name_any() == FIXTURE {
            // A test has written this status, not the operator.
            return;
        }
        let namespace = object.namespace().unwrap_or_default();
        let value = serde_json::to_value(object).unwrap_or_default();
        let is_current = kstatus(&value) == Kstatus::Current;
        let is_gateway = value["kind"] == "AnyrayGateway";
        let mut lies = contradictions(&value, is_current);
        let version = (object.uid(), object.metadata.generation);
        if is_current && is_gateway && settled.insert(version) {
            lies.extend(silent_pods(client, &namespace, &object.name_any()).await);
        }
        let mut all = self.lock();
        let seen = all.entry(namespace).or_default();
        seen.snapshots += 1;
        seen.current += usize::from(is_current);
        let name = object.name_any();
        let status = value["status"].to_string();
        seen.lies.extend(
            lies.into_iter()
                .map(|lie| format!("{name}: {lie}: {status}")),
        );
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a status says that cannot all be true.
fn contradictions(object: &Value, is_current: bool) -> Vec<String> {
    let status = &object["status"];
    let generation = &object["metadata"]["generation"];
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    let is_true = |type_: &str| {
        conditions
            .iter()
            .any(|found| found["type"] == type_ && found["status"] == "True")
    };
    let mut found = Vec::new();
    let mut refuse = |is_wrong: bool, lie: &str| {
        if is_wrong {
            found.push(lie.to_owned());
        }
    };
    refuse(
        is_true("Reconciling") && is_true("Stalled"),
        "at work and stalled at once",
    );
    refuse(
        is_current && !is_true("Ready"),
        "kstatus says Current, and it is not Ready",
    );
    if is_true("Ready") && object["kind"] == "AnyrayGateway" {
        let wanted = &object["spec"]["replicas"];
        let is_about_this = &status["observedGeneration"] == generation;
        refuse(!is_true("Programmed"), "Ready, and not Programmed");
        refuse(
            is_about_this && &status["readyReplicas"] != wanted,
            "Ready, and pods are missing",
        );
        refuse(
            is_about_this && status["programmedReplicas"].as_i64() < Some(1),
            "Ready, and no pod runs the configuration",
        );
    }
    found
}

/// The ready pods of a gateway that do not answer callers.
async fn silent_pods(client: &Client, namespace: &str, gateway: &str) -> Vec<String> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let ours = ListParams::default().labels(&format!("anyray.ai/gateway={gateway}"));
    // Without an API server there is nothing to compare with.
    let Ok(pods) = api.list(&ours).await else {
        return Vec::new();
    };
    let mut silent = Vec::new();
    for pod in pods
        .items
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
    {
        let ip = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
        let answer = match &ip {
            Some(ip) => http::get(&format!("http://{ip}:8787/livez")).await,
            None => Err(anyhow::anyhow!("it has no address")),
        };
        if !answer.as_ref().is_ok_and(|(status, _)| *status == 200) {
            silent.push(format!(
                "Current, and pod {} does not serve: {answer:?}",
                pod.name_any()
            ));
        }
    }
    silent
}
