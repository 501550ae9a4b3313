//! Writes a configuration so that a gateway sees all of it at once, as the kubelet does: into a
//! new folder, to which the link `..data` is then turned.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink},
    path::Path,
};

use anyray_wire::gateway_config::{CONFIG_FILE, INDEX_FILE};
use secrecy::ExposeSecret as _;

use super::RenderError;
use crate::gateway::config::ConfigFiles;

/// The link to the folder in force.
const DATA: &str = "..data";

/// Writes the files. Only their owner can read them.
///
/// # Errors
/// [`RenderError::Write`]; the files of before are then still in force.
pub(super) fn write(out: &Path, files: &ConfigFiles) -> Result<(), RenderError> {
    swap(out, files).map_err(|source| RenderError::Write {
        path: out.to_owned(),
        source,
    })
}

fn swap(out: &Path, files: &ConfigFiles) -> io::Result<()> {
    refuse_foreign(out)?;
    DirBuilder::new().recursive(true).mode(0o700).create(out)?;
    let data = tempfile::Builder::new().prefix("..").tempdir_in(out)?;
    let keys = files.keys.iter();
    let keys = keys.map(|(name, key)| (name.as_str(), key.expose_secret()));
    let plain = [
        (CONFIG_FILE, files.gateway_json.as_bytes()),
        (INDEX_FILE, files.index_json.as_bytes()),
    ];
    let mut names = Vec::new();
    for (name, content) in plain.into_iter().chain(keys) {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(data.path().join(name))?;
        file.write_all(content)?;
        file.sync_all()?;
        names.push(name);
    }
    let new = data.keep();
    let old = fs::read_link(out.join(DATA)).ok();
    let link = out.join("..data_tmp");
    let _ = fs::remove_file(&link);
    symlink(new.file_name().unwrap_or_default(), &link)?;
    fs::rename(&link, out.join(DATA))?;
    link_names(out, &names)?;
    match old {
        Some(old) => fs::remove_dir_all(out.join(old)),
        None => Ok(()),
    }
}

/// A link for each file, for people and for tools that do not know `..data`.
fn link_names(out: &Path, names: &[&str]) -> io::Result<()> {
    for entry in fs::read_dir(out)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_ours(&entry) && !names.iter().any(|known| name == *known) {
            fs::remove_file(entry.path())?;
        }
    }
    for name in names {
        match symlink(Path::new(DATA).join(name), out.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            linked => linked?,
        }
    }
    Ok(())
}

/// Whether an entry is a link that this command has made.
fn is_ours(entry: &fs::DirEntry) -> bool {
    let expected = Path::new(DATA).join(entry.file_name());
    fs::read_link(entry.path()).is_ok_and(|link| link == expected)
}

/// A folder with anything that this command has not made is somebody else's.
fn refuse_foreign(out: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(out) else {
        return Ok(());
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b"..") || is_ours(&entry) {
            continue;
        }
        let message = format!(
            "it has {}, which this command has not written: name an empty folder",
            name.display()
        );
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    Ok(())
}
