//! Builds the copy once, runs all its tests without a mutant, then with each until one fails.
//!
//! Tests of the mutant's own crate run first, then those of crates that depend on it, quick ones before slow
//! ones. A test binary that does not end is killed with all it started, and counts as a catch. Doc tests do
//! not take part.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::CHOICE;
use super::comment::Marker;
use super::plant::Copy;
use crate::Trouble;
use crate::binaries::{self, Binary, Ending, Graph, Profile};

/// Longest run of one test binary without a mutant.
const BASELINE_MAX: Duration = Duration::from_secs(900);
/// A mutant may make a binary this many times slower, and never is one killed before `PATIENCE_MIN`.
const PATIENCE: u32 = 4;
const PATIENCE_MIN: Duration = Duration::from_secs(60);

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
    // The chores' own tests know no mutant, and `tidy` reads sources that are rewritten here.
    let args = ["--workspace", "--exclude", "xtask"].map(str::to_owned);
    let mut binaries = binaries::build(&copy.root, &target, Profile::Debug, &args)?;
    binaries.retain(|binary| binary.target != "tidy");
    let libraries = binaries::library_path(&target, Profile::Debug)?;
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
    let graph = Graph::of(&copy.root)?;
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

fn run(
    binary: &Binary,
    mutant: Option<&str>,
    patience: Duration,
    libraries: &str,
) -> Result<Verdict, Trouble> {
    let mut command = binary.command(libraries);
    command.env_remove(CHOICE);
    if let Some(name) = mutant {
        command.env(CHOICE, name);
    }
    let mut failed = None;
    let ending = binaries::watch(&mut command, patience, |line| {
        failed = failed.take().or_else(|| failed_test(line));
        failed.is_some() && mutant.is_some()
    })
    .map_err(|error| format!("mutants: {}: {error}", binary.path.display()))?;
    Ok(match (failed, ending) {
        (Some(test), _) => Verdict::Failed(test),
        (None, Ending::Hung | Ending::Stopped) => Verdict::Hung,
        (None, Ending::Ended(status)) if status.success() => Verdict::Green,
        (None, Ending::Ended(_)) => Verdict::Died,
    })
}

fn failed_test(line: &str) -> Option<String> {
    let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
    Some(name.trim_end_matches(" - should panic").to_owned())
}
