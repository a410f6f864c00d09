//! Builds the copy once, runs all its tests without a mutant, then with each until one fails.
//!
//! Tests of the mutant's own crate run first, then those of crates that depend on it, quick ones before slow
//! ones. A test binary that does not end is killed with all it started, and counts as a catch. Doc tests do
//! not take part.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::CHOICE;
use super::comment::Marker;
use super::plant::Copy;
use crate::Trouble;
use crate::chores::cargo;

/// Longest run of one test binary without a mutant.
const BASELINE_MAX: Duration = Duration::from_secs(900);
/// A mutant may make a binary this many times slower, and never is one killed before `PATIENCE_MIN`.
const PATIENCE: u32 = 4;
const PATIENCE_MIN: Duration = Duration::from_secs(60);

/// One test binary.
struct Binary {
    package: String,
    target: String,
    folder: PathBuf,
    path: PathBuf,
    /// Of the run without a mutant.
    took: Duration,
}

/// How a run of one binary ended.
#[derive(Debug)]
enum Verdict {
    Green,
    /// The test that failed.
    Failed(String),
    /// It ended badly before a test could be blamed.
    Died,
    Hung,
}

/// Prints one line per mutant; returns how many escaped.
pub fn hunt(copy: &Copy, chosen: &[&Marker]) -> Result<usize, Trouble> {
    let target = copy.root.parent().expect("the copy lies in target/mutants").join("target");
    println!("building {}", copy.root.display());
    let mut binaries = build(&copy.root, &target)?;
    let libraries = library_path(&target)?;
    for binary in &mut binaries {
        let begun = Instant::now();
        let verdict = run(binary, None, BASELINE_MAX, &libraries)?;
        binary.took = begun.elapsed();
        if !matches!(verdict, Verdict::Green) {
            let Binary { package, target, path, .. } = binary;
            let path = path.display();
            return Err(format!(
                "mutants: without any, {package} ({target}) ends as {verdict:?}; run {path}"
            ));
        }
    }
    let all: Duration = binaries.iter().map(|binary| binary.took).sum();
    println!("{} test binaries are green without a mutant, {:.1} s", binaries.len(), all.as_secs_f64());
    let graph = dependencies(&copy.root)?;
    let mut escaped = 0;
    for marker in chosen {
        copy.sweep();
        let begun = Instant::now();
        let caught = catch(marker, &mut binaries, &graph, &libraries)?;
        escaped += usize::from(caught.is_none());
        let told = caught.map_or("ESCAPED".into(), |by| format!("caught by {by}"));
        println!("{:<40} {told} in {:.1} s", marker.name, begun.elapsed().as_secs_f64());
    }
    Ok(escaped)
}

/// What caught the mutant.
fn catch(
    marker: &Marker,
    binaries: &mut [Binary],
    graph: &Graph,
    libraries: &str,
) -> Result<Option<String>, Trouble> {
    let folder: PathBuf = marker.file.iter().take(2).collect();
    let home = graph.package_in(&folder);
    binaries.sort_by_key(|binary| (graph.distance(&binary.package, &home), binary.took));
    for binary in binaries {
        let patience = (binary.took * PATIENCE).max(PATIENCE_MIN);
        let Binary { package, target, .. } = &*binary;
        match run(binary, Some(&marker.name), patience, libraries)? {
            Verdict::Green => {}
            Verdict::Failed(test) => return Ok(Some(format!("{package}::{test} ({target})"))),
            Verdict::Died => return Ok(Some(format!("{package} ({target}), which died"))),
            Verdict::Hung => return Ok(Some(format!("{package} ({target}), which hung"))),
        }
    }
    Ok(None)
}

fn build(root: &Path, target: &Path) -> Result<Vec<Binary>, Trouble> {
    // The chores' own tests know no mutant, and `tidy` reads sources that are rewritten here.
    let args = ["test", "--no-run", "--workspace", "--exclude", "xtask", "--message-format=json"];
    let output = cargo()
        .args(args)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("mutants: cargo did not start: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut binaries = Vec::new();
    for message in messages {
        if message["message"]["level"] == "error" {
            eprintln!("{}", message["message"]["rendered"].as_str().unwrap_or_default());
        }
        binaries.extend(binary(&message));
    }
    if !output.status.success() {
        return Err(
            "mutants: the copy does not build; a replacement must compile in place of its line".into()
        );
    }
    Ok(binaries)
}

fn binary(message: &Value) -> Option<Binary> {
    let path = message["executable"].as_str()?;
    let target = message["target"]["name"].as_str()?;
    if message["profile"]["test"] != true || target == "tidy" {
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
fn library_path(target: &Path) -> Result<String, Trouble> {
    let output = Command::new("rustc").args(["--print", "target-libdir"]).output();
    let output = output.map_err(|error| format!("mutants: rustc did not start: {error}"))?;
    let libraries = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(format!("{libraries}:{}", target.join("debug/deps").display()))
}

fn run(
    binary: &Binary,
    mutant: Option<&str>,
    patience: Duration,
    libraries: &str,
) -> Result<Verdict, Trouble> {
    let mut command = Command::new(&binary.path);
    command
        .current_dir(&binary.folder)
        .env_remove(CHOICE)
        .env("CARGO_MANIFEST_DIR", &binary.folder)
        .env("CARGO_PKG_NAME", &binary.package)
        .env("CARGO", std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .env("LD_LIBRARY_PATH", libraries)
        .env("DYLD_LIBRARY_PATH", libraries)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    if let Some(name) = mutant {
        command.env(CHOICE, name);
    }
    let mut child =
        command.spawn().map_err(|error| format!("mutants: {}: {error}", binary.path.display()))?;
    let (failed, hung) = watch(&mut child, patience, mutant.is_some());
    let status = child.wait().map_err(|error| format!("mutants: {}: {error}", binary.path.display()))?;
    Ok(match failed {
        Some(test) => Verdict::Failed(test),
        None if hung => Verdict::Hung,
        None if status.success() => Verdict::Green,
        None => Verdict::Died,
    })
}

/// Reads what the binary says until it ends, fails a test, or time is over; then kills what is left of it.
fn watch(child: &mut Child, patience: Duration, stop_early: bool) -> (Option<String>, bool) {
    let group = child.id();
    let stdout = child.stdout.take().expect("stdout is piped");
    let (ended, hung) = (AtomicBool::new(false), AtomicBool::new(false));
    let failed = std::thread::scope(|scope| {
        let guard = scope.spawn(|| {
            let begun = Instant::now();
            while !ended.load(Ordering::Acquire) {
                if begun.elapsed() > patience {
                    hung.store(true, Ordering::Release);
                    kill_group(group);
                    break;
                }
                std::thread::park_timeout(Duration::from_millis(100));
            }
        });
        let mut failed = None;
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if let Some(test) = failed_test(&String::from_utf8_lossy(&line)) {
                failed.get_or_insert(test);
                if stop_early {
                    break;
                }
            }
        }
        ended.store(true, Ordering::Release);
        guard.thread().unpark();
        failed
    });
    // Servers that a test started go with it; a binary that ended by itself has left none, or leaks them.
    if failed.is_some() {
        kill_group(group);
    }
    (failed, hung.load(Ordering::Acquire))
}

fn failed_test(line: &str) -> Option<String> {
    let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
    Some(name.trim_end_matches(" - should panic").to_owned())
}

/// The standard library can kill one process only, so the tool of the system does.
fn kill_group(group: u32) {
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).stderr(Stdio::null()).status();
}

/// Which package of the workspace depends on which.
struct Graph {
    folders: BTreeMap<PathBuf, String>,
    uses: BTreeMap<String, Vec<String>>,
}

impl Graph {
    fn package_in(&self, folder: &Path) -> String {
        self.folders.get(folder).cloned().unwrap_or_default()
    }

    /// How many steps of dependence lead from `from` to `to`; more than any if none does.
    fn distance(&self, from: &str, to: &str) -> usize {
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

fn dependencies(root: &Path) -> Result<Graph, Trouble> {
    let output = cargo().args(["metadata", "--no-deps", "--format-version=1"]).current_dir(root).output();
    let output = output.map_err(|error| format!("mutants: cargo did not start: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("mutants: `cargo metadata` gave no JSON: {error}"))?;
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
