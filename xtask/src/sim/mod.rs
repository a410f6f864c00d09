//! Runs the simulated tests for long: many seeds of each scenario, a process per core, in release.
//!
//! - [`scenarios`] finds the tests under `#[nigh_sim::test]` and their binaries. Start here.
//! - [`batch`] runs a range of seeds of one of them in a process, and many batches beside each other.
//! - [`totals`] reads what the processes say, and sums it up.
//! - [`points`] finds each `buggify!("…")` of the sources, so that one that no seed reaches is seen.
//!
//! Seeds that fail stop nothing; their reports are printed at the end. Simulates nothing itself.

pub(crate) mod batch;
pub mod points;
pub mod scenarios;
pub mod totals;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Trouble;
use crate::binaries::Profile;
use batch::{Batch, Mode, Ran};
use scenarios::{Built, Scenario};
use totals::Totals;

/// Seeds of all scenarios together, if nobody says how many: a minute of one core, most of it for those on a disk.
const SEEDS_DEFAULT: u64 = 20_000;
/// Seeds of one process: it starts in milliseconds, and runs for seconds.
const BATCH_SEEDS: u64 = 1_000;
/// A batch that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(900);

const USAGE: &str = "\
usage: cargo xtask sim [--seeds N] [--minutes M] [--first S] [NAME…]
  --seeds N    N seeds of each scenario; without it, 20000 are divided among them
  --minutes M  fresh seeds until M minutes have passed; --seeds is then of no use
  --first S    the first seed: 0, or with --minutes one that follows from the time
  NAME         scenarios whose name has it as a part; all without";

/// What was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    seeds: Option<u64>,
    minutes: Option<u64>,
    first: Option<u64>,
    names: Vec<String>,
}

impl Asked {
    fn of(args: &[String]) -> Result<Asked, Trouble> {
        let mut asked = Asked::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            let slot = match arg.as_str() {
                "--seeds" => &mut asked.seeds,
                "--minutes" => &mut asked.minutes,
                "--first" => &mut asked.first,
                flag if flag.starts_with('-') => return Err(format!("`{flag}` is no flag of sim\n{USAGE}")),
                name => {
                    asked.names.push(name.to_owned());
                    continue;
                }
            };
            let number = rest.next().and_then(|text| text.parse().ok());
            *slot = Some(number.ok_or_else(|| format!("`{arg}` needs a number\n{USAGE}"))?);
        }
        if asked.minutes.is_some() && asked.seeds.is_some() {
            return Err(format!("--minutes or --seeds, not both\n{USAGE}"));
        }
        Ok(asked)
    }
}

/// `cargo xtask sim [--seeds N] [--minutes M] [NAME…]`.
pub fn command(root: &Path, args: &[String]) -> Result<(), Trouble> {
    let asked = Asked::of(args)?;
    let built = scenarios::built(root, root, &root.join("target"), Profile::Release, &asked.names)?;
    let is_wanted = |scenario: &&Scenario| {
        asked.names.is_empty() || asked.names.iter().any(|name| scenario.name.contains(name.as_str()))
    };
    let chosen: Vec<&Scenario> = built.scenarios.iter().filter(is_wanted).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = built.scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
        return Err(format!("sim: no scenario has that name; there are {}", names.join(", ")));
    }
    let ran = match asked.minutes {
        Some(minutes) => for_minutes(&built, &chosen, minutes, asked.first),
        None => for_seeds(&built, &chosen, asked.seeds, asked.first.unwrap_or(0)),
    };
    let (totals, troubles) = summed(&chosen, ran);
    told(&totals, &points::found(root));
    let failures: Vec<&String> = totals.iter().flat_map(|of_one| of_one.failures.values()).collect();
    for report in failures.iter().copied().chain(&troubles) {
        println!("\n{report}");
    }
    let sum = Totals::of_all(&totals);
    println!("{}", sum.last_line());
    match sum.failed == 0 && troubles.is_empty() {
        true => Ok(()),
        false => {
            Err(format!("sim: {} seeds failed, {} batches did not end well", sum.failed, troubles.len()))
        }
    }
}

/// How many seeds each scenario gets: the first ones take what does not divide.
fn divided(seeds: u64, scenarios: usize) -> Vec<u64> {
    let scenarios = scenarios as u64;
    (0..scenarios).map(|index| seeds / scenarios + u64::from(index < seeds % scenarios)).collect()
}

fn for_seeds(built: &Built, chosen: &[&Scenario], seeds: Option<u64>, first: u64) -> Vec<(usize, Ran)> {
    let shares = match seeds {
        Some(seeds) => vec![seeds; chosen.len()],
        None => divided(SEEDS_DEFAULT, chosen.len()),
    };
    let (sum, count) = (shares.iter().sum::<u64>(), chosen.len());
    println!("sim: {sum} seeds of {count} scenarios, {} each, from seed {first}", shares[count - 1]);
    let batches = (0..count).flat_map(|index| cut(first, shares[index]).map(move |range| (index, range)));
    batch::all(batches.map(|(index, range)| (index, batch_of(chosen[index], range))), built, PATIENCE)
}

fn for_minutes(built: &Built, chosen: &[&Scenario], minutes: u64, first: Option<u64>) -> Vec<(usize, Ran)> {
    // A second is 100,000 seeds on a hundred cores: two runs share none.
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() * 100_000);
    let first = first.unwrap_or(clock);
    println!("sim: {minutes} minutes, {} scenarios, --first {first}", chosen.len());
    let (begun, limit) = (Instant::now(), Duration::from_secs(minutes * 60));
    let rounds = (0..).map_while(|round| first.checked_add(BATCH_SEEDS * round));
    let batches = rounds.flat_map(|first| (0..chosen.len()).map(move |index| (index, (first, BATCH_SEEDS))));
    let batches = batches.take_while(|_| begun.elapsed() < limit);
    batch::all(batches.map(|(index, range)| (index, batch_of(chosen[index], range))), built, PATIENCE)
}

/// Ranges of at most [`BATCH_SEEDS`].
fn cut(first: u64, seeds: u64) -> impl Iterator<Item = (u64, u64)> {
    let starts = (0..seeds).step_by(BATCH_SEEDS as usize);
    starts.map(move |start| (first.saturating_add(start), BATCH_SEEDS.min(seeds - start)))
}

fn batch_of(scenario: &Scenario, (first, seeds): (u64, u64)) -> Batch<'_> {
    Batch { scenario, first, seeds, mode: Mode::All, points: true, mutant: None }
}

/// Sums of each scenario, in their order, and what is no sum.
fn summed(chosen: &[&Scenario], ran: Vec<(usize, Ran)>) -> (Vec<Totals>, Vec<String>) {
    let mut totals: Vec<Totals> = chosen.iter().map(|scenario| Totals::named(&scenario.name)).collect();
    let mut troubles = Vec::new();
    for (index, ran) in ran {
        match ran {
            Ran::Summed(more) => totals[index].add(&more),
            Ran::Bad(trouble) => troubles.push(trouble),
        }
    }
    (totals, troubles)
}

/// A line per scenario, the faults of all, and the points of all.
fn told(totals: &[Totals], known: &BTreeMap<String, String>) {
    for of_one in totals {
        println!("{}", of_one.line());
    }
    let sum = Totals::of_all(totals);
    println!("faults: {}", sum.faults_text());
    let names = |wanted: Option<bool>| -> Vec<&str> {
        let names = known.keys().chain(sum.points.keys()).collect::<std::collections::BTreeSet<_>>();
        names
            .into_iter()
            .filter(|name| sum.points.get(*name).copied() == wanted)
            .map(String::as_str)
            .collect()
    };
    println!("points fired: {}", list(&names(Some(true))));
    println!("points reached, never fired: {}", list(&names(Some(false))));
    println!("points NEVER reached: {}", list(&names(None)));
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;
