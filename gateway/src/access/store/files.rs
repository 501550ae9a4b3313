//! Invites and client keys as files of a folder, for use without a cluster.
//!
//! Each object is a JSON file, in the form in which `kubectl get -o json` shows it. Several
//! processes may share the folder: a lock file keeps their writes apart, and each looks once a
//! second for what the others, or people, have changed.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyray_crds::v1alpha1::{ClientKey, Invite};
use anyray_wire::anyray::credential::CredentialDigest;
use futures::{FutureExt as _, future::BoxFuture};
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kube::ResourceExt;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::interval;

use super::{Answer, Store, StoreError, is_object_name};
use crate::access::Access;

/// Time between two looks at the folder.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;

const INVITES: &str = "invites";
const KEYS: &str = "client-keys";

/// A folder of invites and client keys.
#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
}

/// Number, length and time of each file. Times alone are too coarse to tell two writes apart.
type Seen = BTreeMap<String, (u64, u64, Option<SystemTime>)>;

impl FileStore {
    /// Opens a folder, which is made if it is not there. Only its owner can read it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(folder: &Path) -> io::Result<Self> {
        for kind in [INVITES, KEYS] {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(folder.join(kind))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    fn path(&self, kind: &str, name: &str) -> Result<PathBuf, StoreError> {
        if !is_object_name(name) {
            return Err(StoreError::NotFound);
        }
        Ok(self.folder.join(kind).join(format!("{name}.json")))
    }

    fn get<K>(&self, kind: &str, name: &str) -> Result<Option<K>, StoreError>
    where
        K: ResourceExt + DeserializeOwned,
    {
        // No object has another name.
        let Ok(path) = self.path(kind, name) else {
            return Ok(None);
        };
        match read(&path, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&error)),
            Ok(object) => Ok(Some(object)),
        }
    }

    /// All objects of a kind; files that are none are left out, and [`Self::refresh`] says so.
    fn list<K>(&self, kind: &str) -> Result<Vec<K>, StoreError>
    where
        K: ResourceExt + DeserializeOwned,
    {
        let names = look(&self.folder.join(kind)).map_err(|error| failed(&error))?;
        let objects = names.keys().map(|name| self.get(kind, name));
        Ok(objects.filter_map(Result::ok).flatten().collect())
    }

    /// Stores a new object. A link cannot replace a file, so one of two writers finds the other's.
    fn create<K>(&self, kind: &str, object: &K) -> Result<K, StoreError>
    where
        K: ResourceExt + Clone + Serialize,
    {
        let path = self.path(kind, &object.name_any())?;
        let mut object = object.clone();
        object.meta_mut().resource_version = Some("1".to_owned());
        // Objects hold whole seconds.
        let now = Timestamp::from_second(Timestamp::now().as_second());
        object.meta_mut().creation_timestamp = now.ok().map(Time);
        let _lock = self.lock().map_err(|error| failed(&error))?;
        let new = self.write(&object).map_err(|error| failed(&error))?;
        let linked = fs::hard_link(&new, &path);
        let _ = fs::remove_file(&new);
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(StoreError::Conflict),
            Err(error) => Err(failed(&error)),
            Ok(()) => Ok(object),
        }
    }

    /// Replaces an object, if it is still the version that was read.
    fn replace<K>(&self, kind: &str, object: &K) -> Result<K, StoreError>
    where
        K: ResourceExt + Clone + Serialize + DeserializeOwned,
    {
        let name = object.name_any();
        let _lock = self.lock().map_err(|error| failed(&error))?;
        let stored: K = self.get(kind, &name)?.ok_or(StoreError::NotFound)?;
        if stored.resource_version() != object.resource_version() {
            return Err(StoreError::Conflict);
        }
        let version: u64 = stored
            .resource_version()
            .and_then(|version| version.parse().ok())
            .unwrap_or_default();
        let mut object = object.clone();
        object.meta_mut().resource_version = Some((version + 1).to_string());
        let new = self.write(&object).map_err(|error| failed(&error))?;
        fs::rename(&new, self.path(kind, &name)?).map_err(|error| failed(&error))?;
        Ok(object)
    }

    fn delete(&self, kind: &str, name: &str) -> Result<(), StoreError> {
        let path = self.path(kind, name)?;
        let _lock = self.lock().map_err(|error| failed(&error))?;
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::NotFound),
            removed => removed.map_err(|error| failed(&error)),
        }
    }

    /// Writes an object beside its place.
    fn write<K: Serialize>(&self, object: &K) -> io::Result<PathBuf> {
        let path = self.folder.join(".new");
        let _ = fs::remove_file(&path);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        file.write_all(&serde_json::to_vec_pretty(object)?)?;
        file.sync_all()?;
        Ok(path)
    }

    /// Keeps other writers out until it is dropped.
    fn lock(&self) -> io::Result<File> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.folder.join(".lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// Takes in what has changed of a kind since the last look.
    fn refresh<K: ResourceExt + DeserializeOwned>(
        &self,
        kind: &str,
        seen: &mut Seen,
        put: impl Fn(&K),
    ) -> io::Result<()> {
        let mut found = look(&self.folder.join(kind))?;
        found.retain(|name, state| {
            if seen.get(name) == Some(state) {
                return true;
            }
            let path = self.folder.join(kind).join(format!("{name}.json"));
            match read::<K>(&path, name) {
                Ok(object) => put(&object),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
                Err(error) => {
                    tracing::error!("left {} alone: {error}", path.display());
                    // It may be whole at the next look.
                    *state = (0, 0, None);
                }
            }
            true
        });
        *seen = found;
        Ok(())
    }
}

fn failed(error: &io::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

fn look(folder: &Path) -> io::Result<Seen> {
    let mut seen = Seen::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".json")) else {
            continue;
        };
        if let Ok(metadata) = entry.metadata() {
            let state = (metadata.ino(), metadata.len(), metadata.modified().ok());
            seen.insert(name.to_owned(), state);
        }
    }
    Ok(seen)
}

fn read<K: ResourceExt + DeserializeOwned>(path: &Path, name: &str) -> io::Result<K> {
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
    if fs::metadata(path)?.len() > MAX_FILE_BYTES {
        return Err(invalid(format!("is larger than {MAX_FILE_BYTES} bytes")));
    }
    let object: K = serde_json::from_slice(&fs::read(path)?)?;
    if object.name_any() != name || !is_object_name(name) {
        let message = "metadata.name must be the name of the file, in lower case";
        return Err(invalid(message.to_owned()));
    }
    Ok(object)
}

impl Store for FileStore {
    fn kind(&self) -> &'static str {
        "files"
    }

    fn follow(self: Arc<Self>, access: Arc<Access>) -> BoxFuture<'static, ()> {
        async move {
            let (mut invites, mut keys) = (Seen::new(), Seen::new());
            let mut ticks = interval(POLL_INTERVAL);
            loop {
                ticks.tick().await;
                let looked = self
                    .refresh(INVITES, &mut invites, |invite| access.put_invite(invite))
                    .and_then(|()| self.refresh(KEYS, &mut keys, |key| access.put_key(key)));
                match looked {
                    Ok(()) => {
                        access.keep_invites(|name| invites.contains_key(name));
                        access.keep_keys(|name| keys.contains_key(name));
                        access.set_complete();
                    }
                    Err(error) => {
                        tracing::error!(%error, "cannot read the folder of client keys: {error}");
                    }
                }
            }
        }
        .boxed()
    }

    fn check(&self) -> Answer<'_, ()> {
        let looked = look(&self.folder.join(KEYS));
        answer(looked.map(|_| ()).map_err(|error| failed(&error)))
    }

    fn list_invites(&self) -> Answer<'_, Vec<Invite>> {
        answer(self.list(INVITES))
    }

    fn list_keys(&self) -> Answer<'_, Vec<ClientKey>> {
        answer(self.list(KEYS))
    }

    fn get_invite<'a>(&'a self, name: &'a str) -> Answer<'a, Option<Invite>> {
        answer(self.get(INVITES, name))
    }

    fn get_key<'a>(&'a self, name: &'a str) -> Answer<'a, Option<ClientKey>> {
        answer(self.get(KEYS, name))
    }

    fn find_invite<'a>(&'a self, code: &'a CredentialDigest) -> Answer<'a, Option<Invite>> {
        let code = code.to_string();
        let has_code =
            |invite: &Invite| anyray_crds::access::code_hash(invite) == Some(code.as_str());
        answer(
            self.list(INVITES)
                .map(|invites| invites.into_iter().find(has_code)),
        )
    }

    fn create_invite<'a>(&'a self, invite: &'a Invite) -> Answer<'a, Invite> {
        answer(self.create(INVITES, invite))
    }

    fn create_key<'a>(&'a self, key: &'a ClientKey) -> Answer<'a, ClientKey> {
        answer(self.create(KEYS, key))
    }

    fn record<'a>(&'a self, invite: &'a Invite) -> Answer<'a, Invite> {
        answer(self.replace(INVITES, invite))
    }

    fn delete_invite<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        answer(self.delete(INVITES, name))
    }

    fn delete_key<'a>(&'a self, name: &'a str) -> Answer<'a, ()> {
        answer(self.delete(KEYS, name))
    }
}

fn answer<T: Send + 'static>(result: Result<T, StoreError>) -> Answer<'static, T> {
    std::future::ready(result).boxed()
}

#[cfg(test)]
mod tests;
