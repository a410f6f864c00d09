//! A program that serves HTTP, started, awaited, killed without warning.

use std::ffi::OsStr;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::http::Client;
use crate::Trouble;

/// A port of this machine that nobody uses now. The same is used again after each restart, so that clients
/// come back by themselves.
pub fn free_port() -> Result<SocketAddr, Trouble> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    listener.and_then(|listener| listener.local_addr()).map_err(|error| format!("no free port: {error}"))
}

/// A program and how to start it. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    /// A program and its arguments that becomes, or traces, ours.
    under: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Not started yet. What it prints goes to `folder/NAME.log`; it runs in `folder`.
    pub fn new(name: &str, program: &Path, args: &[String], folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let (name, program, under) = (name.into(), program.into(), Vec::new());
        Server { name, program, args: args.to_vec(), under, log, child: None }
    }

    /// From the next start on it has these arguments, too.
    pub fn add_args(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
    }

    /// From the next start on it runs under this command line, to which its own is appended, and keeps its
    /// process id; empty: by itself.
    pub fn set_under(&mut self, under: Vec<String>) {
        self.under = under;
    }

    /// Of the running process.
    pub fn pid(&self) -> Result<u32, Trouble> {
        self.child.as_ref().map(Child::id).ok_or_else(|| format!("{} is not running", self.name))
    }

    /// The memory that it really has, in KiB.
    pub fn resident_kib(&self) -> Result<u64, Trouble> {
        let path = format!("/proc/{}/status", self.pid()?);
        let status = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let size = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        size.ok_or_else(|| format!("{path} does not say VmRSS"))
    }

    /// Asks it to end, as a process manager does.
    pub fn stop(&self) -> Result<(), Trouble> {
        signal(self.pid()?, "TERM")
    }

    /// Waits until it has ended.
    pub fn wait_ended(&mut self, patience: Duration) -> Result<ExitStatus, Trouble> {
        let begun = Instant::now();
        while begun.elapsed() < patience {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(format!("{} did not end within {patience:?}", self.name))
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Trouble> {
        let child = self.child.as_mut().ok_or_else(|| format!("{} is not running", self.name))?;
        child.try_wait().map_err(|error| format!("{}: {error}", self.name))
    }

    /// Starts it, and does not wait until it answers.
    pub fn start(&mut self) -> Result<(), Trouble> {
        let told = |error: std::io::Error| format!("{}: {error}", self.program.display());
        let log = File::options().create(true).append(true).open(&self.log).map_err(told)?;
        let mut line = self.under.iter().map(OsStr::new).chain([self.program.as_os_str()]);
        let mut command = Command::new(line.next().expect("a program follows"));
        command.args(line).args(&self.args).stdin(Stdio::null());
        command.current_dir(self.log.parent().expect("the log lies in a folder"));
        command.stdout(log.try_clone().map_err(told)?).stderr(log);
        self.child = Some(command.spawn().map_err(told)?);
        Ok(())
    }

    /// kill -9: whatever it was doing stays undone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Gone already is as good; its log tells why.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Waits until `path` is answered with 200. Fails at once if the program has ended.
    pub fn wait_ready(
        &mut self,
        door: SocketAddr,
        path: &str,
        patience: Duration,
    ) -> Result<Duration, Trouble> {
        let begun = Instant::now();
        let mut client = Client::new(door, Duration::from_secs(1));
        while begun.elapsed() < patience {
            self.assert_alive()?;
            if client.get(path).is_ok_and(|answer| answer.status == 200) {
                return Ok(begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(format!("{} did not answer {path} within {patience:?}\n{}", self.name, self.log_tail()))
    }

    /// Fails if the program ended by itself.
    pub fn assert_alive(&mut self) -> Result<(), Trouble> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(format!("{} ended: {status}\n{}", self.name, self.log_tail())),
        }
    }

    /// The last lines that it printed.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal by its name.
pub fn signal(pid: u32, name: &str) -> Result<(), Trouble> {
    let status =
        Command::new("kill").args([format!("-{name}"), pid.to_string()]).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("kill -{name} {pid}: {status}")),
        Err(error) => Err(format!("kill: {error}")),
    }
}
