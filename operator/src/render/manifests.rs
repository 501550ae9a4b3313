//! Reads the manifests of a folder, as `kubectl apply -f` does, and checks them as the API server
//! does.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyray_crds::{
    admission, schema,
    v1alpha1::{AnyrayGateway, ClientKey, Invite, ProviderKey},
};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::RenderError;

/// The objects of a folder that matter to a gateway.
#[derive(Debug, Default)]
pub(super) struct Manifests {
    /// Complete with their defaults.
    pub gateways: Vec<AnyrayGateway>,
    /// Complete with their defaults.
    pub provider_keys: Vec<ProviderKey>,
    /// As they are.
    pub secrets: Vec<Secret>,
    /// As they are.
    pub config_maps: Vec<ConfigMap>,
    /// Kind and name of each of these.
    names: BTreeSet<(String, String)>,
}

/// Reads every `.yaml`, `.yml` and `.json` file right in the folder, in the order of their names.
///
/// # Errors
/// [`RenderError`] with the file, and the field where one is wrong.
pub(super) fn read(folder: &Path) -> Result<Manifests, RenderError> {
    let crds = schema::all();
    let mut manifests = Manifests::default();
    for path in files(folder)? {
        let text = fs::read_to_string(&path).map_err(|source| RenderError::Read {
            path: path.clone(),
            source,
        })?;
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).map_err(|error| RenderError::Parse {
                path: path.clone(),
                // The lines around the fault may hold a key.
                message: error.without_snippet().to_string(),
            })?;
        let file = File {
            path: &path,
            crds: &crds,
        };
        for object in documents.into_iter().flat_map(items) {
            file.take(object, &mut manifests)?;
        }
    }
    Ok(manifests)
}

/// The objects of a document: one, those of a `List`, or none.
fn items(mut document: Value) -> Vec<Value> {
    if document.is_null() {
        return Vec::new();
    }
    let is_list = document.get("kind").is_some_and(|kind| kind == "List");
    match document.get_mut("items") {
        Some(Value::Array(items)) if is_list => std::mem::take(items),
        _ => vec![document],
    }
}

/// Length and time of each file.
pub(super) type Fingerprint = Vec<(PathBuf, Option<(u64, SystemTime)>)>;

/// Changes whenever a file of the folder does.
pub(super) fn fingerprint(folder: &Path) -> Fingerprint {
    let files = files(folder).unwrap_or_default();
    let seen = files.into_iter().map(|path| {
        let metadata = fs::metadata(&path).ok();
        let seen = metadata.and_then(|metadata| Some((metadata.len(), metadata.modified().ok()?)));
        (path, seen)
    });
    seen.collect()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, RenderError> {
    let failed = |source| RenderError::Read {
        path: folder.to_owned(),
        source,
    };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

struct File<'a> {
    path: &'a Path,
    crds: &'a [CustomResourceDefinition],
}

impl File<'_> {
    fn take(&self, document: Value, manifests: &mut Manifests) -> Result<(), RenderError> {
        let text = |pointer: &str| {
            document
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (api_version, kind, name) =
            (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        let matters = matches!(
            (api_version.as_str(), kind.as_str()),
            ("anyray.ai/v1alpha1", _) | ("v1", "Secret" | "ConfigMap")
        );
        if matters && !manifests.names.insert((kind.clone(), name.clone())) {
            let message = "the folder has two of this name, and namespaces do not count here";
            return Err(self.refuse(kind, name, message.to_owned()));
        }
        match (api_version.as_str(), kind.as_str()) {
            ("anyray.ai/v1alpha1", "AnyrayGateway") => {
                manifests.gateways.push(self.admit(document, kind, name)?);
            }
            ("anyray.ai/v1alpha1", "ProviderKey") => {
                manifests
                    .provider_keys
                    .push(self.admit(document, kind, name)?);
            }
            // Only checked: without a cluster, a gateway keeps invites and keys in its own store.
            ("anyray.ai/v1alpha1", "Invite") => {
                self.admit::<Invite>(document, kind, name)?;
            }
            ("anyray.ai/v1alpha1", "ClientKey") => {
                self.admit::<ClientKey>(document, kind, name)?;
            }
            ("v1", "Secret") => {
                // A parser's message would quote what it found.
                let message = "data must be base64, and stringData text, by entry";
                manifests
                    .secrets
                    .push(self.parse(document, message, kind, name)?);
            }
            ("v1", "ConfigMap") => {
                let message = "data must be text by entry";
                manifests
                    .config_maps
                    .push(self.parse(document, message, kind, name)?);
            }
            (version, _) if version.starts_with("anyray.ai/") => {
                let message = format!("this release has no kind {kind} in {version}");
                return Err(self.refuse(kind, name, message));
            }
            _ => {}
        }
        Ok(())
    }

    fn admit<T: DeserializeOwned>(
        &self,
        document: Value,
        kind: String,
        name: String,
    ) -> Result<T, RenderError> {
        let crd = self.crds.iter().find(|crd| crd.spec.names.kind == kind);
        let admitted = match crd {
            Some(crd) => admission::admit(crd, &document).map_err(|refusal| refusal.to_string()),
            None => Ok(document),
        };
        let typed = admitted.and_then(|complete| {
            serde_json::from_value(complete).map_err(|error| error.to_string())
        });
        typed.map_err(|message| self.refuse(kind, name, message))
    }

    fn parse<T: DeserializeOwned>(
        &self,
        document: Value,
        message: &str,
        kind: String,
        name: String,
    ) -> Result<T, RenderError> {
        serde_json::from_value(document).map_err(|_| self.refuse(kind, name, message.to_owned()))
    }

    fn refuse(&self, kind: String, name: String, message: String) -> RenderError {
        RenderError::Admit {
            path: self.path.to_owned(),
            kind,
            name,
            message,
        }
    }
}
