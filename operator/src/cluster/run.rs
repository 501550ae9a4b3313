//! The process: connect, follow, reconcile, end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use anyray_crds::v1alpha1::{AnyrayGateway, ClientKey, Invite, ProviderKey};
use kube::{Client, Config};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::RunOptions,
    cluster::{
        api::Cluster,
        context::Context,
        controller, guard,
        ops::{self, Health},
        push::Push,
        reconcile::reconciler,
        scope,
        watch::{QUEUE_LENGTH, Queues},
    },
    gateway::build::Defaults,
    metadata::ObjectKey,
};

/// How long objects are reconciled after a signal. What is cut off, the next process does again.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(10);

/// Longest wait for a connection to the API server.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Why the operator could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no cluster to be found.
    #[error("cannot find a cluster: set KUBECONFIG, or run in a pod with a service account")]
    FindCluster(#[source] Box<kube::Error>),
    /// The ops port could not be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// Which one.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A runtime or signal handler could not be made.
    #[error("cannot start")]
    Start(#[from] io::Error),
    /// A task that never ends has ended.
    #[error("a task of the operator has ended; the log says why")]
    LoseTask,
}

/// Runs the operator until a signal ends it.
///
/// # Errors
/// [`RunError`].
pub fn run(options: &RunOptions) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(options))
}

async fn serve(options: &RunOptions) -> Result<(), RunError> {
    let client = connect().await?;
    let health = Arc::new(Health::default());
    let address = options.ops_listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Bind { address, source })?;
    tracing::info!(%address, "liveness, readiness and metrics on {address}");
    let mut tasks = JoinSet::new();
    let router = ops::router(Arc::clone(&health));
    tasks.spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    let stop = CancellationToken::new();
    let mut scopes = JoinSet::new();
    for namespace in namespaces(&options.watch_namespaces) {
        let scope = Scope {
            client: client.clone(),
            namespace,
            options: options.clone(),
            health: Arc::clone(&health),
            stop: stop.clone(),
        };
        scopes.spawn(scope.run());
    }
    tasks.spawn(announce_readiness(Arc::clone(&health), scopes.len()));
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = tasks.join_next() => return Err(RunError::LoseTask),
        _ = scopes.join_next() => return Err(RunError::LoseTask),
    }
    tracing::info!("told to end");
    stop.cancel();
    let ended = async { while scopes.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_LIMIT, ended).await.is_err() {
        tracing::warn!(
            "some objects were not reconciled to the end; the next operator reconciles them again"
        );
    }
    Ok(())
}

async fn announce_readiness(health: Arc<Health>, scopes: usize) {
    health.wait_for_scopes(scopes).await;
    tracing::info!("ready");
    std::future::pending::<()>().await;
}

async fn connect() -> Result<Client, RunError> {
    let config = Config::infer().await;
    let mut config =
        config.map_err(|error| RunError::FindCluster(Box::new(kube::Error::InferConfig(error))))?;
    config.connect_timeout = Some(CONNECT_LIMIT);
    // An object that fails is reconciled again as a whole, after a pause; retries inside it would go on for
    // minutes and press an API server that is in trouble.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| RunError::FindCluster(Box::new(error)))
}

/// One scope per namespace, or one for the whole cluster.
fn namespaces(listed: &[String]) -> Vec<Option<String>> {
    let mut named: Vec<_> = listed
        .iter()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    named.sort();
    named.dedup();
    if named.is_empty() {
        return vec![None];
    }
    named.into_iter().map(Some).collect()
}

/// One namespace, or all: its own watches, queues and controllers.
struct Scope {
    client: Client,
    namespace: Option<String>,
    options: RunOptions,
    health: Arc<Health>,
    stop: CancellationToken,
}

impl Scope {
    async fn run(self) {
        let metrics = self.health.metrics.clone();
        let (queues, receivers) = queues();
        let mut tasks = JoinSet::new();
        let follow = scope::follow(scope::Scope {
            client: &self.client,
            namespace: self.namespace.as_deref(),
            queues: &queues,
            metrics: &metrics,
            tasks: &mut tasks,
        });
        let stores = tokio::select! {
            stores = follow => stores,
            () = self.stop.cancelled() => return,
        };
        self.health.add_scope(stores.clone());
        let cluster = Cluster::new(self.client.clone(), self.options.pod_name.clone());
        let push = Arc::new(Push::new(cluster.clone(), queues, metrics.clone()));
        let context = Arc::new(Context {
            cluster,
            stores: stores.clone(),
            push: Arc::clone(&push),
            defaults: Defaults {
                image: self.options.gateway_image.clone(),
                image_pull_policy: self.options.gateway_image_pull_policy.clone(),
            },
            metrics,
        });
        tasks.spawn(push.run());
        tasks.spawn(guard::run(
            self.client.clone(),
            self.namespace.clone(),
            stores.clone(),
            Arc::clone(&self.health),
        ));
        let controllers = reconcile_all(context, receivers, &self.stop);
        tokio::pin!(controllers);
        tokio::select! {
            _ = &mut controllers => {}
            // A watch ends only by a panic.
            _ = tasks.join_next() => tracing::error!("a watch has ended"),
            // The controllers end by themselves.
            () = self.stop.cancelled() => {
                controllers.await;
            }
        }
    }
}

/// The other ends of [`Queues`].
struct Receivers {
    gateways: mpsc::Receiver<ObjectKey>,
    provider_keys: mpsc::Receiver<ObjectKey>,
    invites: mpsc::Receiver<ObjectKey>,
    client_keys: mpsc::Receiver<ObjectKey>,
}

fn queues() -> (Queues, Receivers) {
    let (gateways, gateway_queue) = mpsc::channel(QUEUE_LENGTH);
    let (provider_keys, provider_key_queue) = mpsc::channel(QUEUE_LENGTH);
    let (invites, invite_queue) = mpsc::channel(QUEUE_LENGTH);
    let (client_keys, client_key_queue) = mpsc::channel(QUEUE_LENGTH);
    let queues = Queues {
        gateways,
        provider_keys,
        invites,
        client_keys,
    };
    let receivers = Receivers {
        gateways: gateway_queue,
        provider_keys: provider_key_queue,
        invites: invite_queue,
        client_keys: client_key_queue,
    };
    (queues, receivers)
}

/// Reconciles the objects of every kind, until told to stop.
async fn reconcile_all(context: Arc<Context>, receivers: Receivers, stop: &CancellationToken) {
    let stores = &context.stores;
    let shared = || Arc::clone(&context);
    tokio::join!(
        controller::run(
            reconciler::<AnyrayGateway>(),
            stores.gateways.clone(),
            (receivers.gateways, stop.clone()),
            shared()
        ),
        controller::run(
            reconciler::<ProviderKey>(),
            stores.provider_keys.clone(),
            (receivers.provider_keys, stop.clone()),
            shared()
        ),
        controller::run(
            reconciler::<Invite>(),
            stores.invites.clone(),
            (receivers.invites, stop.clone()),
            shared()
        ),
        controller::run(
            reconciler::<ClientKey>(),
            stores.client_keys.clone(),
            (receivers.client_keys, stop.clone()),
            shared()
        ),
    );
}
