//! A program that serves HTTP, started, awaited, killed without warning.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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
    log: PathBuf,
    child: Option<Child>,
}

impl Server {
    /// Not started yet. What it prints goes to `folder/NAME.log`; it runs in `folder`.
    pub fn new(name: &str, program: &Path, args: &[String], folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        Server { name: name.into(), program: program.into(), args: args.to_vec(), log, child: None }
    }

    /// Starts it, and does not wait until it answers.
    pub fn start(&mut self) -> Result<(), Trouble> {
        let told = |error: std::io::Error| format!("{}: {error}", self.program.display());
        let log = File::options().create(true).append(true).open(&self.log).map_err(told)?;
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null());
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
        match self.child.as_mut().map(Child::try_wait) {
            Some(Ok(None)) => Ok(()),
            Some(Ok(Some(status))) => Err(format!("{} ended: {status}\n{}", self.name, self.log_tail())),
            Some(Err(error)) => Err(format!("{}: {error}", self.name)),
            None => Err(format!("{} is not running", self.name)),
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
