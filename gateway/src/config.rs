//! The configuration directory: read whole, checked whole, swapped as one immutable snapshot.
//!
//! `parse` turns bytes into a [`Snapshot`] or says which field is wrong; `watch` notices changes
//! and keeps the last good snapshot. The file's schema is `anyray_wire::gateway_config`.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use anyray_wire::gateway_config::{
    CONFIG_FILE, FieldError, GatewayConfig, INDEX_FILE, MAX_FILE_BYTES,
};
use secrecy::{ExposeSecret as _, SecretSlice};
use sha2::{Digest as _, Sha256};

pub mod credential;
pub mod custom_host;
mod parse;
pub mod snapshot;
pub mod strict_json;
pub mod transport;

pub use snapshot::Snapshot;

/// Why a configuration was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    ReadFile {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is larger than any we write.
    #[error("{file} is larger than {MAX_FILE_BYTES} bytes")]
    FileTooLarge {
        /// Relative to the directory.
        file: String,
    },
    /// A JSON file does not fit its schema.
    #[error("{file}: field {field}: {message}")]
    ParseField {
        /// Relative to the directory.
        file: &'static str,
        /// Path of the field, such as `providerKeys[0].endpoint.url`; `.` is the whole file.
        field: String,
        /// What the parser expected.
        message: String,
    },
    /// A value is of the right type but not acceptable.
    #[error("{CONFIG_FILE}: field {field}: {message}")]
    CheckField {
        /// Path of the field.
        field: String,
        /// What was wrong and what to do.
        message: String,
    },
    /// The index that vouched for the files is gone.
    #[error(
        "{INDEX_FILE} is gone; the directory is not one consistent set, or restart the gateway to do without"
    )]
    LoseIndex,
    /// The directory holds a mixture of two configurations, or a damaged one.
    #[error(
        "{file} does not match its digest in {INDEX_FILE}; the directory is not one consistent set"
    )]
    DigestMismatch {
        /// Relative to the directory.
        file: String,
    },
}

impl From<FieldError> for ConfigError {
    fn from(error: FieldError) -> Self {
        let FieldError { field, message } = error;
        Self::CheckField { field, message }
    }
}

/// The bytes of one configuration, before any of it is understood.
#[derive(Debug)]
pub struct Files {
    /// `gateway.json`.
    pub config: Vec<u8>,
    /// `index.json`, where there is one.
    pub index: Option<Vec<u8>>,
    /// The files that hold provider keys, by their path relative to the directory.
    pub secrets: BTreeMap<String, SecretSlice<u8>>,
}

/// SHA-256 over every byte of [`Files`]; never leaves the process.
pub type FilesDigest = [u8; 32];

impl Files {
    /// Checks all of it and resolves it.
    ///
    /// # Errors
    /// [`ConfigError`], which names the field or file that is wrong.
    pub fn parse(&self) -> Result<Snapshot, ConfigError> {
        parse::snapshot(self)
    }

    /// A digest over all of it, each file set apart by its length.
    pub fn digest(&self) -> FilesDigest {
        let mut digest = Sha256::new();
        let mut add = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_le_bytes());
            digest.update(bytes);
        };
        add(&self.config);
        add(self.index.as_deref().unwrap_or_default());
        for (name, content) in &self.secrets {
            add(name.as_bytes());
            add(content.expose_secret());
        }
        digest.finalize().into()
    }
}

/// Reads, checks and resolves the directory; also says which bytes it was, for `watch`.
///
/// # Errors
/// Any [`ConfigError`]; nothing is kept of a directory that is not right as a whole.
pub fn load(directory: &Path) -> Result<(Snapshot, FilesDigest), ConfigError> {
    let files = read(directory)?;
    Ok((files.parse()?, files.digest()))
}

/// Reads the files of the directory as one consistent set, unchecked.
///
/// # Errors
/// [`ConfigError`], where a file cannot be read, or does not say which others to read.
pub fn read(directory: &Path) -> Result<Files, ConfigError> {
    read_files(&resolve(directory))
}

/// The directory to read from.
///
/// The kubelet swaps the link `..data` to replace all files at once: reading below its present
/// target keeps one read from seeing two configurations.
fn resolve(directory: &Path) -> PathBuf {
    directory
        .join("..data")
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned())
}

fn read_files(directory: &Path) -> Result<Files, ConfigError> {
    let config = read_file(directory, CONFIG_FILE)?;
    let index = match read_file(directory, INDEX_FILE) {
        Err(ConfigError::ReadFile { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            None
        }
        other => Some(other?),
    };
    let parsed: GatewayConfig = parse::json(CONFIG_FILE, &config)?;
    let mut secrets = BTreeMap::new();
    for (name, field) in parse::secret_files(&parsed)? {
        let content = read_file(directory, &name).map_err(|error| unreadable(error, field))?;
        secrets.insert(name, content.into());
    }
    Ok(Files {
        config,
        index,
        secrets,
    })
}

/// Names the field rather than what it holds, which may be the key itself by mistake.
fn unreadable(error: ConfigError, field: String) -> ConfigError {
    match error {
        ConfigError::ReadFile { source, .. } => ConfigError::CheckField {
            field,
            message: format!("names a file that cannot be read: {source}"),
        },
        other => other,
    }
}

fn read_file(directory: &Path, file: &str) -> Result<Vec<u8>, ConfigError> {
    let path = directory.join(file);
    let failed = |source| ConfigError::ReadFile {
        path: path.clone(),
        source,
    };
    if std::fs::metadata(&path).map_err(failed)?.len() > MAX_FILE_BYTES {
        return Err(ConfigError::FileTooLarge {
            file: file.to_owned(),
        });
    }
    std::fs::read(&path).map_err(failed)
}
