//! One process of a cluster, by its id and the time it started, so that another one that
//! got the same id later is never mistaken for it.

use std::{fs, str::FromStr};

use anyhow::{Context, Result};
use nix::{
    sys::{
        signal::{Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};

/// A process as it was when it was noted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Process {
    pid: i32,
    /// Clock ticks since the machine started, as in `/proc/PID/stat`.
    started: u64,
}

impl Process {
    /// The process that has this id now.
    pub(crate) fn find(pid: i32) -> Option<Self> {
        let (_, started) = read_stat(pid)?;
        Some(Self { pid, started })
    }

    /// The process that runs this.
    pub(crate) fn this() -> Result<Self> {
        let pid = i32::try_from(std::process::id())?;
        Self::find(pid).context("read /proc/self/stat")
    }

    pub(crate) fn pid(self) -> i32 {
        self.pid
    }

    /// Whether it still runs: one that ended and waits for its parent does not.
    pub(crate) fn is_running(self) -> bool {
        // It may be a child of ours; if not, its own parent waits for it.
        let _ = waitpid(Pid::from_raw(self.pid), Some(WaitPidFlag::WNOHANG));
        let Some((state, started)) = read_stat(self.pid) else {
            return false;
        };
        // The first thread can end before the others, which still hold files and ports.
        let has_ended = matches!(state, 'Z' | 'X') && count_threads(self.pid) <= 1;
        started == self.started && !has_ended
    }

    /// Ends it without asking, if it still runs.
    pub(crate) fn kill(self) {
        if self.is_running() {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}", self.pid, self.started)
    }
}

impl FromStr for Process {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (pid, started) = text.trim().split_once(' ').context("no pid and time")?;
        Ok(Self {
            pid: pid.parse()?,
            started: started.parse()?,
        })
    }
}

/// Every process of this machine with its command line, arguments separated by blanks.
pub(crate) fn all_with_command_lines() -> Vec<(Process, String)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let process = Process::find(pid)?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            Some((process, String::from_utf8_lossy(&line).replace('\0', " ")))
        })
        .collect()
}

/// State and start time: fields 3 and 22 of `/proc/PID/stat` (proc(5)). The name before them is
/// in parentheses and may hold anything.
fn read_stat(pid: i32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

fn count_threads(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start() {
        let this = Process::this().expect("this process");
        assert!(this.is_running());
        let noted: Process = this.to_string().parse().expect("what was written");
        assert_eq!(noted, this);
        let recycled = Process {
            started: this.started + 1,
            ..this
        };
        assert!(!recycled.is_running());
    }

    #[test]
    fn a_killed_child_no_longer_runs() {
        let child = std::process::Command::new("sleep").arg("60").spawn();
        let pid = child.expect("sleep").id().try_into().expect("a pid");
        let child = Process::find(pid).expect("the child");
        child.kill();
        let begin = std::time::Instant::now();
        // Each look may be the one that takes what is left of it away.
        while child.is_running() || Process::find(pid).is_some() {
            assert!(begin.elapsed().as_secs() < 10, "it still runs");
            std::thread::yield_now();
        }
    }
}
