//! The cluster, as the program reads and writes it: every call bounded in time, with the rights of
//! whoever calls the program.

use std::{fmt, time::Duration};

use kube::{
    Api, Client, Config, ResourceExt as _,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, Preconditions},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::Value;

use crate::{
    cli::ClusterOptions,
    failure::{Action, Failure},
    object::Object,
};

/// Longest wait for an answer; a list of ten thousand objects takes some seconds.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// Longest wait for a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// By whom the fields were set, in the objects' `managedFields`.
const MANAGER: &str = "kubectl-anyray";

/// A cluster and a namespace of it.
pub struct Session {
    client: Client,
    namespace: String,
}

impl Session {
    /// Finds the cluster as kubectl does; nothing is sent yet.
    ///
    /// # Errors
    /// [`Failure::FindCluster`].
    pub async fn open(options: &ClusterOptions) -> Result<Self, Failure> {
        let mut config = find_config(options).await?;
        config.connect_timeout = Some(CONNECT_LIMIT);
        config.read_timeout = Some(CALL_LIMIT);
        // A write that was repeated would be told as a conflict.
        config.default_retry = false;
        let namespace = options.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client =
            Client::try_from(config).map_err(|error| Failure::FindCluster(error.into()))?;
        Ok(Self::new(client, namespace))
    }

    /// A namespace of the cluster behind a client.
    pub fn new(client: Client, namespace: String) -> Self {
        Self { client, namespace }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Reads an object.
    ///
    /// # Errors
    /// [`Failure`]; that it does not exist is one.
    pub async fn get<K: Object>(&self, name: &str) -> Result<K, Failure> {
        let action = self.action::<K>("get", Some(name));
        call(action, self.api::<K>().get(name)).await
    }

    /// Reads the objects whose selectable fields have these values.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn list<K: Object>(
        &self,
        fields: &[(&str, Option<&str>)],
    ) -> Result<Vec<K>, Failure> {
        let wanted = fields.iter();
        let wanted: Vec<_> = wanted
            .filter_map(|(field, value)| Some(format!("{field}={}", escape((*value)?))))
            .collect();
        let mut params = ListParams::default();
        if !wanted.is_empty() {
            params = params.fields(&wanted.join(","));
        }
        let action = self.action::<K>("list", None);
        Ok(call(action, self.api::<K>().list(&params)).await?.items)
    }

    /// Creates an object.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn create<K: Object>(&self, object: &K) -> Result<K, Failure> {
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let action = self.action::<K>("create", Some(&object.name_any()));
        call(action, self.api::<K>().create(&params, object)).await
    }

    /// Changes a part of an object.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn merge<K: Object>(&self, name: &str, part: &Value) -> Result<K, Failure> {
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let action = self.action::<K>("patch", Some(name));
        call(
            action,
            self.api::<K>().patch(name, &params, &Patch::Merge(part)),
        )
        .await
    }

    /// Deletes an object that was read; another one of its name is left alone.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn delete<K: Object>(&self, object: &K) -> Result<(), Failure> {
        let name = object.name_any();
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: object.uid(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let action = self.action::<K>("delete", Some(&name));
        call(action, self.api::<K>().delete(&name, &params)).await?;
        Ok(())
    }

    fn api<K: Object>(&self) -> Api<K> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn action<K: Object>(&self, verb: &'static str, name: Option<&str>) -> Box<Action> {
        let group = K::group(&());
        let dot = if group.is_empty() { "" } else { "." };
        Box::new(Action {
            verb,
            kind: K::kind(&()).into_owned(),
            resource: format!("{}{dot}{group}", K::plural(&())),
            namespace: self.namespace.clone(),
            name: name.map(str::to_owned),
        })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

async fn find_config(options: &ClusterOptions) -> Result<Config, Failure> {
    let of_file = KubeConfigOptions {
        context: options.context.clone(),
        ..KubeConfigOptions::default()
    };
    let found = if let Some(path) = &options.kubeconfig {
        match Kubeconfig::read_from(path) {
            Ok(file) => Config::from_custom_kubeconfig(file, &of_file).await,
            Err(error) => Err(error),
        }
    } else if options.context.is_some() {
        Config::from_kubeconfig(&of_file).await
    } else {
        // In a pod without a kubeconfig, its service account.
        let config = Config::infer().await;
        return config.map_err(|error| Failure::FindCluster(error.into()));
    };
    found.map_err(|error| Failure::FindCluster(error.into()))
}

/// A value as the API server reads it in a field selector.
fn escape(value: &str) -> String {
    let mut text = String::new();
    for character in value.chars() {
        if matches!(character, '\\' | ',' | '=') {
            text.push('\\');
        }
        text.push(character);
    }
    text
}

async fn call<T>(
    action: Box<Action>,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(CALL_LIMIT, request).await {
        Ok(answer) => answer.map_err(|error| Failure::of_call(action, &error)),
        Err(_) => Err(Failure::Wait(action)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_cannot_add_to_a_selector() {
        assert_eq!(escape(r"a,b=c\"), r"a\,b\=c\\");
        assert_eq!(escape("alice@example.com"), "alice@example.com");
    }
}
