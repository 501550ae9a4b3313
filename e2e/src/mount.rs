//! A directory that is changed as a kubelet changes a projected volume.
//!
//! Source: `pkg/volume/util/atomic_writer.go` of Kubernetes. All files lie in a directory of their
//! own that the link `..data` points to; one rename of that link replaces them all.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// A mounted volume.
#[derive(Debug)]
pub struct Mount {
    path: PathBuf,
    swaps: u32,
}

impl Mount {
    /// A volume at an empty directory.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            swaps: 0,
        }
    }

    /// Replaces all files by what `write` puts into the empty directory that it is given.
    ///
    /// # Errors
    ///
    /// `write` failed, or the system.
    pub fn swap(&mut self, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.swaps += 1;
        let name = format!("..2026_11_24_10_00_00.{:010}", self.swaps);
        let fresh = self.path.join(&name);
        fs::create_dir(&fresh).context("create the directory of a swap")?;
        write(&fresh)?;
        let data = self.path.join("..data");
        let old = fs::read_link(&data).ok();
        let prepared = self.path.join("..data_tmp");
        symlink(&name, &prepared).context("link the fresh directory")?;
        fs::rename(&prepared, &data).context("swap")?;
        self.link_names(&fresh)?;
        if let Some(old) = old {
            fs::remove_dir_all(self.path.join(old)).context("remove the old directory")?;
        }
        Ok(())
    }

    /// Links what lies in the volume to its place behind `..data`, and nothing else.
    fn link_names(&self, fresh: &Path) -> Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name();
            let is_ours = name.to_string_lossy().starts_with("..");
            if !is_ours && !fresh.join(&name).exists() {
                fs::remove_file(self.path.join(&name))?;
            }
        }
        for entry in fs::read_dir(fresh)? {
            let name = entry?.file_name();
            let link = self.path.join(&name);
            if fs::symlink_metadata(&link).is_err() {
                symlink(Path::new("..data").join(&name), &link)?;
            }
        }
        Ok(())
    }
}
