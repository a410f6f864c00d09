//! Which simulated tests there are, and in which binaries.
//!
//! A scenario is a test under `#[nigh_sim::test]` that may run as many seeds as one likes, and simulates something.
//! Left out, and listed, are those that shall panic, that fix their seeds by `seeds = …` (both test the simulator
//! itself), or in which nothing happens. [`marked`] reads the sources; [`built`] builds the binaries that hold them,
//! asks each for its tests, and runs one seed of those that bear the names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::batch::{Batch, Mode, Ran};
use crate::binaries::{self, Binary, Graph, Profile};
use crate::source::mask;
use crate::{Trouble, files};

const ATTRIBUTE: &str = "#[nigh_sim::test";
const NONE: &str = "there is no test under `#[nigh_sim::test]` that simulates anything";
/// One seed, or a list of tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// One simulated test.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Package and test: `nigh-sim counters_count`.
    pub name: String,
    /// As the binary lists it.
    pub(crate) test: String,
    pub(crate) binary: Binary,
}

/// Scenarios, ready to run.
#[derive(Debug)]
pub struct Built {
    /// In order of their names.
    pub scenarios: Vec<Scenario>,
    pub(crate) libraries: String,
}

/// A function under the attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marked {
    /// Of its package: `examples/shop`.
    pub folder: PathBuf,
    /// Which target of the package holds it, as cargo's flag.
    pub target: Vec<String>,
    /// Of the function.
    pub name: String,
    /// Why it is no scenario.
    pub left_out: Option<&'static str>,
}

/// What the sources mark. Cases of compile errors, in folders `ui`, are no tests.
pub fn marked(root: &Path) -> BTreeSet<Marked> {
    let mut all = BTreeSet::new();
    for (path, text) in files::rust(root) {
        let is_ui = path.components().any(|part| part.as_os_str() == "ui");
        let is_ours = ["crates", "examples"].iter().any(|folder| path.starts_with(folder));
        if is_ui || !is_ours {
            continue;
        }
        let folder: PathBuf = path.iter().take(2).collect();
        for (name, left_out) in names(&text) {
            let target = target(root, &folder, path.strip_prefix(&folder).unwrap_or(&path));
            all.insert(Marked { folder: folder.clone(), target, name, left_out });
        }
    }
    all
}

/// Functions under the attribute in one file, and why one is no scenario.
fn names(text: &str) -> Vec<(String, Option<&'static str>)> {
    let code = mask(text).code;
    let after = code.match_indices(ATTRIBUTE).filter_map(|(at, _)| {
        let (head, rest) = code[at + ATTRIBUTE.len()..].split_once("fn ")?;
        let name = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let above = code[..at].trim_end().lines().next_back().unwrap_or_default();
        let left_out = match head {
            _ if head.contains("should_panic") || above.contains("should_panic") => Some("it shall panic"),
            _ if head.starts_with('(') => Some("it fixes its seeds"),
            _ => None,
        };
        Some((name, left_out))
    });
    after.collect()
}

/// The flag of cargo that builds the target with this file, and as little else as can be told from names.
fn target(root: &Path, folder: &Path, file: &Path) -> Vec<String> {
    let mut parts = file.iter().filter_map(|part| part.to_str());
    let flags: &[&str] = match (parts.next(), parts.next()) {
        (Some("src"), _) if root.join(folder).join("src/lib.rs").exists() => &["--lib"],
        (Some("src"), _) => &["--bins"],
        (Some("tests"), Some(name)) => {
            let name = name.trim_end_matches(".rs");
            let roots = [format!("tests/{name}.rs"), format!("tests/{name}/main.rs")];
            if roots.iter().any(|file| root.join(folder).join(file).exists()) {
                return vec!["--test".into(), name.into()];
            }
            &["--tests"]
        }
        _ => &["--all-targets"],
    };
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

/// Builds the scenarios of the repository, or of a copy of it in `root`, and says which tests are none. Names spare binaries in
/// which there is none of them. What is marked is read from the repository: git lists no files of a copy.
pub(crate) fn built(
    repository: &Path,
    root: &Path,
    target: &Path,
    profile: Profile,
    names: &[String],
) -> Result<Built, Trouble> {
    let (out, mut marked): (Vec<Marked>, Vec<Marked>) =
        marked(repository).into_iter().partition(|marked| marked.left_out.is_some());
    let mut out: Vec<String> =
        out.into_iter().map(|m| format!("{} ({})", m.name, m.left_out.unwrap_or_default())).collect();
    if marked.is_empty() {
        return Err(NONE.into());
    }
    let graph = Graph::of(root)?;
    keep_named(&mut marked, names, |marked| format!("{} {}", graph.package_in(&marked.folder), marked.name));
    let args = chosen_of(&marked, &graph);
    println!("building the simulated tests: cargo test {}", args.join(" "));
    let binaries = binaries::build(root, target, profile, &args)?;
    let libraries = binaries::library_path(target, profile)?;
    let mut scenarios = Vec::new();
    for binary in binaries {
        let held = marked.iter().filter(|marked| marked.may_be_in(root, &binary));
        let names: BTreeSet<&str> = held.map(|marked| marked.name.as_str()).collect();
        if names.is_empty() {
            continue;
        }
        for test in listed(&binary, &libraries)? {
            if names.contains(test.rsplit("::").next().unwrap_or(&test)) {
                let name = format!("{} {test}", binary.package);
                scenarios.push(Scenario { name, test, binary: binary.clone() });
            }
        }
    }
    let simulating = |scenario: &Scenario| simulates(scenario, &libraries);
    let (mut scenarios, idle): (Vec<Scenario>, Vec<Scenario>) = scenarios.into_iter().partition(simulating);
    out.extend(idle.into_iter().map(|scenario| format!("{} (nothing happens)", scenario.test)));
    if !out.is_empty() {
        println!("no scenarios: {}", out.join(", "));
    }
    scenarios.sort_by(|a, b| a.name.cmp(&b.name));
    match scenarios.is_empty() {
        true => Err(NONE.into()),
        false => Ok(Built { scenarios, libraries }),
    }
}

/// Those with a part of these names; all, if one of the names is none that the sources tell: a binary may.
fn keep_named(marked: &mut Vec<Marked>, names: &[String], told: impl Fn(&Marked) -> String) {
    let bears = |marked: &Marked, name: &str| told(marked).contains(name);
    let known = |name: &String| marked.iter().any(|marked| bears(marked, name));
    if !names.is_empty() && names.iter().all(known) {
        marked.retain(|marked| names.iter().any(|name| bears(marked, name)));
    }
}

/// What `cargo test` has to build.
fn chosen_of(marked: &[Marked], graph: &Graph) -> Vec<String> {
    let packages: BTreeSet<&PathBuf> = marked.iter().map(|marked| &marked.folder).collect();
    let targets: BTreeSet<&Vec<String>> = marked.iter().map(|marked| &marked.target).collect();
    let packages = packages.into_iter().flat_map(|folder| ["-p".into(), graph.package_in(folder)]);
    packages.chain(targets.into_iter().flatten().cloned()).collect()
}

impl Marked {
    fn may_be_in(&self, root: &Path, binary: &Binary) -> bool {
        let target = match self.target.as_slice() {
            [flag, name] if flag == "--test" => binary.target == *name,
            _ => true,
        };
        target && root.join(&self.folder) == binary.folder
    }
}

/// Its tests, as the binary lists them.
fn listed(binary: &Binary, libraries: &str) -> Result<Vec<String>, Trouble> {
    let mut tests = Vec::new();
    let mut command = binary.command(libraries);
    command.args(["--list", "--format=terse"]);
    let ending = binaries::watch(&mut command, PATIENCE, |line| {
        tests.extend(line.strip_suffix(": test").map(str::to_owned));
        false
    });
    ending.map_err(|error| format!("{}: {error}", binary.path.display()))?;
    Ok(tests)
}

/// False if a seed passes, or fails, before anything happens; whatever ends otherwise shall be looked at.
fn simulates(scenario: &Scenario, libraries: &str) -> bool {
    let probe = Batch { scenario, first: 0, seeds: 1, mode: Mode::First, points: true, mutant: None };
    match probe.run(libraries, PATIENCE) {
        Ran::Summed(totals) => totals.events > 0,
        Ran::Bad(_) => true,
    }
}

#[cfg(test)]
mod tests;
