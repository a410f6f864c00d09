//! A range of seeds of one scenario in a process of its own, and many such beside each other.

use std::sync::Mutex;
use std::time::Duration;

use super::scenarios::{Built, Scenario};
use super::totals::Totals;
use crate::binaries::{self, Ending};
use crate::mutants::CHOICE;

/// Settings of nigh-sim's harness that are ours to set.
const SETTINGS: [&str; 5] =
    ["NIGH_SIM", "NIGH_SIM_SEEDS", "NIGH_SIM_FIRST", "NIGH_SIM_BUGGIFY", "NIGH_SIM_SUMMARY"];

/// What to do about a seed that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Go on; tell the first ones in full.
    All,
    /// Stop there, and say which it was.
    First,
}

/// One process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) first: u64,
    pub(crate) seeds: u64,
    pub(crate) mode: Mode,
    /// Points of `buggify!` fire.
    pub(crate) points: bool,
    /// Chosen in the copy that has them.
    pub(crate) mutant: Option<&'a str>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Ran {
    Summed(Totals),
    /// It hung or died: no seed can be blamed.
    Bad(String),
}

impl Batch<'_> {
    pub(crate) fn run(&self, libraries: &str, patience: Duration) -> Ran {
        let mut command = self.scenario.binary.command(libraries);
        for name in SETTINGS {
            command.env_remove(name);
        }
        command.env_remove(CHOICE).envs(self.mutant.map(|name| (CHOICE, name)));
        command
            .args([&self.scenario.test, "--exact", "--nocapture", "--test-threads=1"])
            .env("NIGH_SIM_FIRST", self.first.to_string())
            .env("NIGH_SIM_SEEDS", self.seeds.to_string())
            .env("NIGH_SIM_BUGGIFY", if self.points { "yes" } else { "no" })
            .env("NIGH_SIM_SUMMARY", if self.mode == Mode::All { "all" } else { "first" });
        let mut totals = None;
        let ending = binaries::watch(&mut command, patience, |line| {
            totals = totals.take().or_else(|| Totals::read(line));
            false
        });
        let how = match (totals, ending.map(|watched| watched.ending)) {
            (Some(totals), Ok(Ending::Ended(_))) => return Ran::Summed(totals),
            (_, Ok(Ending::Hung)) => format!("is not done after {} s", patience.as_secs()),
            (_, Ok(Ending::Ended(status))) => format!("ends without a summary, {status}"),
            (_, Ok(Ending::Stopped)) => "was stopped".into(),
            (_, Err(error)) => format!("does not start: {error}"),
        };
        let (last, path) = (self.first.saturating_add(self.seeds - 1), self.scenario.binary.path.display());
        Ran::Bad(format!(
            "{} {how}, seeds {} to {last}; see NIGH_SIM_FIRST={} NIGH_SIM_SEEDS={} {path} {} --exact --nocapture",
            self.scenario.name, self.first, self.first, self.seeds, self.scenario.test
        ))
    }
}

/// Runs them, as many at once as there are cores; results are in the order in which they end.
pub(crate) fn all<'a>(
    batches: impl Iterator<Item = (usize, Batch<'a>)> + Send,
    built: &Built,
    patience: Duration,
) -> Vec<(usize, Ran)> {
    let (batches, ran) = (Mutex::new(batches), Mutex::new(Vec::new()));
    on_each_core(|| {
        // The lock is held while the next is taken, not while it runs.
        while let Some((index, batch)) = { locked(&batches).next() } {
            let result = batch.run(&built.libraries, patience);
            locked(&ran).push((index, result));
        }
    });
    ran.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Runs the same on as many threads as there are cores, until all have ended.
pub(crate) fn on_each_core(work: impl Fn() + Sync) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(&work))));
}

/// A thread that panicked has left nothing half done here, and ends the scope with its panic.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
