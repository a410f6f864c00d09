//! Test binaries: built once by cargo, then run alone, as often as wanted and with a limit of time.
//!
//! [`build`] asks cargo which there are; [`watch`] runs one and ends it, with all that it started, when it takes too
//! long, on a clock that a loaded machine does not push ([`own_time`]). [`Graph`] is which package uses which. Knows
//! nothing of what the tests say.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::Trouble;
use crate::chores::cargo;
use own_time::OwnTime;

mod own_time;

/// How often a run is looked at: 1 ms of work, to find all processes of it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Packages with tests that look for names of functions in a backtrace, which inlined ones have in debug information.
const NAMED: [&str; 3] = ["nigh-guard", "nigh-sim", "shop"];

/// How a binary is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// With debug assertions, and optimised a little: what a simulated test waits for is its own generic code, too.
    Debug,
    /// Without debug assertions, as users run it.
    Release,
}

/// One test binary.
#[derive(Clone, Debug)]
pub(crate) struct Binary {
    pub(crate) package: String,
    pub(crate) target: String,
    /// Of its package.
    pub(crate) folder: PathBuf,
    pub(crate) path: PathBuf,
    /// Its own time in the run without a mutant.
    pub(crate) took: Duration,
}

impl Binary {
    /// Of the library or the program itself: its tests are named by modules.
    pub(crate) fn is_unit(&self) -> bool {
        self.target.replace('-', "_") == self.package.replace('-', "_")
    }

    /// Runs it as cargo does, in a process group of its own; what it says to people is dropped.
    pub(crate) fn command(&self, libraries: &str) -> Command {
        let mut command = Command::new(&self.path);
        command
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .env("CARGO_PKG_NAME", &self.package)
            .env("CARGO", std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .env("LD_LIBRARY_PATH", libraries)
            .env("DYLD_LIBRARY_PATH", libraries)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        command
    }
}

/// Builds the test binaries that `args` of `cargo test` choose.
pub(crate) fn build(
    root: &Path,
    target: &Path,
    profile: Profile,
    args: &[String],
) -> Result<Vec<Binary>, Trouble> {
    let mut command = cargo();
    command.args(["test", "--no-run", "--message-format=json"]).args(args);
    match profile {
        Profile::Debug => {
            command.args(["--config", "profile.dev.opt-level=1", "--config", "profile.dev.debug=false"]);
            let named = NAMED.map(|package| format!("profile.dev.package.{package}.debug=\"limited\""));
            command.args(named.iter().flat_map(|setting| ["--config", setting]))
        }
        Profile::Release => command.args(["--profile", "sim"]),
    };
    let output = command
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut binaries = Vec::new();
    for message in messages {
        if message["message"]["level"] == "error" {
            eprintln!("{}", message["message"]["rendered"].as_str().unwrap_or_default());
        }
        binaries.extend(binary(&message));
    }
    match output.status.success() {
        true => Ok(binaries),
        false => Err(format!(
            "{} does not build; if that is the copy with mutants: a replacement must compile in place of its line",
            root.display()
        )),
    }
}

fn binary(message: &Value) -> Option<Binary> {
    let path = message["executable"].as_str()?;
    let target = message["target"]["name"].as_str()?;
    if message["profile"]["test"] != true {
        return None;
    }
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_owned();
    // `path+file:///…/crates/nigh#0.1.0`, or `…#name@0.1.0` where folder and name differ.
    let id = message["package_id"].as_str()?;
    let (place, rest) = id.rsplit_once('#')?;
    let package = rest.split_once('@').map_or(place.rsplit('/').next()?, |(name, _)| name);
    Some(Binary {
        package: package.to_owned(),
        target: target.to_owned(),
        folder,
        path: path.into(),
        took: Duration::ZERO,
    })
}

/// Where test binaries of macro crates find the compiler's libraries.
pub(crate) fn library_path(target: &Path, profile: Profile) -> Result<String, Trouble> {
    let output = Command::new("rustc").args(["--print", "target-libdir"]).output();
    let output = output.map_err(|error| format!("rustc did not start: {error}"))?;
    let libraries = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let built = match profile {
        Profile::Debug => "debug/deps",
        Profile::Release => "sim/deps",
    };
    Ok(format!("{libraries}:{}", target.join(built).display()))
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Ended(ExitStatus),
    /// By whoever read its lines.
    Stopped,
    /// It took too long, of its own time.
    Hung,
}

/// A run, once it is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    pub(crate) ending: Ending,
    /// Of its own, [`own_time`] says what that is.
    pub(crate) spent: Duration,
}

/// Runs a command of [`Binary::command`] until it ends, until `line` has read enough (then it says so), or until it
/// has spent more time of its own than `patience`; then ends what is left of it.
pub(crate) fn watch(
    command: &mut Command,
    patience: Duration,
    mut line: impl FnMut(&str) -> bool,
) -> std::io::Result<Watched> {
    let mut child = command.spawn()?;
    let group = child.id();
    let stdout = child.stdout.take().expect("stdout is piped");
    let (ended, hung) = (AtomicBool::new(false), AtomicBool::new(false));
    let (stopped, spent) = std::thread::scope(|scope| {
        let guard = scope.spawn(|| {
            let mut own = OwnTime::of(group);
            loop {
                let spent = own.look();
                if ended.load(Ordering::Acquire) {
                    return spent;
                }
                if spent > patience {
                    hung.store(true, Ordering::Release);
                    kill_group(group);
                    return spent;
                }
                std::thread::park_timeout(LOOK_EVERY);
            }
        });
        let mut lines = BufReader::new(stdout).split(b'\n').map_while(Result::ok);
        let stopped = lines.any(|bytes| line(&String::from_utf8_lossy(&bytes)));
        ended.store(true, Ordering::Release);
        guard.thread().unpark();
        (stopped, guard.join().expect("the guard does not panic"))
    });
    // Servers that a test started go with it; a binary that ended by itself has left none, or leaks them.
    if stopped {
        kill_group(group);
    }
    let status = child.wait()?;
    let ending = match (stopped, hung.load(Ordering::Acquire)) {
        (true, _) => Ending::Stopped,
        (_, true) => Ending::Hung,
        _ => Ending::Ended(status),
    };
    Ok(Watched { ending, spent })
}

/// The standard library can kill one process only, so the tool of the system does.
fn kill_group(group: u32) {
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).stderr(Stdio::null()).status();
}

/// Which package of the workspace depends on which.
pub(crate) struct Graph {
    folders: BTreeMap<PathBuf, String>,
    uses: BTreeMap<String, Vec<String>>,
}

impl Graph {
    /// As cargo knows it.
    pub(crate) fn of(root: &Path) -> Result<Graph, Trouble> {
        let output = cargo().args(["metadata", "--no-deps", "--format-version=1"]).current_dir(root).output();
        let output = output.map_err(|error| format!("cargo did not start: {error}"))?;
        let metadata: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("`cargo metadata` gave no JSON: {error}"))?;
        let mut graph = Graph { folders: BTreeMap::new(), uses: BTreeMap::new() };
        for package in metadata["packages"].as_array().into_iter().flatten() {
            let name = package["name"].as_str().unwrap_or_default().to_owned();
            let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
            if let Some(folder) = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok()) {
                graph.folders.insert(folder.to_owned(), name.clone());
            }
            let used = package["dependencies"].as_array().into_iter().flatten();
            let used = used.filter_map(|dependency| dependency["name"].as_str().map(str::to_owned));
            graph.uses.insert(name, used.collect());
        }
        Ok(graph)
    }

    pub(crate) fn package_in(&self, folder: &Path) -> String {
        self.folders.get(folder).cloned().unwrap_or_default()
    }

    /// How many steps of dependence lead from `from` to `to`; more than any if none does.
    pub(crate) fn distance(&self, from: &str, to: &str) -> usize {
        let mut reached = vec![from];
        for steps in 0..=self.uses.len() {
            if reached.contains(&to) {
                return steps;
            }
            let next = reached.iter().flat_map(|name| self.uses.get(*name).into_iter().flatten());
            reached = next.map(String::as_str).collect();
            reached.sort_unstable();
            reached.dedup();
        }
        usize::MAX
    }
}

#[cfg(test)]
mod tests;
