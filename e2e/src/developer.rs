//! A developer's home: `anyray-connect` sets it up, Claude Code and Codex run in it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{
    binaries,
    clients::{Client, Clients, Finished},
};

/// The bits of a mode that tell folders from files, and what they are of a folder.
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;

/// Paths below a home, with the mode and the content of each.
pub type Tree = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// A developer's home; it is removed when this is dropped.
#[derive(Debug)]
pub struct Developer {
    home: TempDir,
}

impl Developer {
    /// An empty home.
    ///
    /// # Errors
    ///
    /// It could not be made.
    pub fn new() -> Result<Self> {
        let home = TempDir::new().context("create a home")?;
        Ok(Self { home })
    }

    /// The home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// `anyray-connect` with arguments, without a terminal.
    ///
    /// # Errors
    ///
    /// It could not be built.
    pub async fn connect(&self, arguments: &[&str]) -> Result<Client> {
        let mut client = Client::new(binaries::connect().await?)?;
        for argument in arguments {
            client = client.args([argument]);
        }
        Ok(self.at_home(client).env("SHELL", "/bin/bash"))
    }

    /// Runs `anyray-connect` to its end.
    ///
    /// # Errors
    ///
    /// It could not be built, or did not end well.
    pub async fn run_connect(&self, arguments: &[&str]) -> Result<Finished> {
        self.connect(arguments).await?.run().await?.succeeded()
    }

    /// Claude Code with a prompt.
    ///
    /// # Errors
    ///
    /// The clients are not installed.
    pub fn claude(&self, prompt: &str) -> Result<Client> {
        let client = self.at_home(Clients::find()?.claude()?);
        Ok(client.args(["-p", prompt]))
    }

    /// Codex with a prompt and the profile that `anyray-connect` writes.
    ///
    /// # Errors
    ///
    /// The clients are not installed.
    pub fn codex(&self, prompt: &str) -> Result<Client> {
        let client = self.at_home(Clients::find()?.codex()?);
        Ok(client.args([
            "exec",
            "--profile",
            "anyray",
            "--json",
            "--skip-git-repo-check",
            prompt,
        ]))
    }

    /// Another home with the same content, for a tool that leaves files of its own.
    ///
    /// # Errors
    ///
    /// It could not be made.
    pub fn copy(&self) -> Result<Self> {
        let copy = Self::new()?;
        for (below, (mode, content)) in self.tree()? {
            let path = copy.home().join(below);
            if mode & S_IFMT == S_IFDIR {
                fs::create_dir(&path)?;
            } else {
                fs::write(&path, content)?;
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o7777))?;
        }
        Ok(copy)
    }

    /// Everything in the home.
    ///
    /// # Errors
    ///
    /// Something could not be read.
    pub fn tree(&self) -> Result<Tree> {
        let mut tree = Tree::new();
        collect(self.home(), Path::new(""), &mut tree)?;
        Ok(tree)
    }

    fn at_home(&self, client: Client) -> Client {
        client.env("HOME", &self.home().to_string_lossy())
    }
}

fn collect(root: &Path, below: &Path, tree: &mut Tree) -> Result<()> {
    let folder = root.join(below);
    for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
        let below = below.join(entry?.file_name());
        let path = root.join(&below);
        let metadata = fs::symlink_metadata(&path)?;
        let content = if metadata.is_dir() {
            collect(root, &below, tree)?;
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path)?.into_os_string().into_encoded_bytes()
        } else {
            fs::read(&path)?
        };
        tree.insert(below, (metadata.permissions().mode(), content));
    }
    Ok(())
}
