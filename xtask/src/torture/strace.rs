//! Faults at system calls, by strace: a kill, an error or a delay at the n-th call of a kind.
//!
//! strace counts the calls of each thread for itself. Each file of a store has one thread that writes it, so a
//! fault that names its file is at one point; at the start there is one thread anyway. A traced process stays our
//! child (`-D`), so that it is killed and awaited like any other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::server::signal;
use crate::Trouble;

/// strace has hold of all threads within this, on a busy machine.
const ATTACH_MAX: Duration = Duration::from_secs(10);

/// strace lets go within this, unless it delays a call.
const DETACH_MAX: Duration = Duration::from_secs(2);

/// All threads of a process stop within this, unless one is in a call that is delayed.
const STOP_MAX: Duration = Duration::from_millis(500);

/// A thread that ended, also of a process that its parent has not awaited.
const ENDED: [&str; 2] = ["\nState:\tZ", "\nState:\tX"];

/// Something that happens at a system call.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Names of calls, with commas.
    pub calls: String,
    /// As strace's `inject` takes it: `signal=KILL:when=3`, say.
    pub what: String,
    /// Only calls on this file.
    pub file: Option<PathBuf>,
}

impl Fault {
    /// The flags of strace; what it saw goes to `seen`.
    fn flags(&self, seen: &Path) -> Vec<String> {
        let Fault { calls, what, file } = self;
        let mut flags: Vec<String> = ["-f", "-q", "-o"].map(str::to_owned).into();
        flags.push(seen.display().to_string());
        flags.extend(["-e".to_owned(), format!("trace={calls}")]);
        flags.extend(["-e".to_owned(), format!("inject={calls}:{what}")]);
        if let Some(file) = file {
            flags.extend(["-P".to_owned(), file.display().to_string()]);
        }
        flags
    }

    /// What a server is started under, so that the fault is there from its first call.
    pub fn from_start(&self, seen: &Path) -> Vec<String> {
        // What an earlier one saw must not count for this one.
        let _ = fs::remove_file(seen);
        [vec!["strace".to_owned(), "-D".to_owned()], self.flags(seen), vec!["--".to_owned()]].concat()
    }

    /// Puts the fault into a process that runs.
    pub fn attach(&self, pid: u32, seen: &Path) -> Result<Attached, Trouble> {
        let _ = fs::remove_file(seen);
        let mut command = Command::new("strace");
        command.args(self.flags(seen)).args(["-p", &pid.to_string()]).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("strace: {error}"))?;
        let attached = Attached { child, pid };
        let begun = Instant::now();
        while begun.elapsed() < ATTACH_MAX {
            match has_all(pid) {
                Some(false) => thread::sleep(Duration::from_millis(1)),
                // Struck already is as good.
                Some(true) | None => return Ok(attached),
            }
        }
        Err(format!("strace did not attach to {pid} within {ATTACH_MAX:?}"))
    }
}

/// What the system says of each thread of a process that still lives; `None`: it is gone, awaited or not.
fn threads(pid: u32) -> Option<Vec<String>> {
    let mut living = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        // A thread that ended meanwhile has no status.
        let status = fs::read_to_string(thread.path().join("status")).unwrap_or_default();
        let ended = status.is_empty() || ENDED.iter().any(|state| status.contains(state)); // mutant the-dead-are-waited-for: let ended = status.is_empty();
        if !ended {
            living.push(status);
        }
    }
    (!living.is_empty()).then_some(living)
}

/// What each thread of a process does, for messages: its name, its state, and the number of the call in which it is.
pub fn doing(pid: u32) -> String {
    let mut told = Vec::new();
    for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
        let read = |name: &str| fs::read_to_string(thread.path().join(name)).unwrap_or_default();
        let (name, status, call) = (read("comm"), read("status"), read("syscall"));
        let state = status.lines().find_map(|line| line.strip_prefix("State:\t")).unwrap_or("gone");
        let call = call.split_whitespace().next().unwrap_or("-");
        told.push(format!("{} {state} in {call}", name.trim()));
    }
    told.join(", ")
}

/// Whether each thread of a process is traced; `None`: it is gone.
fn has_all(pid: u32) -> Option<bool> {
    Some(threads(pid)?.iter().all(|status| !status.contains("TracerPid:\t0\n")))
}

/// strace, at work on a process. Dropped, it lets go.
#[derive(Debug)]
pub struct Attached {
    child: Child,
    /// Of the process.
    pid: u32,
}

impl Attached {
    /// Stops the process between two of its calls: strace fails one by making it another that does not exist, and let go in
    /// the midst of it, the process would hear of that.
    fn stop(&self) {
        let _ = signal(self.pid, "STOP");
        let begun = Instant::now();
        while begun.elapsed() < STOP_MAX && !all_stopped(self.pid).unwrap_or(true) {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether no thread of a process runs; `None`: it is gone.
fn all_stopped(pid: u32) -> Option<bool> {
    let stopped = |status: &String| status.contains("\nState:\tT") || status.contains("\nState:\tt");
    Some(threads(pid)?.iter().all(stopped))
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.stop();
        // Killed, it would leave calls half done; told, it lets each go on. Gone already is as good.
        let _ = signal(self.child.id(), "TERM");
        let begun = Instant::now();
        while begun.elapsed() < DETACH_MAX && !matches!(self.child.try_wait(), Ok(Some(_))) {
            thread::sleep(Duration::from_millis(1));
        }
        // In the midst of a long delay it does not listen; that call is let go by the system.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = signal(self.pid, "CONT");
    }
}

/// How many calls strace has tampered with; a call that was killed in is none.
pub fn tampered(seen: &Path) -> usize {
    fs::read_to_string(seen).unwrap_or_default().matches("(INJECTED)").count()
}

/// Why faults cannot be put in here, if so.
pub fn missing() -> Option<String> {
    let probe = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO:when=1", "--", "true"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match probe {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("strace may not trace here ({status})")),
        Err(error) => Some(format!("no strace: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_ended_is_gone_though_nobody_awaited_it() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = child.id();
        // Not awaited, it stays listed.
        while !fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") Z ") {
            thread::yield_now();
        }
        assert_eq!((has_all(pid), all_stopped(pid)), (None, None));
        child.wait().unwrap();
        assert_eq!((has_all(pid), all_stopped(pid)), (None, None));
        assert_ne!(has_all(std::process::id()), None);
    }

    #[test]
    fn what_a_thread_does_is_told() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        // Between fork and exec it has another name.
        while !doing(child.id()).starts_with("sleep S (sleeping) in ") {
            thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(doing(child.id()), "");
    }
}
