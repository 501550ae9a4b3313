//! What a replica knew of client keys, on disk: with it a container that restarts while the store
//! is away serves at once.
//!
//! The file holds hashes of keys and no key.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::time::sleep;

use crate::access::{Access, Contents};

/// Name of the file.
const FILE: &str = "client-keys.json";

/// Shortest time between two writes.
const PAUSE: Duration = Duration::from_secs(1);

/// Largest file that is read back, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Largest file that is written, in bytes: twice as much fits the volume, for the old one beside
/// the new one.
const MAX_WRITTEN_BYTES: usize = 24 << 20;

/// Takes in what was known when the process before this one ended, if anything was.
pub fn restore(folder: &Path, access: &Access) {
    let path = folder.join(FILE);
    match read(&path) {
        Ok(contents) => {
            let count = contents.keys.len();
            access.restore(contents);
            tracing::info!(
                keys = count,
                "took {count} client keys from before the restart"
            );
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(%error, "cannot read {}: {error}", path.display()),
    }
}

fn read(path: &Path) -> io::Result<Contents> {
    if fs::metadata(path)?.len() > MAX_FILE_BYTES {
        let message = format!("is larger than {MAX_FILE_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// Writes what is known whenever it has changed, for as long as the process runs.
pub async fn keep(folder: PathBuf, access: Arc<Access>) {
    loop {
        access.changed.notified().await;
        sleep(PAUSE).await;
        // What is not complete must not replace what was.
        if access.is_complete()
            && let Err(error) = write(&folder, &access.contents())
        {
            tracing::warn!(%error, "cannot write to {}: {error}", folder.display());
        }
    }
}

fn write(folder: &Path, contents: &Contents) -> io::Result<()> {
    let text = serde_json::to_vec(contents)?;
    if text.len() > MAX_WRITTEN_BYTES {
        let message = format!("the client keys take more than {MAX_WRITTEN_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    let new = folder.join("client-keys.new");
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&text)?;
    fs::rename(new, folder.join(FILE))
}

#[cfg(test)]
mod tests;
