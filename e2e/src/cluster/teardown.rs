//! Ends everything that a cluster started or made on the machine, however far it had come.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, umount2};

use super::{
    containerd, network,
    process::{Process, all_with_command_lines},
    state::{State, cache_dir},
};
use crate::wait;

/// Where the machine has its cgroups: of version 1 by controller, of version 2 in one tree.
const CGROUPS: &str = "/sys/fs/cgroup";

/// To end killed processes, and for the kernel to let go of their cgroups.
const LIMIT: Duration = Duration::from_secs(30);

/// Logs of failed runs that are kept.
const MAX_KEPT_LOGS: usize = 5;

/// Makes the cgroups under which kubelet makes those of the pods.
pub(crate) fn make_cgroups(state: &State) -> Result<()> {
    let by_controller = fs::read_dir(CGROUPS)?.flatten().map(|entry| entry.path());
    let trees = by_controller.chain([PathBuf::from(CGROUPS)]);
    for tree in trees.filter(|tree| tree.join("cgroup.procs").exists()) {
        let cgroup = tree.join(state.mark());
        fs::create_dir_all(&cgroup).with_context(|| format!("create {}", cgroup.display()))?;
    }
    Ok(())
}

/// Takes the cluster down, and removes its folder.
pub(crate) fn take_down(state: &State) -> Result<()> {
    network::on_a_thread(async || {
        let ended = async || end_processes(state).then_some(());
        wait::until("the processes of the cluster to end", LIMIT, ended).await?;
        unmount(state)?;
        network::delete(state.mark())?;
        let removed = async || remove_cgroups(state).ok();
        wait::until("the cgroups of the cluster to be empty", LIMIT, removed).await
    })?;
    remove_traces(state);
    let dir = state.dir();
    fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))
}

/// Moves the logs to where they stay when the cluster is taken down, and says where that is.
pub(crate) fn keep_logs(state: &State) -> Result<PathBuf> {
    let folder = cache_dir()?.join("cluster-logs");
    fs::create_dir_all(&folder)?;
    let entries = fs::read_dir(&folder)?.flatten();
    let mut kept: Vec<_> = entries
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    kept.sort();
    let surplus = (kept.len() + 1).saturating_sub(MAX_KEPT_LOGS);
    for (_, old) in kept.into_iter().take(surplus) {
        fs::remove_dir_all(old)?;
    }
    let target = folder.join(state.name());
    let _ = fs::remove_dir_all(&target);
    // Not a move: what still runs goes on writing where it did.
    copy_folder(&state.path("logs"), &target)?;
    Ok(target)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name())))?;
        if entry.is_dir() {
            copy_folder(&entry, &target)?;
        } else if entry.is_file() {
            fs::copy(&entry, &target)?;
        }
    }
    Ok(())
}

/// Kills what runs; true once nothing does.
fn end_processes(state: &State) -> bool {
    let noted = state.processes().into_iter().map(|(_, process)| process);
    let socket = containerd::socket(state).display().to_string();
    // Shims leave containerd's process group; each names its socket.
    let shims = all_with_command_lines()
        .into_iter()
        .filter(|(_, line)| line.contains("containerd-shim") && line.contains(&socket))
        .map(|(process, _)| process);
    let pods = cgroups(state)
        .into_iter()
        .flat_map(|cgroup| members(&cgroup));
    let running: Vec<_> = noted
        .chain(shims)
        .chain(pods)
        .filter(|it| it.is_running())
        .collect();
    for process in &running {
        process.kill();
    }
    running.is_empty()
}

/// The cgroups of the cluster, each before the one that it is in.
fn cgroups(state: &State) -> Vec<PathBuf> {
    let trees = fs::read_dir(CGROUPS).into_iter().flatten().flatten();
    let trees = trees
        .map(|entry| entry.path())
        .filter(|path| !path.is_symlink());
    let tops = trees
        .chain([PathBuf::from(CGROUPS)])
        .map(|tree| tree.join(state.mark()));
    let mut found = Vec::new();
    for top in tops.filter(|top| top.is_dir()) {
        let begin = found.len();
        found.push(top);
        let mut next = begin;
        while let Some(cgroup) = found.get(next) {
            let inner = fs::read_dir(cgroup).into_iter().flatten().flatten();
            let inner: Vec<_> = inner
                .map(|entry| entry.path())
                .filter(|it| it.is_dir())
                .collect();
            found.extend(inner);
            next += 1;
        }
    }
    found.reverse();
    found
}

fn members(cgroup: &Path) -> Vec<Process> {
    let pids = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let pids = pids.lines().filter_map(|pid| pid.parse().ok());
    pids.filter_map(Process::find).collect()
}

fn remove_cgroups(state: &State) -> Result<()> {
    for cgroup in cgroups(state) {
        fs::remove_dir(&cgroup).with_context(|| format!("remove {}", cgroup.display()))?;
    }
    Ok(())
}

/// Unmounts whatever is mounted under the folder, the latest first.
fn unmount(state: &State) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    // Field 5 is the mount point (proc(5)); blanks and such are escaped, and none are in ours.
    let points = mounts
        .lines()
        .rev()
        .filter_map(|line| line.split(' ').nth(4));
    for point in points.filter(|point| Path::new(point).starts_with(state.dir())) {
        umount2(point, MntFlags::MNT_DETACH).with_context(|| format!("unmount {point}"))?;
    }
    Ok(())
}

/// Removes what kubelet, containerd and the pod network leave outside of the folder when they
/// are killed. None of their paths can be configured.
fn remove_traces(state: &State) {
    let tasks = entries(&state.path("run/io.containerd.runtime.v2.task/k8s.io"));
    let results = entries(Path::new("/var/lib/cni/results"));
    for task in tasks {
        if let Ok(address) = fs::read_to_string(task.join("address")) {
            let _ = fs::remove_file(address.trim_start_matches("unix://"));
        }
        let id = name_of(&task);
        for result in results.iter().filter(|it| name_of(it).contains(&id)) {
            let _ = fs::remove_file(result);
        }
    }
    for link in entries(Path::new("/var/log/containers")) {
        if fs::read_link(&link).is_ok_and(|target| target.starts_with(state.dir())) {
            let _ = fs::remove_file(&link);
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
