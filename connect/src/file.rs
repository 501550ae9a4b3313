//! Files of settings: read whole, written whole or not at all.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Longest file that is read; settings are a thousand times shorter.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Links that are followed to a file; systems follow 40.
const MAX_LINKS: usize = 40;

/// How temporary files begin, so that a later run finds what an interrupted one has left.
const TEMPORARY_PREFIX: &str = ".anyray-connect-";

/// Mode of a file with a key in it.
pub const SECRET_MODE: u32 = 0o600;

/// Mode of other new files.
pub const PLAIN_MODE: u32 = 0o644;

/// What a file holds.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    /// Its text.
    pub text: String,
    /// Its permission bits; [`PLAIN_MODE`] where the system has none.
    pub mode: u32,
}

/// Without the text, which may hold keys.
impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes, mode {:o}", self.text.len(), self.mode)
    }
}

/// Why a file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    /// It cannot be read.
    #[error("cannot read {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It is too long.
    #[error("{} is longer than 8 MiB, which no settings are: shorten it, or leave its tool out by --tools", .0.display())]
    Length(PathBuf),
    /// It is no text.
    #[error("{} is not UTF-8: convert it, or leave its tool out by --tools", .0.display())]
    Encoding(PathBuf),
    /// It is a folder, a pipe, or a link in a circle.
    #[error("{} is no file: move it away, or leave its tool out by --tools", .0.display())]
    Kind(PathBuf),
    /// A folder on the way to it is a link to nowhere.
    #[error("{} leads to a folder that is not there: make that folder, or remove the link", .0.display())]
    Dangling(PathBuf),
    /// It is mounted from elsewhere, and so cannot be replaced.
    #[error("{} is mounted from elsewhere, and can only be changed there: leave its tool out by --tools", .0.display())]
    Mounted(PathBuf),
    /// Somebody else has written it since it was read.
    #[error("{} was changed by somebody else at the same time: run this again", .0.display())]
    Changed(PathBuf),
    /// Its owner does not want it to be changed.
    #[error("{} is read-only: make it writable, or leave its tool out by --tools", .0.display())]
    ReadOnly(PathBuf),
    /// It cannot be written.
    #[error("cannot write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// It cannot be removed.
    #[error("cannot remove {}", .0.display())]
    Remove(PathBuf, #[source] io::Error),
}

/// Where a file is, through links of its own and of its folders, whether or not there is one: one
/// file has one such path.
///
/// # Errors
/// [`FileFault::Kind`] for links in a circle, and [`FileFault::Dangling`].
pub fn resolve(path: &Path) -> Result<PathBuf, FileFault> {
    let target = follow_links(path)?;
    let folder = existing_folder(&target);
    let missing = target.strip_prefix(folder).unwrap_or(&target);
    let mut below = folder.to_owned();
    for part in missing.parent().into_iter().flatten() {
        below.push(part);
        if fs::symlink_metadata(&below).is_ok() {
            return Err(FileFault::Dangling(below));
        }
    }
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    Ok(folder.join(missing))
}

/// Reads a file, through links; none if there is none.
///
/// # Errors
/// [`FileFault::Read`], [`FileFault::Length`], [`FileFault::Encoding`] and [`FileFault::Kind`].
pub fn read(path: &Path) -> Result<Option<Contents>, FileFault> {
    let fault = |error| FileFault::Read(path.to_owned(), error);
    // Asked before it is opened, because opening a pipe waits for somebody to write.
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(FileFault::Kind(path.to_owned())),
        Ok(_) => {}
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(fault(error)),
    }
    let file = File::open(path).map_err(fault)?;
    let metadata = file.metadata().map_err(fault)?;
    let mut bytes = Vec::new();
    let mut limited = file.take(MAX_BYTES + 1);
    limited.read_to_end(&mut bytes).map_err(fault)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FileFault::Length(path.to_owned()));
    }
    let text = String::from_utf8(bytes).map_err(|_| FileFault::Encoding(path.to_owned()))?;
    let mode = mode_of(&metadata.permissions());
    Ok(Some(Contents { text, mode }))
}

/// Room on the disk for a file that is to be written; given back when it is dropped.
#[derive(Debug)]
pub struct Reserved {
    _file: NamedTempFile,
}

/// More room than a change of a plan can come to need when the key is known.
const MARGIN_BYTES: usize = 4096;

/// Finds out whether a file can be written, by writing as much beside it for the same owner.
///
/// # Errors
/// [`FileFault::ReadOnly`], [`FileFault::Write`], [`FileFault::Mounted`] and [`FileFault::Kind`].
pub fn reserve(path: &Path, contents: Option<&Contents>) -> Result<Reserved, FileFault> {
    let fault = |error| FileFault::Write(path.to_owned(), error);
    let folder = existing_folder(path);
    let owner = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(FileFault::Kind(path.to_owned())),
        Ok(metadata) if metadata.permissions().readonly() => {
            return Err(FileFault::ReadOnly(path.to_owned()));
        }
        Ok(metadata) => {
            // Tells of attributes that no metadata has; nothing is written.
            File::options().append(true).open(path).map_err(fault)?;
            metadata
        }
        Err(_) => fs::metadata(folder).map_err(fault)?,
    };
    let length = contents.map_or(0, |contents| contents.text.len() + MARGIN_BYTES);
    let write = || {
        let mut file = temporary_file(folder, SECRET_MODE)?;
        file.write_all(&vec![b' '; length])?;
        keep_owner(file.path(), &owner)?;
        file.as_file().sync_all()?;
        Ok(file)
    };
    let file = write().map_err(fault)?;
    let made = file.as_file().metadata().map_err(fault)?;
    if !is_on_one_disk(&made, &owner) {
        return Err(FileFault::Mounted(path.to_owned()));
    }
    Ok(Reserved { _file: file })
}

/// Writes a file whole: it holds the old text or the new one, whatever happens meanwhile.
///
/// The owner stays the owner, and folders that are missing are made. The path is one of [`resolve`],
/// or a link would be replaced.
///
/// # Errors
/// [`FileFault::Write`].
pub fn write(path: &Path, contents: &Contents) -> Result<(), FileFault> {
    try_write(path, contents).map_err(|error| FileFault::Write(path.to_owned(), error))
}

fn try_write(target: &Path, contents: &Contents) -> io::Result<()> {
    let folder = target.parent().unwrap_or_else(|| Path::new("."));
    make_folders(target)?;
    let owner = fs::metadata(target).or_else(|_| fs::metadata(folder))?;
    let mut file = temporary_file(folder, contents.mode)?;
    file.write_all(contents.text.as_bytes())?;
    keep_owner(file.path(), &owner)?;
    file.as_file().sync_all()?;
    file.persist(target)?;
    sync_folder(folder);
    Ok(())
}

/// Removes a file; it is no fault if there is none. The path is one of [`resolve`], or a link would
/// go and what it leads to stay.
///
/// # Errors
/// [`FileFault::Remove`].
pub fn remove(path: &Path) -> Result<(), FileFault> {
    match fs::remove_file(path) {
        Err(error) if !is_absent(&error) => Err(FileFault::Remove(path.to_owned(), error)),
        _ => Ok(()),
    }
}

/// The folders on the way to a file that are not there yet, outermost first.
pub fn missing_folders(path: &Path) -> Vec<PathBuf> {
    let folders = path.ancestors().skip(1);
    let mut missing: Vec<PathBuf> = folders
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .map(Path::to_owned)
        .collect();
    missing.reverse();
    missing
}

/// Removes folders, innermost first, as far as they are empty.
pub fn remove_empty_folders(outermost_first: &[PathBuf]) {
    for folder in outermost_first.iter().rev() {
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

/// Makes the folders on the way to a file; only their owner can enter them, because keys may come
/// to lie there.
///
/// # Errors
/// As the system says it.
pub fn make_folders(path: &Path) -> io::Result<()> {
    let missing = missing_folders(path);
    let Some(outermost) = missing.first() else {
        return Ok(());
    };
    let owner = fs::metadata(existing_folder(outermost))?;
    for folder in &missing {
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        keep_owner(folder, &owner)?;
    }
    Ok(())
}

/// The nearest folder above a path that is there, or a file in its place.
fn existing_folder(path: &Path) -> &Path {
    let mut folders = path.ancestors().skip(1);
    let found = folders.find(|folder| folder.exists());
    found.unwrap_or_else(|| Path::new("."))
}

/// Where links lead to, whether or not there is a file.
fn follow_links(path: &Path) -> Result<PathBuf, FileFault> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(next) = fs::read_link(&target) else {
            return Ok(target);
        };
        // Relative to the folder that the link is in; an absolute path replaces all of it.
        target.pop();
        target.push(next);
    }
    Err(FileFault::Kind(path.to_owned()))
}

fn temporary_file(folder: &Path, mode: u32) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX).suffix(".tmp");
    let file = builder.tempfile_in(folder)?;
    set_mode(file.as_file(), mode)?;
    Ok(file)
}

/// Removes what an interrupted run has left beside a file. The caller holds the lock, so that no
/// other run has such files.
pub fn remove_leftovers(path: &Path) {
    let Ok(entries) = fs::read_dir(existing_folder(path)) else {
        return;
    };
    let is_ours = |name: &OsStr| {
        let name = name.to_string_lossy();
        name.starts_with(TEMPORARY_PREFIX) && name.ends_with(".tmp")
    };
    for entry in entries.flatten().filter(|it| is_ours(&it.file_name())) {
        let _ = fs::remove_file(entry.path());
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

#[cfg(unix)]
fn mode_of(permissions: &Permissions) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(permissions) & 0o7777
}

#[cfg(not(unix))]
fn mode_of(_: &Permissions) -> u32 {
    PLAIN_MODE
}

#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// Gives a new file the owner of what it replaces or lies in, which root need not be.
#[cfg(unix)]
fn keep_owner(path: &Path, owner: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, chown};
    let made = fs::metadata(path)?;
    if (made.uid(), made.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    match chown(path, Some(owner.uid()), Some(owner.gid())) {
        // A group that is not the user's own cannot be given; the file is theirs all the same.
        Err(error)
            if error.kind() == io::ErrorKind::PermissionDenied && made.uid() == owner.uid() =>
        {
            Ok(())
        }
        other => other,
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_on_one_disk(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    one.dev() == other.dev()
}

#[cfg(not(unix))]
fn is_on_one_disk(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

/// The new name outlasts a power cut, too, where the system can promise that.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests;
