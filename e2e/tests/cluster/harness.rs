//! A test: it has a namespace of its own on the cluster that all of them share.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use anyray_e2e::{cluster::Cluster, wait};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{Namespace, ServiceAccount},
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
};
use libtest_mimic::Trial;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::{
    runtime::Handle,
    sync::{OnceCell, RwLock},
    task::{LocalSet, spawn_local},
};

use crate::{length::is_soak, operator, statuses::Statuses};

/// Longest run of a test that asks for no other limit.
const LIMIT: Duration = Duration::from_secs(300);

/// For the controllers to prepare a namespace, also after an outage of the API server that a test
/// has made.
const NAMESPACE_LIMIT: Duration = Duration::from_secs(90);

type Run = Box<dyn Fn(Context) -> Pin<Box<dyn Future<Output = Result<()>>>> + Send>;

/// A test as its module lists it.
pub(crate) struct Entry {
    name: &'static str,
    is_exclusive: bool,
    needs_ours: bool,
    needs_soak: bool,
    limit: Duration,
    run: Run,
}

/// What all tests share.
pub(crate) struct Stage {
    cluster: Cluster,
    runtime: Handle,
    /// Held for writing by a test that disturbs others, for reading by the others.
    turns: RwLock<()>,
    operator: OnceCell<()>,
    statuses: Arc<Statuses>,
}

/// What a test is given.
#[derive(Clone)]
pub(crate) struct Context {
    stage: Arc<Stage>,
    namespace: String,
    client: Client,
}

/// A test that runs beside others.
pub(crate) fn shared<F>(name: &'static str, run: impl Fn(Context) -> F + Send + 'static) -> Entry
where
    F: Future<Output = Result<()>> + 'static,
{
    Entry {
        name,
        is_exclusive: false,
        needs_ours: false,
        needs_soak: false,
        limit: LIMIT,
        run: Box::new(move |context| Box::pin(run(context))),
    }
}

/// A test that disturbs the control plane: it runs alone, and on a cluster of ours.
pub(crate) fn exclusive<F>(name: &'static str, run: impl Fn(Context) -> F + Send + 'static) -> Entry
where
    F: Future<Output = Result<()>> + 'static,
{
    Entry {
        is_exclusive: true,
        needs_ours: true,
        ..shared(name, run)
    }
}

impl Entry {
    /// Not for a cluster that is given.
    pub(crate) fn on_ours_only(self) -> Self {
        Self {
            needs_ours: true,
            ..self
        }
    }

    /// For `make soak` alone: a test that runs at each merge would fail with it.
    pub(crate) fn in_soak_only(self) -> Self {
        Self {
            needs_soak: true,
            ..self
        }
    }

    pub(crate) fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }

    /// The longest it may run, instead of 5 minutes.
    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Makes it a test of `libtest_mimic`; it is ignored if it needs a cluster of ours and runs on
    /// a given one, or full lengths and runs at short ones.
    pub(crate) fn on(self, stage: &Arc<Stage>) -> Trial {
        let is_ignored =
            self.needs_ours && !stage.cluster.is_ours() || self.needs_soak && !is_soak();
        let (name, stage) = (self.name, Arc::clone(stage));
        let run = move || {
            let runtime = stage.runtime.clone();
            runtime
                .block_on(self.take_turn(&stage))
                .map_err(|error| format!("{error:#}").into())
        };
        Trial::test(name, run).with_ignored_flag(is_ignored)
    }

    async fn take_turn(&self, stage: &Arc<Stage>) -> Result<()> {
        if self.is_exclusive {
            let _turn = stage.turns.write().await;
            self.run_in_a_namespace(stage).await
        } else {
            let _turn = stage.turns.read().await;
            self.run_in_a_namespace(stage).await
        }
    }

    async fn run_in_a_namespace(&self, stage: &Arc<Stage>) -> Result<()> {
        let started = Instant::now();
        let context = Context::new(stage).await?;
        let run = (self.run)(context.clone());
        let run = wait::at_most(self.name, self.limit, run);
        // A task of its own, so that a panic in it still lets the namespace go.
        let ended = LocalSet::new()
            .run_until(async { spawn_local(run).await })
            .await;
        let ended = ended.context("the test panicked").flatten().flatten();
        // On a cluster of ours, which goes with the run, a failed one leaves its pods and so their
        // logs.
        let deleted = if ended.is_err() && stage.cluster.is_ours() {
            Ok(())
        } else {
            context.delete_namespace().await
        };
        crate::tell(&format!(
            "{}: {:.1} s",
            self.name,
            started.elapsed().as_secs_f32()
        ));
        ended?;
        stage.statuses.check(&context.namespace)?;
        deleted
    }
}

impl Stage {
    pub(crate) fn new(cluster: Cluster, runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            cluster,
            runtime,
            turns: RwLock::default(),
            operator: OnceCell::new(),
            statuses: Arc::default(),
        })
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.cluster
    }
}

impl Context {
    async fn new(stage: &Arc<Stage>) -> Result<Self> {
        let client = stage.cluster.client().await?;
        let namespace = make_namespace(&client).await?;
        Ok(Self {
            stage: Arc::clone(stage),
            namespace,
            client,
        })
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        &self.stage.cluster
    }

    /// Makes sure that the operator runs, installed as people install it, and that every status
    /// that it writes is watched.
    pub(crate) async fn operator(&self) -> Result<()> {
        let install = async || {
            operator::install(self).await?;
            for kind in ["AnyrayGateway", "ProviderKey", "Invite", "ClientKey"] {
                let statuses = Arc::clone(&self.stage.statuses);
                let client = self.client();
                let watch = async move { statuses.watch(client, kind).await };
                self.stage.runtime.spawn(watch);
            }
            anyhow::Ok(())
        };
        self.stage.operator.get_or_try_init(install).await?;
        Ok(())
    }

    /// How many statuses were written in the namespace, and how many of them said that all is
    /// done; none of them lied.
    pub(crate) fn statuses(&self) -> Result<(usize, usize)> {
        self.stage.statuses.check(&self.namespace)
    }

    /// A namespace for this test alone, where pods must meet the standard `restricted`.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Objects of one kind in the namespace of the test.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// Creates an object in the namespace of the test.
    pub(crate) async fn create<K>(&self, object: Value) -> Result<K>
    where
        K: kube::Resource<Scope = NamespaceResourceScope>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + serde::Serialize,
        K::DynamicType: Default,
    {
        let object = serde_json::from_value(object)?;
        Ok(self
            .api::<K>()
            .create(&PostParams::default(), &object)
            .await?)
    }

    /// `kubectl` in the namespace of the test.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.cluster().kubectl();
        command
            .args(["--namespace", &self.namespace])
            .args(arguments);
        anyray_e2e::cluster::output_of(command).await
    }

    /// Asks for the end of the namespace, and does not wait for it.
    async fn delete_namespace(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client());
        let deleted = namespaces
            .delete(&self.namespace, &DeleteParams::default())
            .await;
        match deleted {
            // A test may delete it itself.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            deleted => {
                deleted.context("delete the namespace of the test")?;
            }
        }
        Ok(())
    }
}

async fn make_namespace(client: &Client) -> Result<String> {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let namespace = json!({"metadata": {"generateName": "anyray-e2e-", "labels": labels}});
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = serde_json::from_value(namespace)?;
    let made = namespaces
        .create(&PostParams::default(), &namespace)
        .await?;
    let name = made.metadata.name.context("a namespace without a name")?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name);
    // No pod is admitted before it is there.
    let account = async || accounts.get("default").await.ok();
    wait::until(
        "the service account of the namespace",
        NAMESPACE_LIMIT,
        account,
    )
    .await?;
    Ok(name)
}
