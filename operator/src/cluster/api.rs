//! Every call to the Kubernetes API outside the watches: bounded in time, named when it fails.

mod event;

use std::{fmt::Debug, time::Duration};

use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{ObjectReference, Pod},
    apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta},
};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
    core::{ApiResource, DeserializeGuard, DynamicObject, error_boundary::InvalidObject},
    runtime::events::{Recorder, Reporter},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    cluster::conditions,
    metadata::{MANAGER, ObjectKey, SYNC_ANNOTATION},
};

/// Longest wait for the API server. kube itself sets no limit on an answer.
const CALL_LIMIT: Duration = Duration::from_secs(15);

/// A call to the Kubernetes API that failed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The API server did not answer in time.
    #[error("cannot {action}: no answer within {} s", CALL_LIMIT.as_secs())]
    Wait {
        /// What was tried.
        action: String,
    },
    /// The API server refused, or could not be reached.
    #[error("cannot {action}: {}", api_message(.source))]
    Call {
        /// What was tried.
        action: String,
        /// What came back.
        source: Box<kube::Error>,
    },
    /// The system gave no random bytes.
    #[error("cannot draw random bytes")]
    Draw(#[source] getrandom::Error),
}

/// The API server's words where it answered; kube's own text has the whole response in it.
fn api_message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => other.to_string(),
    }
}

impl CallError {
    /// Whether the API server found the object wrong.
    pub fn is_invalid(&self) -> bool {
        matches!(self, Self::Call { source, .. }
            if matches!(source.as_ref(), kube::Error::Api(status) if status.code == 422))
    }

    /// Whether somebody else was quicker.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Call { source, .. }
            if matches!(source.as_ref(), kube::Error::Api(status) if status.code == 409))
    }

    /// Whether the API server itself is in trouble, so that asking again soon makes sense.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Wait { .. } | Self::Draw(_) => true,
            Self::Call { source, .. } => match source.as_ref() {
                // A 500 is mostly about the object, such as a number that cannot be read.
                kube::Error::Api(status) => matches!(status.code, 429 | 502..=504),
                _ => true,
            },
        }
    }
}

/// The cluster, as the operator reads and writes it.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    reporter: Reporter,
}

impl Cluster {
    /// A cluster behind a client. Events name the operator's pod.
    pub fn new(client: Client, pod: Option<String>) -> Self {
        Self {
            client,
            reporter: Reporter {
                controller: MANAGER.to_owned(),
                instance: pod,
            },
        }
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`CallError`]; that it does not exist is none.
    pub async fn get<K>(&self, namespace: &str, name: &str) -> Result<Option<K>, CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api = Api::<K>::namespaced(self.client.clone(), namespace);
        let action = format!("read {} {namespace}/{name}", K::kind(&()));
        call(action, api.get_opt(name)).await
    }

    /// Reads an object that may not fit its type; then it is an error inside, not of the call.
    ///
    /// # Errors
    /// [`CallError`]; that it does not exist is none.
    pub async fn get_guarded<K>(
        &self,
        key: &ObjectKey,
    ) -> Result<Option<Result<K, Box<InvalidObject>>>, CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let found = self
            .get::<DeserializeGuard<K>>(&key.namespace, &key.name)
            .await?;
        Ok(found.map(|found| found.0.map_err(Box::new)))
    }

    /// Reads an object's status as it is stored, whether or not it fits the type.
    ///
    /// # Errors
    /// [`CallError`]; that there is none, or no object, is none.
    pub async fn get_status<K>(&self, key: &ObjectKey) -> Result<Value, CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let resource = ApiResource::erase::<K>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &key.namespace, &resource);
        let action = format!("read {} {key}", K::kind(&()));
        let found = call(action, api.get_opt(&key.name)).await?;
        let status = found.and_then(|found| found.data.get("status").cloned());
        Ok(status.unwrap_or_default())
    }

    /// Reads the metadata of an object of any kind.
    ///
    /// # Errors
    /// [`CallError`]; that it does not exist is none.
    pub async fn get_metadata(
        &self,
        resource: &ApiResource,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ObjectMeta>, CallError> {
        let client = self.client.clone();
        let api = Api::<DynamicObject>::namespaced_with(client, namespace, resource);
        let action = format!("read {} {namespace}/{name}", resource.kind);
        let found = call(action, api.get_metadata_opt(name)).await?;
        Ok(found.map(|found| found.metadata))
    }

    /// Makes an object that must not be there yet.
    ///
    /// # Errors
    /// [`CallError`]; one that [`CallError::is_conflict`], where there is one of the name.
    pub async fn create<K>(&self, object: &K) -> Result<(), CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize,
    {
        let key = ObjectKey::of(object);
        let api = Api::<K>::namespaced(self.client.clone(), &key.namespace);
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let action = format!("create {} {key}", K::kind(&()));
        call(action, api.create(&params, object)).await?;
        Ok(())
    }

    /// Deletes the object of a name and uid. That it is gone already is no error.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn delete<K>(&self, key: &ObjectKey, uid: Option<String>) -> Result<(), CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api = Api::<K>::namespaced(self.client.clone(), &key.namespace);
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid,
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let action = format!("delete {} {key}", K::kind(&()));
        let deletion = async {
            match api.delete(&key.name, &params).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                other => other.map(|_| ()),
            }
        };
        call(action, deletion).await
    }

    /// Makes an object what it should be, by server-side apply.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn apply<K>(&self, object: &K) -> Result<K, CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Serialize,
    {
        let namespace = object.namespace().unwrap_or_default();
        let name = object.name_any();
        let api = Api::<K>::namespaced(self.client.clone(), &namespace);
        let params = PatchParams::apply(MANAGER).force();
        let action = format!("apply {} {namespace}/{name}", K::kind(&()));
        call(action, api.patch(&name, &params, &Patch::Apply(object))).await
    }

    /// Changes a part of an object. Lists are replaced whole, which server-side apply does not do.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn merge<K>(&self, key: &ObjectKey, part: &Value) -> Result<(), CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api = Api::<K>::namespaced(self.client.clone(), &key.namespace);
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let action = format!("change {} {key}", K::kind(&()));
        call(
            action,
            api.patch_metadata(&key.name, &params, &Patch::Merge(part)),
        )
        .await?;
        Ok(())
    }

    /// Writes an object's status. The answer is not read as the object's type, because the object
    /// may be one that cannot be.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn apply_status<K>(
        &self,
        key: &ObjectKey,
        status: &impl Serialize,
    ) -> Result<(), CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let resource = ApiResource::erase::<K>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &key.namespace, &resource);
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": { "name": key.name },
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        let action = format!("write the status of {} {key}", K::kind(&()));
        call(
            action,
            api.patch_status(&key.name, &params, &Patch::Apply(&body)),
        )
        .await?;
        Ok(())
    }

    /// Writes an object's status, and publishes what its conditions say otherwise than before.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn report<K>(
        &self,
        object: &K,
        status: &impl Serialize,
        [before, after]: [&Vec<Condition>; 2],
    ) -> Result<(), CallError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        self.apply_status::<K>(&ObjectKey::of(object), status)
            .await?;
        let news = conditions::transitions(before, after);
        self.publish(&object.object_ref(&()), &news).await;
        Ok(())
    }

    /// Touches a pod, so that its kubelet looks for new files at once.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn touch_pod(
        &self,
        namespace: &str,
        name: &str,
        value: &str,
    ) -> Result<(), CallError> {
        let part = json!({ "metadata": { "annotations": { SYNC_ANNOTATION: value } } });
        let key = ObjectKey {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.merge::<Pod>(&key, &part).await
    }

    /// Publishes an event for each condition, and logs it. One that cannot be published is only
    /// logged: the status says the same.
    async fn publish(&self, object: &ObjectReference, conditions: &[&Condition]) {
        let kind = object.kind.as_deref().unwrap_or_default();
        let namespace = object.namespace.as_deref().unwrap_or_default();
        let name = object.name.as_deref().unwrap_or_default();
        for condition in conditions {
            let (type_, status) = (&condition.type_, &condition.status);
            let (reason, message) = (&condition.reason, &condition.message);
            tracing::info!(
                kind, namespace, name, condition = %type_, status, reason,
                "{kind} {namespace}/{name}: {type_} is {status}, {reason}: {message}"
            );
            let action = format!("publish an event on {kind} {namespace}/{name}");
            let event = event::event(condition);
            // One that lives on would count a second event of this reason under the first's text.
            let recorder = Recorder::new(self.client.clone(), self.reporter.clone());
            let published = call(action, recorder.publish(&event, object));
            if let Err(error) = published.await {
                tracing::warn!(%error, "{error}");
            }
        }
    }
}

async fn call<T>(
    action: String,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(CALL_LIMIT, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(CallError::Call {
            action,
            source: Box::new(source),
        }),
        Err(_) => Err(CallError::Wait { action }),
    }
}

impl Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}
