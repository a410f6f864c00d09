//! A test of many seeds: runs them, makes a failing one small, and says how to see it again.
//!
//! - [`Harness::seeds`] runs seed after seed. Start here.
//! - [`Harness::replay`] runs the one case of `NIGH_SIM`, or of a row, and prints its trace.
//! - [`report`] words what a person reads, and with `NIGH_SIM_SUMMARY` what a program reads.
//!
//! This module alone reads settings and a real clock: how many seeds, which one, and how long minimising may take.
//! No run sees either.

#![expect(clippy::disallowed_methods, reason = "settings of tests, and the time that minimising may take")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::disk::Counts as Befell;
use crate::minimise::{Minimised, minimise};
use crate::plan::{Counts, Planned};
use crate::sim::Store;

mod report;

/// Seeds of a test that names no number: 2,000 a second leave it far below a second.
const SEEDS_DEFAULT: u64 = 200;
/// One in this many seeds runs twice, the first one too.
const TWICE_EVERY: u64 = 20;
/// Seeds that are handed over at once.
const AT_ONCE: usize = 16;
/// What a person waits for a smaller case.
const MINIMISE_FOR: Duration = Duration::from_secs(1);
const MINIMISE_RUNS_MAX: u32 = 2_000;
/// Failures that a summary tells in full: one bug fails many seeds, and each takes [`MINIMISE_FOR`] to tell.
const FAILURES_TOLD_MAX: usize = 3;
/// Longest trace that is printed; the end matters most.
const TRACE_LINES_MAX: usize = 2_000;

/// How one run went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// What was violated: the judge, a colon, what it saw.
    pub(crate) failure: Option<String>,
    /// Of the whole trace.
    pub(crate) hash: u64,
    pub(crate) events: u64,
    pub(crate) simulated: Duration,
    /// The plan that was followed, drawn or given.
    pub(crate) planned: Vec<Planned>,
    /// The topology that was drawn or given.
    pub(crate) topology: Option<String>,
    /// The store, if it is another than what tests have that say nothing.
    pub(crate) store: Option<String>,
    /// What power losses took from its disk, and left.
    pub(crate) befell: Befell,
    /// Faults that happened.
    pub(crate) faults: Counts,
    /// A record a line, if it was asked for.
    pub(crate) trace: Option<String>,
    /// Points of `buggify!` that were visited, and whether they fired.
    pub(crate) points: Vec<(&'static str, bool)>,
}

/// How a case is run: a run must not show it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Look {
    /// Keep a record a line.
    pub(crate) trace: bool,
    /// What code draws from the system is other than the first time: hash maps have another order.
    pub(crate) other_entropy: bool,
}

/// What the attribute says.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Package of the test, for the command that replays.
    pub package: &'static str,
    /// `#[nigh_sim::test(seeds = 500)]`.
    pub seeds: Option<u64>,
}

/// What a person set for this run of the tests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// `NIGH_SIM`: this case and no other.
    pub(crate) replay: Option<String>,
    /// `NIGH_SIM_SEEDS`.
    pub(crate) seeds: Option<u64>,
    /// `NIGH_SIM_FIRST`.
    pub(crate) first: Option<u64>,
    /// `NIGH_SIM_STORE`: of every seed, whatever the test says.
    pub(crate) store: Option<String>,
    /// `NIGH_SIM_BUGGIFY=no`: no point of `buggify!` fires.
    pub(crate) no_points: bool,
    /// `NIGH_SIM_SUMMARY`: a line for programs.
    pub(crate) summary: Option<Summary>,
}

/// Which seeds a summary for programs is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Summary {
    /// `all`: every one, whichever fail.
    All,
    /// `first`: those up to the first that fails, which is not made smaller.
    First,
}

impl Settings {
    /// An error names the variable.
    fn of_environment() -> Result<Self, String> {
        let number = |name: &str| match std::env::var(name) {
            Ok(text) => {
                text.trim().parse().map(Some).map_err(|_| format!("{name}={text}: that is no number"))
            }
            Err(_) => Ok(None),
        };
        Ok(Settings {
            replay: std::env::var("NIGH_SIM").ok(),
            seeds: number("NIGH_SIM_SEEDS")?,
            first: number("NIGH_SIM_FIRST")?,
            store: Self::store_of(std::env::var("NIGH_SIM_STORE").ok())?,
            no_points: !Self::points_fire(std::env::var("NIGH_SIM_BUGGIFY").ok().as_deref())?,
            summary: Self::summary_of(std::env::var("NIGH_SIM_SUMMARY").ok().as_deref())?,
        })
    }

    fn store_of(text: Option<String>) -> Result<Option<String>, String> {
        match text {
            Some(text) if Store::named(&text).is_none() => {
                Err(format!("NIGH_SIM_STORE={text}: write `memory` or `disk`"))
            }
            text => Ok(text),
        }
    }

    fn points_fire(text: Option<&str>) -> Result<bool, String> {
        match text {
            None | Some("yes") => Ok(true),
            Some("no") => Ok(false),
            Some(text) => Err(format!("NIGH_SIM_BUGGIFY={text}: write `yes` or `no`")),
        }
    }

    fn summary_of(text: Option<&str>) -> Result<Option<Summary>, String> {
        match text {
            None => Ok(None),
            Some("all") => Ok(Some(Summary::All)),
            Some("first") => Ok(Some(Summary::First)),
            Some(text) => Err(format!("NIGH_SIM_SUMMARY={text}: write `all` or `first`")),
        }
    }
}

thread_local! {
    /// The case of the row that is being run.
    static ROW: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs one case of a test, as a regression test: a seed that failed once stays as a row.
///
/// `case` is what a failing test printed: `nigh_sim::row(money_is_conserved, "seed=2589 faults=[…]")`. Panics if
/// it fails again, as the test does.
pub fn row(test: fn(), case: &str) {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            ROW.set(None);
        }
    }
    ROW.set(Some(case.to_owned()));
    let _reset = Reset;
    test();
}

/// Runs a test as its settings and the environment say; panics with the report if it fails.
pub(crate) fn run_test(name: &str, options: Options, run: impl Runs) {
    let lock = lock_hash();
    let harness = Harness { name, options, lock, run };
    let result = match ROW.take() {
        Some(case) => harness.replay(&case, false),
        None => Settings::of_environment().and_then(|settings| match &settings.replay {
            Some(case) => harness.replay(case, true),
            None => harness.seeds(&settings),
        }),
    };
    match result {
        Ok(summary) => println!("{summary}"),
        Err(report) => panic!("{report}"),
    }
}

/// What all seeds of a test came to.
#[derive(Debug, Default)]
struct Sum {
    seeds: u64,
    events: u64,
    simulated: Duration,
    /// In runs, on a real clock; making a case smaller is none of it.
    spent: Duration,
    faults: Counts,
    befell: Befell,
    points: BTreeMap<&'static str, bool>,
    failed: u64,
    /// The first [`FAILURES_TOLD_MAX`].
    failures: Vec<Failure>,
}

/// A seed that failed.
#[derive(Debug)]
struct Failure {
    seed: u64,
    /// What was violated, in that seed.
    why: String,
    /// What a person reads.
    report: String,
}

impl Sum {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.events += outcome.events;
        self.simulated += outcome.simulated;
        self.faults.merge(&outcome.faults);
        for (what, times) in &outcome.befell {
            *self.befell.entry(what).or_default() += times;
        }
        for (name, fired) in &outcome.points {
            *self.points.entry(name).or_default() |= fired;
        }
    }
}

/// How to run cases of a test.
pub(crate) trait Runs {
    /// Once.
    fn one(&self, case: &Case, look: Look) -> Outcome;

    /// Some, in order, up to the first that fails or sooner; at least the first.
    fn some(&self, cases: &[Case]) -> Vec<Outcome> {
        cases.first().map(|case| self.one(case, Look::default())).into_iter().collect()
    }
}

impl<F: Fn(&Case, Look) -> Outcome> Runs for F {
    fn one(&self, case: &Case, look: Look) -> Outcome {
        self(case, look)
    }
}

/// One test and how to run a case of it.
pub(crate) struct Harness<'a, F> {
    /// With module, as `crate::module::name`.
    pub(crate) name: &'a str,
    pub(crate) options: Options,
    pub(crate) lock: u16,
    /// Runs a case once.
    pub(crate) run: F,
}

impl<F: Runs> Harness<'_, F> {
    /// All seeds, up to the first that fails unless a summary of all is wanted; the error is what to tell of those
    /// that failed.
    pub(crate) fn seeds(&self, settings: &Settings) -> Result<String, String> {
        let first = settings.first.unwrap_or(0);
        let count = settings.seeds.or(self.options.seeds).unwrap_or(SEEDS_DEFAULT);
        let mut sum = Sum::default();
        let (buggify, store) = (!settings.no_points, &settings.store);
        let case = |seed| Case { buggify, store: store.clone(), ..Case::of_seed(seed) };
        let mut left = (first..=u64::MAX).take(usize::try_from(count).unwrap_or(usize::MAX)).map(case);
        let mut next: Vec<Case> = left.by_ref().take(AT_ONCE).collect();
        while !next.is_empty() {
            // One that runs twice ends its batch: runs follow each other as they would one by one.
            let ends = next.iter().position(|case| runs_twice(case.seed - first));
            let batch = &next[..ends.map_or(next.len(), |at| at + 1)];
            let ran = self.some(batch, first, settings.summary, &mut sum);
            if sum.failed > 0 && settings.summary != Some(Summary::All) {
                break;
            }
            next.drain(..ran);
            next.extend(left.by_ref().take(ran));
        }
        if settings.summary.is_some() {
            println!("{}", report::for_programs(self.name, self.options.package, first, &sum));
        }
        match sum.failures.is_empty() {
            true => Ok(report::summary(self.name, &sum)),
            false => Err(report::failures(&sum)),
        }
    }

    /// Some seeds of many, from the front; says how many were run.
    fn some(&self, cases: &[Case], first: u64, summary: Option<Summary>, sum: &mut Sum) -> usize {
        let began = Instant::now();
        let outcomes = self.run.some(cases);
        let spent = began.elapsed();
        sum.spent += spent;
        let took = spent / u32::try_from(outcomes.len()).unwrap_or(u32::MAX).max(1);
        for (case, outcome) in cases.iter().zip(&outcomes) {
            self.seed(case, outcome, (took, runs_twice(case.seed - first)), summary, sum);
            if sum.failed > 0 && summary != Some(Summary::All) {
                break;
            }
        }
        outcomes.len()
    }

    /// What a seed came to, which took so long; and whether it comes to the same `twice`.
    fn seed(
        &self,
        case: &Case,
        outcome: &Outcome,
        (took, twice): (Duration, bool),
        summary: Option<Summary>,
        sum: &mut Sum,
    ) {
        sum.add(outcome);
        let began = Instant::now();
        let again = (twice && outcome.failure.is_none()).then(|| self.twice(case, outcome.hash));
        sum.spent += began.elapsed();
        let report = match (&outcome.failure, again) {
            (None, None | Some(Ok(()))) => return,
            (None, Some(Err(report))) => Some(report),
            (Some(_), _) => None,
        };
        sum.failed += 1;
        if sum.failures.len() == FAILURES_TOLD_MAX {
            return;
        }
        let why = outcome.failure.clone().or(report.clone()).unwrap_or_default();
        let report = match summary {
            Some(Summary::First) => why.clone(),
            _ => report.unwrap_or_else(|| self.failed(case, &why, outcome, took)),
        };
        sum.failures.push(Failure { seed: case.seed, why, report });
    }

    /// One case, to be looked at.
    pub(crate) fn replay(&self, text: &str, with_trace: bool) -> Result<String, String> {
        let case: Case = text.parse().map_err(|why| format!("`{text}`: {why}"))?;
        case.check_lock(self.lock).map_err(|why| format!("`{text}`: {why}"))?;
        let outcome = self.run.one(&case, Look { trace: with_trace, ..Look::default() });
        if let Some(trace) = &outcome.trace {
            println!("{}", report::tail(trace, TRACE_LINES_MAX));
        }
        let hash = outcome.hash;
        match outcome.failure {
            Some(why) => Err(format!(
                "{why}\n  case:   {case}\n  trace:  hash {hash:016x}{}",
                self.hint(&case, with_trace)
            )),
            None => Ok(format!("{}: `{case}` passes, trace hash {hash:016x}", self.name)),
        }
    }

    fn hint(&self, case: &Case, with_trace: bool) -> String {
        match with_trace {
            true => String::new(),
            false => format!("\n  replay: {}", self.command(case)),
        }
    }

    /// The same case again, under another entropy: another hash means that the run does not follow from the seed.
    fn twice(&self, case: &Case, hash: u64) -> Result<(), String> {
        let again = self.run.one(case, Look { trace: false, other_entropy: true });
        let same = again.hash == hash; // mutant harness-any-hash: let same = true;
        if same {
            return Ok(());
        }
        let traces =
            [false, true].map(|other_entropy| self.run.one(case, Look { trace: true, other_entropy }).trace);
        let told = match traces {
            [Some(a), Some(b)] => report::first_difference(&a, &b),
            _ => "no trace was kept".into(),
        };
        let case = Case { lock: Some(self.lock), ..case.clone() };
        Err(format!(
            "the run is not a function of its seed: seed {} of `{}` ran twice, and its traces differ\n  {told}\n  \
             often: the order of a HashMap, a clock, randomness or a thread in code of the test\n  replay: {}",
            case.seed,
            self.name,
            self.command(&case)
        ))
    }

    /// Makes it small and words it. `took`: what one run takes.
    fn failed(&self, case: &Case, why: &str, outcome: &Outcome, took: Duration) -> String {
        let found = Case { lock: Some(self.lock), ..case.clone() };
        let explicit = Case {
            faults: Some(outcome.planned.clone()),
            topology: outcome.topology.clone(),
            store: outcome.store.clone(),
            ..case.clone()
        };
        let kind = kind_of(why);
        let fails = |case: &Case| {
            self.run.one(case, Look::default()).failure.is_some_and(|why| kind_of(&why) == kind)
        };
        let small = fails(&explicit).then(|| {
            let began = Instant::now();
            let affordable = MINIMISE_FOR.as_nanos() / took.as_nanos().max(1);
            let runs_max = u32::try_from(affordable).unwrap_or(u32::MAX).min(MINIMISE_RUNS_MAX);
            minimise(explicit, runs_max, |case| began.elapsed() < MINIMISE_FOR && fails(case))
        });
        let small = small.unwrap_or_else(|| Minimised { case: case.clone(), runs: 0 });
        let last = self.run.one(&small.case, Look::default()).failure.unwrap_or_else(|| why.to_owned());
        report::failure(&report::Failed {
            name: self.name,
            found: &found,
            why: &last,
            faults: outcome.planned.len(),
            small: &small,
            command: &self.command(&Case { lock: Some(self.lock), ..small.case.clone() }),
        })
    }

    /// What runs that case again, in a shell.
    fn command(&self, case: &Case) -> String {
        format!("NIGH_SIM='{case}' cargo test -p {} {}", self.options.package, report::test_name(self.name))
    }
}

/// Of the seed of this number in its test.
fn runs_twice(number: u64) -> bool {
    let twice = number.is_multiple_of(TWICE_EVERY); // mutant harness-never-twice: let twice = number == u64::MAX;
    twice
}

/// What was violated, without what it saw: a smaller case fails for the same reason.
fn kind_of(why: &str) -> &str {
    why.split(':').next().unwrap_or(why)
}

/// Short hash of the lock file of this build: other versions of crates are another program. 0 without one.
fn lock_hash() -> u16 {
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let files = Path::new(&here).ancestors().map(|folder| folder.join("Cargo.lock"));
    let text = files.filter_map(|file| std::fs::read(file).ok()).next().unwrap_or_default();
    match text.is_empty() {
        true => 0,
        false => u16::from_be_bytes(*blake3::hash(&text).as_bytes().first_chunk().expect("a hash is longer")),
    }
}

#[cfg(test)]
mod tests;
