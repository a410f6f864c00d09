//! What a run took of its own: what it waited and what it computed, but not what it stood in line for a core or a disk.
//!
//! A machine that others use makes a test slow; it must not make it look hung. [`OwnTime::look`] is called now and then
//! and reads, on Linux, what each process of the group used since. Elsewhere all time counts. Never ends a process.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Of `/proc/PID/stat`: a hundredth of a second, on every machine that Linux runs on since it promises so to programs.
const TICK: Duration = Duration::from_millis(10);

/// The clock of one process group.
#[derive(Debug)]
pub(super) struct OwnTime {
    group: u32,
    looked: Instant,
    /// Of each process, when it was looked at last.
    used: BTreeMap<u32, Duration>,
    spent: Duration,
}

impl OwnTime {
    /// Begins now.
    pub(super) fn of(group: u32) -> OwnTime {
        OwnTime { group, looked: Instant::now(), used: BTreeMap::new(), spent: Duration::ZERO }
    }

    /// What was spent up to now.
    pub(super) fn look(&mut self) -> Duration {
        let now = Instant::now();
        let passed = now - std::mem::replace(&mut self.looked, now);
        let (mut computed, mut in_line) = (Duration::ZERO, false);
        for (id, process) in processes(Path::new("/proc"), self.group) {
            let before = self.used.insert(id, process.used).unwrap_or_default();
            computed += process.used.saturating_sub(before);
            in_line |= process.in_line;
        }
        self.spent += own(passed, computed, in_line);
        self.spent
    }
}

/// Whoever wants a core spends what it is given; whoever wants none waits of its own will.
fn own(passed: Duration, computed: Duration, in_line: bool) -> Duration {
    if in_line { computed.min(passed) } else { passed }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Process {
    group: u32,
    used: Duration,
    /// Some thread runs, or would if it could, or waits for a disk.
    in_line: bool,
}

fn processes(proc: &Path, group: u32) -> Vec<(u32, Process)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // One that has ended since is gone from here.
        let Some(mut process) = process(&stat(&entry.path())) else { continue };
        if process.group != group {
            continue;
        }
        let threads = std::fs::read_dir(entry.path().join("task")).into_iter().flatten().flatten();
        let in_line = |thread: std::fs::DirEntry| self::process(&stat(&thread.path()));
        process.in_line |= threads.filter_map(in_line).any(|thread| thread.in_line);
        found.push((id, process));
    }
    found
}

fn stat(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("stat")).unwrap_or_default()
}

/// Of a line as in `proc_pid_stat(5)`: the name may hold spaces and brackets, so fields are counted behind it.
fn process(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u32>().ok();
    Some(Process {
        group: ticks(2)?,
        used: TICK * ticks(11)?.saturating_add(ticks(12)?),
        in_line: matches!(*fields.first()?, "R" | "D"),
    })
}

#[cfg(test)]
mod tests;
