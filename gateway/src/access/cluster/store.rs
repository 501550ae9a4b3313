//! Invites and client keys as custom resources of the gateway's namespace.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use anyray_crds::v1alpha1::{ClientKey, Invite};
use anyray_wire::anyray::credential::CredentialDigest;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{DeleteParams, ListParams, PostParams, Preconditions},
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::GatewayName;
use crate::access::{
    Access,
    store::{Answer, Store, StoreError, is_object_name},
};

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// How long a watch may say nothing: the API server sends a bookmark every minute or so.
const SILENCE_LIMIT: Duration = Duration::from_secs(180);

/// Objects per page of a list.
const PAGE_SIZE: u32 = 500;

/// The custom resources of one gateway.
pub struct KubernetesStore {
    client: Client,
    invites: Api<Invite>,
    keys: Api<ClientKey>,
    /// For reading: one object that cannot be read must not hide the others.
    guarded_invites: Api<DeserializeGuard<Invite>>,
    guarded_keys: Api<DeserializeGuard<ClientKey>>,
    gateway: GatewayName,
}

impl fmt::Debug for KubernetesStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("KubernetesStore");
        shown
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

impl KubernetesStore {
    /// Connects as the pod's `ServiceAccount`, or as a kubeconfig says. Nothing is asked yet.
    ///
    /// # Errors
    /// Where neither is there, or cannot be read.
    pub async fn connect(gateway: GatewayName) -> Result<Self, kube::Error> {
        let mut config = Config::infer().await.map_err(kube::Error::InferConfig)?;
        config.connect_timeout = Some(CONNECT_LIMIT);
        config.read_timeout = Some(SILENCE_LIMIT);
        // What is done again, and how often, is the protocol's affair.
        config.default_retry = false;
        Ok(Self::new(Client::try_from(config)?, gateway))
    }

    /// The resources that this client reaches.
    pub fn new(client: Client, gateway: GatewayName) -> Self {
        Self {
            invites: Api::namespaced(client.clone(), &gateway.namespace),
            keys: Api::namespaced(client.clone(), &gateway.namespace),
            guarded_invites: Api::namespaced(client.clone(), &gateway.namespace),
            guarded_keys: Api::namespaced(client.clone(), &gateway.namespace),
            client,
            gateway,
        }
    }

    /// For calls beyond those of the store.
    pub fn client(&self) -> &Client {
        &self.client
    }

    fn selector(&self) -> String {
        format!("spec.gatewayRef.name={}", self.gateway.name)
    }

    /// All objects of a kind that are this gateway's and that `is_wanted`, page by page.
    async fn list<K>(
        &self,
        api: &Api<DeserializeGuard<K>>,
        is_wanted: impl Fn(&K) -> bool,
    ) -> Result<Vec<K>, StoreError>
    where
        K: ResourceExt + Clone + DeserializeOwned + fmt::Debug,
    {
        let mut found = Vec::new();
        let mut page = ListParams::default()
            .fields(&self.selector())
            .limit(PAGE_SIZE);
        loop {
            let list = call(api.list(&page)).await?;
            let readable = list.items.into_iter().filter_map(readable);
            found.extend(readable.filter(&is_wanted));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(found),
            }
        }
    }

    /// An object, if it is this gateway's.
    async fn get<K>(
        &self,
        api: &Api<DeserializeGuard<K>>,
        name: &str,
        gateway: fn(&K) -> &str,
    ) -> Result<Option<K>, StoreError>
    where
        K: ResourceExt + Clone + DeserializeOwned + fmt::Debug,
    {
        // The client writes a name into the path as it is.
        if !is_object_name(name) {
            return Ok(None);
        }
        let found = call(api.get_opt(name)).await?.and_then(readable);
        Ok(found.filter(|object| gateway(object) == self.gateway.name))
    }

    async fn delete<K>(
        &self,
        api: &Api<DeserializeGuard<K>>,
        name: &str,
        gateway: fn(&K) -> &str,
    ) -> Result<(), StoreError>
    where
        K: ResourceExt + Clone + DeserializeOwned + fmt::Debug,
    {
        let found = self.get(api, name, gateway).await?;
        let found = found.ok_or(StoreError::NotFound)?;
        // Another object of the name may come meanwhile.
        let this_one = Preconditions {
            uid: found.uid(),
            resource_version: None,
        };
        call(api.delete(name, &DeleteParams::default().preconditions(this_one)))
            .await
            .map(|_| ())
    }
}

/// What the object is, if this release can read it; what it cannot read is as if it were not there.
fn readable<K>(object: DeserializeGuard<K>) -> Option<K> {
    match object.0 {
        Ok(object) => Some(object),
        Err(unreadable) => {
            let name = unreadable.metadata.name.unwrap_or_default();
            tracing::error!(object.name = name, "cannot read {name}, and leave it out");
            None
        }
    }
}

fn invite_gateway(invite: &Invite) -> &str {
    &invite.spec.gateway_ref.name
}

fn key_gateway(key: &ClientKey) -> &str {
    &key.spec.gateway_ref.name
}

/// One call, within its limit.
async fn call<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, StoreError> {
    match timeout(CALL_LIMIT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(told(&error)),
        Err(_) => Err(StoreError::Unavailable("no answer in time".to_owned())),
    }
}

fn told(error: &kube::Error) -> StoreError {
    match error {
        kube::Error::Api(status) => match status.code {
            404 => StoreError::NotFound,
            409 => StoreError::Conflict,
            400 | 403 | 405 | 413 | 415 | 422 => StoreError::Refused(status.message.clone()),
            _ => StoreError::Unavailable(status.message.clone()),
        },
        other => StoreError::Unavailable(other.to_string()),
    }
}

impl Store for KubernetesStore {
    fn kind(&self) -> &'static str {
        "kubernetes"
    }

    fn follow(self: Arc<Self>, access: Arc<Access>) -> BoxFuture<'static, ()> {
        let config = || {
            watcher::Config::default()
                .fields(&self.selector())
                .page_size(PAGE_SIZE)
        };
        let invites = watcher(self.guarded_invites.clone(), config());
        let keys = watcher(self.guarded_keys.clone(), config());
        async move {
            // Both, before either is said to be complete: a key whose invite is not known yet
            // would be taken for one whose invite is gone.
            let (invites_read, keys_read) =
                (tokio::sync::Notify::new(), tokio::sync::Notify::new());
            let complete = async {
                tokio::join!(invites_read.notified(), keys_read.notified());
                access.set_complete();
                std::future::pending::<()>().await;
            };
            tokio::join!(
                follow(invites, &access, &invites_read, INVITES),
                follow(keys, &access, &keys_read, KEYS),
                complete
            );
        }
        .boxed()
    }

    fn check(&self) -> Answer<'_, ()> {
        async {
            let page = ListParams::default().fields(&self.selector()).limit(1);
            call(self.keys.list(&page)).await.map(|_| ())
        }
        .boxed()
    }

    fn list_invites(&self) -> Answer<'_, Vec<Invite>> {
        self.list(&self.guarded_invites, |_| true).boxed()
    }

    fn list_keys(&self) -> Answer<'_, Vec<ClientKey>> {
        self.list(&self.guarded_keys, |_| true).boxed()
    }

    fn get_invite<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Invite>> {
        self.get(&self.guarded_invites, name, invite_gateway)
            .boxed()
    }

    fn get_key<'a>(&'a self, name: &'a str) -> Answer<'a, Option<ClientKey>> {
        self.get(&self.guarded_keys, name, key_gateway).boxed()
    }

    fn find_invite<'a>(&'a self, code: &'a CredentialDigest) -> Answer<'a, Option<Invite>> {
        async move {
            let code = code.to_string();
            let has_code = |invite: &Invite| anyray_crds::access::code_hash(invite) == Some(&*code);
            Ok(self.list(&self.guarded_invites, has_code).await?.pop())
        }
        .boxed()
    }

    fn create_invite<'a>(&'a self, invite: &'a Invite) -> Answer<'a, Invite> {
        create(&self.invites, invite).boxed()
    }

    fn create_key<'a>(&'a self, key: &'a ClientKey) -> Answer<'a, ClientKey> {
        create(&self.keys, key).boxed()
    }

    fn record<'a>(&'a self, invite: &'a Invite) -> Answer<'a, Invite> {
        async move {
            let name = invite.name_any();
            let parameters = PostParams::default();
            call(self.invites.replace_status(&name, &parameters, invite)).await
        }
        .boxed()
    }

    fn delete_invite<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.delete(&self.guarded_invites, name, invite_gateway)
            .boxed()
    }

    fn delete_key<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        self.delete(&self.guarded_keys, name, key_gateway).boxed()
    }
}

async fn create<K>(api: &Api<K>, object: &K) -> Result<K, StoreError>
where
    K: kube::Resource<Scope = NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + fmt::Debug,
{
    call(api.create(&PostParams::default(), object)).await
}

/// What to do with the objects of a kind.
struct Sink<K> {
    kind: &'static str,
    put: fn(&Access, &K),
    remove: fn(&Access, &str),
    keep: fn(&Access, &[String]),
}

impl<K: ResourceExt> Sink<K> {
    /// Takes in an object and tells its name; one that cannot be read goes.
    fn take(&self, access: &Access, object: DeserializeGuard<K>) -> Option<String> {
        let name = object.name_any();
        match readable(object) {
            Some(object) => (self.put)(access, &object),
            None => {
                (self.remove)(access, &name);
                return None;
            }
        }
        Some(name)
    }
}

const INVITES: Sink<Invite> = Sink {
    kind: "invites",
    put: Access::put_invite,
    remove: Access::remove_invite,
    keep: |access, names| access.keep_invites(|name| is_among(names, name)),
};

const KEYS: Sink<ClientKey> = Sink {
    kind: "client keys",
    put: Access::put_key,
    remove: Access::remove_key,
    keep: |access, names| access.keep_keys(|name| is_among(names, name)),
};

fn is_among(names: &[String], name: &str) -> bool {
    names
        .binary_search_by(|known| known.as_str().cmp(name))
        .is_ok()
}

/// Takes in what a watch says, for ever. `read` is rung once everything has been read.
async fn follow<K: ResourceExt + 'static>(
    events: impl futures::Stream<Item = Result<Event<DeserializeGuard<K>>, watcher::Error>> + Send,
    access: &Access,
    read: &tokio::sync::Notify,
    sink: Sink<K>,
) {
    let mut events = std::pin::pin!(events.default_backoff());
    // Names of a list that is being read; what is not among them has gone meanwhile.
    let mut listed = Vec::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.extend(sink.take(access, object));
            }
            Ok(Event::InitDone) => {
                listed.sort_unstable();
                (sink.keep)(access, &listed);
                listed = Vec::new();
                read.notify_one();
                tracing::info!("read all {}", sink.kind);
            }
            Ok(Event::Apply(object)) => {
                sink.take(access, object);
            }
            Ok(Event::Delete(object)) => (sink.remove)(access, &object.name_any()),
            Err(error) => {
                tracing::warn!(%error, "cannot watch {}, and go on with those known: {error}", sink.kind);
            }
        }
    }
}
