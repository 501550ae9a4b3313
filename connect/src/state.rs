//! What this program remembers between runs: keys, and how files were before the first run.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
};

use anyray_wire::anyray::secret::Secret;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    environment::Environment,
    failure::Failure,
    file::{self, Contents, FileFault, SECRET_MODE},
    gateway_url::GatewayUrl,
};

/// Version of the file that this program writes and reads.
const VERSION: u32 = 1;

/// What this program remembers, as it stands in `connect.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    version: u32,
    /// The gateway of the last run that set something up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Keys by the gateway that they are for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, SavedKey>,
    /// Files that are changed, by their path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<PathBuf, FileRecord>,
    /// Folders that were made for this file, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<PathBuf>,
}

/// A client key that was redeemed or given here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SavedKey {
    /// The key.
    pub key: Secret,
    /// Digest of the code that it was redeemed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<String>,
    /// Whose it is, where its invite has said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Their team.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
}

/// A file that is changed, and how it was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileRecord {
    /// Id of the tool.
    pub tool: String,
    /// The gateway that the file points to.
    pub gateway: String,
    /// The file without anything of ours; none if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
    /// Digests of what was written, or was about to be when a run was interrupted.
    pub written: Vec<String>,
    /// Permission bits that were written, as a number in JSON.
    pub mode: u32,
    /// Folders that were made for it, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<PathBuf>,
}

/// A file without anything of ours.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Original {
    /// Its text.
    pub text: String,
    /// Its permission bits, as a number in JSON.
    pub mode: u32,
}

impl std::fmt::Debug for Original {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes, mode {:o}", self.text.len(), self.mode)
    }
}

impl From<Contents> for Original {
    fn from(Contents { text, mode }: Contents) -> Self {
        Self { text, mode }
    }
}

impl From<Original> for Contents {
    fn from(Original { text, mode }: Original) -> Self {
        Self { text, mode }
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: VERSION,
            gateway: None,
            keys: BTreeMap::new(),
            files: BTreeMap::new(),
            folders: Vec::new(),
        }
    }
}

impl State {
    /// The key for a gateway.
    pub fn key(&self, gateway: &GatewayUrl) -> Option<&SavedKey> {
        self.keys.get(gateway.as_str())
    }

    /// The key that was redeemed with a code at a gateway.
    pub fn key_of_invite(&self, gateway: &GatewayUrl, code: &str) -> Option<&SavedKey> {
        let invite = digest(code);
        let key = self.key(gateway);
        key.filter(|key| key.invite.as_deref() == Some(invite.as_str()))
    }

    /// Forgets the keys, and with them which gateway was the last.
    pub fn forget_keys(&mut self) {
        self.gateway = None;
        self.keys.clear();
    }

    /// Whether there is nothing to remember.
    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.files.is_empty()
    }
}

/// `sha256:` and 64 hexadecimal digits.
pub fn digest(text: &str) -> String {
    let mut shown = "sha256:".to_owned();
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(shown, "{byte:02x}");
    }
    shown
}

/// Names another folder for the state.
const FOLDER_VARIABLE: &str = "ANYRAY_HOME";

/// Where the state lies: `$ANYRAY_HOME`, or `.anyray` in the home folder.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    /// The file, through links.
    path: PathBuf,
    /// Whether the folder is this program's own, and not one that somebody named.
    is_own_folder: bool,
}

impl Store {
    /// The store of a machine; nothing is read yet.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a folder that depends on where the program runs, and
    /// [`Failure::File`].
    pub fn of(environment: &Environment) -> Result<Self, Failure> {
        let folder = environment.folder(FOLDER_VARIABLE, ".anyray");
        if !folder.is_absolute() {
            let message =
                format!("{FOLDER_VARIABLE} is no absolute path: set it to one, or not at all");
            return Err(Failure::Usage(message));
        }
        let path = file::resolve(&folder.join("connect.json"))?;
        Ok(Self {
            folder,
            path,
            is_own_folder: environment.variable(FOLDER_VARIABLE).is_none(),
        })
    }

    /// Whether a run has left anything here, if only its folder.
    pub fn is_used(&self) -> bool {
        self.folder.exists()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is remembered; nothing if there is no file.
    ///
    /// # Errors
    /// [`Failure::File`] and [`Failure::State`].
    pub fn load(&self) -> Result<State, Failure> {
        let Some(contents) = file::read(&self.path)? else {
            return Ok(State::default());
        };
        let read: Result<State, _> = serde_json::from_str(&contents.text);
        let reason = match read {
            Ok(state) if state.version == VERSION => return Ok(state),
            Ok(state) => format!(
                "its version is {}, and this program knows {VERSION}",
                state.version
            ),
            // The error's own text could quote a value.
            Err(error) => format!("line {}, column {}", error.line(), error.column()),
        };
        let path = self.path.clone();
        Err(Failure::State { path, reason })
    }

    /// Does something with the state while other runs are kept away.
    ///
    /// If nothing is remembered afterwards, nothing is left behind.
    ///
    /// # Errors
    /// [`Failure::Busy`], [`Failure::File`], [`Failure::State`], and what the work fails with.
    pub fn locked(
        &self,
        work: impl FnOnce(&mut State) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let path = self.folder.join("connect.lock");
        let made = file::missing_folders(&path);
        let lock = lock(&path)?;
        let mut state = self.load()?;
        if state.folders.is_empty() {
            state.folders = made;
        }
        if state.folders.is_empty() && self.is_own_folder {
            // A run that was interrupted before it remembered anything has made it.
            state.folders.push(self.folder.clone());
        }
        let result = work(&mut state);
        if state.is_empty() {
            // One with something in it is somebody else's.
            if lock.metadata().is_ok_and(|metadata| metadata.len() == 0) {
                let _ = file::remove(&path);
            }
            file::remove_empty_folders(&state.folders);
        }
        drop(lock);
        result
    }

    /// The file of a state.
    ///
    /// # Errors
    /// None that is known; a path that is not UTF-8 cannot be written as JSON.
    pub fn contents(state: &State) -> Result<Contents, serde_json::Error> {
        let text = serde_json::to_string_pretty(state)?;
        Ok(Contents {
            text: text + "\n",
            mode: SECRET_MODE,
        })
    }

    /// Remembers a state; what is empty leaves no file.
    ///
    /// # Errors
    /// [`FileFault`].
    pub fn save(&self, state: &State) -> Result<(), FileFault> {
        if state.is_empty() {
            return file::remove(&self.path);
        }
        let contents = Self::contents(state)
            .map_err(|error| FileFault::Write(self.path.clone(), error.into()))?;
        file::write(&self.path, &contents)
    }
}

/// Makes a file and its folders, and locks it; the lock ends with the file that is answered.
fn lock(path: &Path) -> Result<File, Failure> {
    let fault = |error| FileFault::Write(path.to_owned(), error);
    file::make_folders(path).map_err(fault)?;
    if path.is_symlink() {
        return Err(FileFault::Kind(path.to_owned()).into());
    }
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, SECRET_MODE);
    // What is there stays: it may be somebody else's.
    let file = options
        .append(true)
        .create(true)
        .open(path)
        .map_err(fault)?;
    match file.try_lock() {
        // A run that ended meanwhile has taken its file along, and the next one makes another.
        Ok(()) if !path.exists() => Err(Failure::Busy(path.to_owned())),
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::Busy(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(fault(error).into()),
    }
}
