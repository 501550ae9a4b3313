//! The folder of one cluster: its paths, the log of each component, and the processes that
//! were started for it, noted at once so that what dies half-way can still be taken down.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::process::Process;

/// Lines of a log that an error shows.
const TAIL_LINES: usize = 15;

/// The longest path of a Unix socket, of which kubelet's is the longest here (unix(7)).
const MAX_SOCKET_PATH_BYTES: usize = 107;

/// The folder of a cluster, which lasts until it is taken down.
#[derive(Clone, Debug)]
pub(crate) struct State {
    name: String,
    dir: PathBuf,
    mark: String,
}

impl State {
    /// Makes the folder of a new cluster. With an owner, the cluster is given up once that
    /// process has ended.
    pub(crate) fn create(name: &str, owner: Option<Process>) -> Result<Self> {
        let dir = root()?.join(name);
        let longest = dir.join("kubelet/pod-resources/kubelet.sock");
        ensure!(
            longest.as_os_str().len() <= MAX_SOCKET_PATH_BYTES,
            "{} is too long for a socket: set ANYRAY_CACHE to a shorter path",
            longest.display()
        );
        fs::create_dir_all(root()?)?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .with_context(|| format!("create {}", dir.display()))?;
        let state = Self::find(name)?.context("the folder is gone")?;
        if let Some(owner) = owner {
            fs::write(state.path("owner"), owner.to_string())?;
        }
        for folder in ["logs/pods", "pki", "kubeconfig", "kubelet", "cni"] {
            fs::create_dir_all(state.path(folder))?;
        }
        Ok(state)
    }

    /// The folder of a cluster that was started, whatever has become of it since.
    pub(crate) fn find(name: &str) -> Result<Option<Self>> {
        let dir = root()?.join(name);
        let Ok(metadata) = fs::metadata(&dir) else {
            return Ok(None);
        };
        // Another cache may have a cluster of the same name on this machine.
        let mark = format!("anyray-{name}-{}", metadata.ino());
        let name = name.to_owned();
        Ok(Some(Self { name, dir, mark }))
    }

    /// The clusters that have such an owner.
    pub(crate) fn owned(is_wanted: impl Fn(Process) -> bool) -> Result<Vec<Self>> {
        let names = fs::read_dir(root()?).into_iter().flatten().flatten();
        let states = names.filter_map(|entry| {
            let state = Self::find(entry.file_name().to_str()?).ok()??;
            let owner = fs::read_to_string(state.path("owner")).ok()?;
            is_wanted(owner.parse().ok()?).then_some(state)
        });
        Ok(states.collect())
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// As [`Self::path`], for flags and configuration files.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The name of what the cluster has on the machine: network namespace, cgroups, pod network.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// Starts a program in a session of its own, and notes it. Its output goes to its log.
    pub(crate) fn spawn(
        &self,
        name: &str,
        program: &Path,
        arguments: &[String],
    ) -> Result<Process> {
        let log = append_to(&self.log(name))?;
        let child = Command::new("setsid")
            .arg(program)
            .args(arguments)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        self.note(name, child.id())
    }

    /// Notes a process that was started for this cluster.
    pub(crate) fn note(&self, name: &str, pid: u32) -> Result<Process> {
        let process = Process::find(pid.try_into()?)
            .with_context(|| format!("{name} ended at once:\n{}", self.tail(name)))?;
        writeln!(append_to(&self.path("processes"))?, "{name} {process}")?;
        Ok(process)
    }

    /// Every process that was noted, the latest last.
    pub(crate) fn processes(&self) -> Vec<(String, Process)> {
        let notes = fs::read_to_string(self.path("processes")).unwrap_or_default();
        let parsed = notes.lines().filter_map(|line| {
            let (name, process) = line.split_once(' ')?;
            Some((name.to_owned(), process.parse().ok()?))
        });
        parsed.collect()
    }

    /// The latest process of a component, running or not.
    pub(crate) fn find_process(&self, name: &str) -> Result<Process> {
        let noted = self.processes().into_iter().rev();
        let found = noted.into_iter().find(|(noted, _)| noted == name);
        let (_, process) = found.with_context(|| format!("{name} was never started"))?;
        Ok(process)
    }

    /// The file that a component writes to.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path("logs").join(format!("{name}.log"))
    }

    /// What a component wrote last, for an error.
    pub(crate) fn tail(&self, name: &str) -> String {
        let path = self.log(name);
        let text = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text.lines().rev().take(TAIL_LINES).collect();
        let lines: Vec<_> = lines.into_iter().rev().collect();
        format!("last lines of {}:\n{}", path.display(), lines.join("\n"))
    }
}

/// Where tools and clusters are kept, as in `.ci/env.sh`.
pub(crate) fn cache_dir() -> Result<PathBuf> {
    if let Some(cache) = std::env::var_os("ANYRAY_CACHE") {
        return Ok(PathBuf::from(cache));
    }
    let home = std::env::var_os("HOME").context("neither ANYRAY_CACHE nor HOME is set")?;
    Ok(Path::new(&home).join(".cache/anyray"))
}

fn append_to(file: &Path) -> Result<File> {
    let opened = OpenOptions::new().create(true).append(true).open(file);
    opened.with_context(|| format!("open {}", file.display()))
}

fn root() -> Result<PathBuf> {
    Ok(cache_dir()?.join("clusters"))
}
