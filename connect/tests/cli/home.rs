//! A home folder that the program may change, and what is in it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

/// A gateway that nothing here calls.
pub(crate) const GATEWAY: &str = "https://llm.example.com";

/// Folders and files, with their mode, and for links with where they lead.
pub(crate) type Tree = BTreeMap<PathBuf, (u32, String)>;

pub(crate) struct Home {
    folder: TempDir,
    /// Programs that a test puts on the `PATH`.
    bin: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let (folder, bin) = (TempDir::new(), TempDir::new());
        Self {
            folder: folder.expect("a folder"),
            bin: bin.expect("a folder"),
        }
    }

    /// A home with files of its user's own in it.
    pub(crate) fn lived_in() -> Self {
        let home = Self::new();
        home.write(".claude/settings.json", CLAUDE_SETTINGS);
        home.write(".codex/config.toml", "model = \"gpt-5\" # mine\n");
        home.write(".bashrc", "# mine\nexport EDITOR=vi");
        home
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    pub(crate) fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(&path, text).expect("written");
        self.set_mode(below, 0o644);
    }

    pub(crate) fn set_mode(&self, below: &str, mode: u32) {
        fs::set_permissions(self.path(below), fs::Permissions::from_mode(mode)).expect("set");
    }

    pub(crate) fn link(&self, below: &str, target: &str) {
        symlink(target, self.path(below)).expect("linked");
    }

    pub(crate) fn read(&self, below: &str) -> String {
        fs::read_to_string(self.path(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
    }

    pub(crate) fn mode(&self, below: &str) -> u32 {
        let metadata = fs::metadata(self.path(below)).expect("there");
        metadata.permissions().mode() & 0o7777
    }

    pub(crate) fn has(&self, below: &str) -> bool {
        fs::symlink_metadata(self.path(below)).is_ok()
    }

    /// Puts a program on the `PATH`, which nothing runs.
    pub(crate) fn install(&self, name: &str) {
        fs::write(self.bin.path().join(name), "#!/bin/sh\n").expect("written");
    }

    /// The program with arguments, without a terminal.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anyray-connect"));
        let path = format!("{}:/usr/bin:/bin", self.bin.path().display());
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", path)
            .env("SHELL", "/bin/bash")
            .env("USER", "ada")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }

    /// Sets all of it up for [`GATEWAY`].
    pub(crate) fn set_up(&self) -> Ran {
        self.run(&["--gateway", GATEWAY, "--yes"])
    }

    /// All that is in the home.
    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        collect(self.folder.path(), Path::new(""), &mut tree);
        tree
    }
}

fn collect(root: &Path, below: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(root.join(below)).expect("readable") {
        let below = below.join(entry.expect("an entry").file_name());
        let path = root.join(&below);
        let metadata = fs::symlink_metadata(&path).expect("there");
        let mode = metadata.permissions().mode() & 0o7777;
        let content = if metadata.is_symlink() {
            fs::read_link(&path).expect("a link").display().to_string()
        } else if metadata.is_dir() {
            collect(root, &below, tree);
            "a folder".to_owned()
        } else {
            fs::read_to_string(&path).expect("text")
        };
        tree.insert(below, (mode, content));
    }
}

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) errors: String,
}

impl Ran {
    pub(crate) fn of(mut command: Command) -> Self {
        Self::from(command.output().expect("it starts"))
    }

    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:?}");
        self
    }

    /// It failed with this status, and its errors hold this text.
    pub(crate) fn failed(self, status: i32, text: &str) -> Self {
        assert_eq!(self.status, Some(status), "{self:?}");
        assert!(self.errors.contains(text), "no {text:?} in {self:?}");
        self
    }

    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.out.contains(text), "no {text:?} in {self:?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self {
            status: output.status.code(),
            out: text(output.stdout),
            errors: text(output.stderr),
        }
    }
}

const CLAUDE_SETTINGS: &str = r#"{
	"model": "opus",
	"permissions": { "allow": ["Bash(ls:*)"] },
	"env": { "EDITOR": "vi" }
}"#;
