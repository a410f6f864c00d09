//! Runs the simulator against each mutant, and says which seed finds it.
//!
//! The copy's simulated tests are built in release, without debug assertions: what holds in a user's build is what
//! the judges must see, not what an assertion stops before. Each mutant meets the same seeds, batch by batch of each
//! scenario in turn, once without points of `buggify!` and once with them, until one fails that does not fail by itself.
//!
//! [`listed`] reads `simulated.txt`: the mutants that the simulator must find.

use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::comment::Marker;
use super::plant;
use crate::Trouble;
use crate::binaries::Profile;
use crate::sim::batch::{Batch, Mode, Ran, locked, on_each_core};
use crate::sim::scenarios::{self, Built};

/// Where the list is.
pub const LIST: &str = "xtask/src/mutants/simulated.txt";
/// Seeds of each scenario, if nobody says how many.
const SEEDS_DEFAULT: u64 = 10_000;
/// Seeds before the next scenario has its turn: most mutants that are found at all are found in fewer.
const BATCH_SEEDS: u64 = 250;
/// A mutant may make seeds this many times slower, and never is one killed before `PATIENCE_MIN`.
const PATIENCE: u32 = 10;
const PATIENCE_MIN: Duration = Duration::from_secs(60);
/// Crates that the simulator runs unchanged; `--all` plants their mutants.
const SIMULATED: [&str; 3] = ["nigh-proto", "nigh", "nigh-wire"];

/// What was typed after `mutants --sim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) seeds: u64,
    /// Not only those of the list.
    pub(super) all: bool,
    pub(super) names: Vec<String>,
}

impl Asked {
    pub(super) fn of(args: &[String]) -> Result<Asked, Trouble> {
        let usage = "usage: cargo xtask mutants --sim [NAME…] [--all] [--seeds 10000]";
        let mut asked = Asked { seeds: SEEDS_DEFAULT, all: false, names: vec![] };
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match arg.as_str() {
                "--sim" => {}
                "--all" => asked.all = true,
                "--seeds" => {
                    let seeds = rest.next().and_then(|text| text.parse().ok()).filter(|seeds| *seeds > 0);
                    asked.seeds = seeds.ok_or_else(|| format!("`--seeds` needs a number\n{usage}"))?;
                }
                flag if flag.starts_with('-') => return Err(format!("`{flag}` is no flag of this\n{usage}")),
                name => asked.names.push(name.to_owned()),
            }
        }
        Ok(asked)
    }

    /// Those to run, in order of their files.
    fn chosen<'a>(&self, all: &'a [Marker], listed: &[String]) -> Result<Vec<&'a Marker>, Trouble> {
        let has = |name: &String| all.iter().any(|marker| marker.name == *name);
        if let Some(unknown) = self.names.iter().chain(listed).find(|name| !has(name)) {
            return Err(format!("no mutant is called `{unknown}`; --list shows all"));
        }
        let is_chosen = |marker: &&Marker| match (self.names.is_empty(), self.all) {
            (false, _) => self.names.contains(&marker.name),
            (true, true) => SIMULATED.iter().any(|name| marker.file.starts_with(format!("crates/{name}/"))),
            (true, false) => listed.contains(&marker.name),
        };
        Ok(all.iter().filter(is_chosen).collect())
    }
}

/// Mutants that the simulator must find: a name a line, after `#` comes why.
pub fn listed(root: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(root.join(LIST)).unwrap_or_default();
    let names = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// `cargo xtask mutants --sim [NAME…] [--all] [--seeds 10000]`.
pub(super) fn command(root: &Path, args: &[String]) -> Result<(), Trouble> {
    let asked = Asked::of(args)?;
    let (all, listed) = (super::found(root)?, listed(root));
    let chosen = asked.chosen(&all, &listed)?;
    let copy = plant::plant(root, &all)?;
    let target = copy.root.parent().expect("the copy lies in target/mutants").join("target");
    let built = scenarios::built(root, &copy.root, &target, Profile::Release, &[])?;
    let has_points = without_mutant(&built)?;
    println!("{}", row(["mutant", "scenario", "without points", "with points", "what was violated"]));
    let (next, missed) = (Mutex::new(chosen.iter()), Mutex::new(Vec::new()));
    on_each_core(|| {
        while let Some(marker) = { locked(&next).next() } {
            let with = search(&built, &marker.name, true, asked.seeds);
            let without =
                if has_points { search(&built, &marker.name, false, asked.seeds) } else { with.clone() };
            println!("{}", told(&marker.name, without.as_ref(), with.as_ref()));
            if with.is_none() && without.is_none() {
                locked(&missed).push(marker.name.clone());
            }
        }
    });
    let missed = missed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    println!(
        "mutants: {} found by the simulator, {} not in {} seeds",
        chosen.len() - missed.len(),
        missed.len(),
        asked.seeds
    );
    let broken: Vec<&str> = missed.iter().filter(|name| listed.contains(name)).map(String::as_str).collect();
    match broken.is_empty() {
        true => Ok(()),
        false => Err(format!("the simulator no longer finds {}, which {LIST} lists", broken.join(", "))),
    }
}

/// A seed that fails, or the batch that did not end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    scenario: String,
    seed: String,
    why: String,
}

/// No seed may fail without a mutant. True if there are points to fire.
fn without_mutant(built: &Built) -> Result<bool, Trouble> {
    let mut has_points = false;
    for scenario in &built.scenarios {
        let mode = Mode::First;
        let batch = Batch { scenario, first: 0, seeds: BATCH_SEEDS, mode, points: true, mutant: None };
        match batch.run(&built.libraries, PATIENCE_MIN * PATIENCE) {
            Ran::Summed(totals) if totals.failed == 0 => has_points |= !totals.points.is_empty(),
            Ran::Summed(totals) => {
                let (seed, why) = totals.first_failure.unwrap_or_default();
                return Err(format!("mutants: without any, {} fails with seed {seed}: {why}", scenario.name));
            }
            Ran::Bad(trouble) => return Err(format!("mutants: without any, {trouble}")),
        }
    }
    Ok(has_points)
}

/// The first seed that fails with this mutant, and not without, in the order of batches.
fn search(built: &Built, mutant: &str, points: bool, seeds: u64) -> Option<Found> {
    let mut patience = PATIENCE_MIN;
    for first in (0..seeds).step_by(BATCH_SEEDS as usize) {
        for scenario in &built.scenarios {
            let (last, mode, mutant) = (seeds.min(first + BATCH_SEEDS) - 1, Mode::First, Some(mutant));
            let batch = Batch { scenario, first, seeds: last - first + 1, mode, points, mutant };
            let begun = Instant::now();
            if let Some((seed, why)) = search_batch(&batch, &built.libraries, patience) {
                return Some(Found { scenario: scenario.name.clone(), seed, why });
            }
            patience = patience.max(begun.elapsed() * PATIENCE);
        }
    }
    None
}

/// Seed and reason. A seed that fails without the mutant says nothing about it: the search goes on behind it.
fn search_batch(batch: &Batch<'_>, libraries: &str, patience: Duration) -> Option<(String, String)> {
    let (mut first, last) = (batch.first, batch.first + batch.seeds - 1);
    while first <= last {
        let totals = match (Batch { first, seeds: last - first + 1, ..*batch }).run(libraries, patience) {
            Ran::Summed(totals) => totals,
            Ran::Bad(trouble) => return Some((format!("{first}…{last}"), trouble)),
        };
        let (seed, why) = totals.first_failure?;
        let alone = Batch { first: seed, seeds: 1, mutant: None, ..*batch };
        match alone.run(libraries, patience) {
            Ran::Summed(totals) if totals.failed == 0 => return Some((seed.to_string(), why)),
            _ => first = seed + 1,
        }
    }
    None
}

fn told(mutant: &str, without: Option<&Found>, with: Option<&Found>) -> String {
    let seed = |found: Option<&Found>| found.map_or("-".to_owned(), |found| found.seed.clone());
    let found = with.or(without);
    let scenario = found.map_or("-", |found| found.scenario.as_str());
    let why = found.map_or("-", |found| found.why.lines().next().unwrap_or_default());
    row([mutant, scenario, &seed(without), &seed(with), why])
}

fn row([mutant, scenario, without, with, why]: [&str; 5]) -> String {
    format!("{mutant:<34} | {scenario:<26} | {without:>14} | {with:>11} | {why}")
}

#[cfg(test)]
mod tests;
