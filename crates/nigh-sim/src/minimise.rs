//! Makes a failing case small, so that a person can read it: fewer faults, fewer clients, fewer steps, shorter.
//!
//! Greedy: each change that still fails stays. Then the questions whether the disk, chance in our own code and
//! the order of tasks matter at all.

use std::time::Duration;

use crate::case::Case;
use crate::plan::Planned;
use crate::sim::Store;

/// What the test has is not known here; more clients or steps than this are not tried.
const CLIENTS_TRIED_MAX: u16 = 64;
const TIMES_TRIED_MAX: u32 = 4_096;
/// A duration shorter than this is as good as none.
const DURATION_MIN: Duration = Duration::from_millis(1);

/// The smallest case found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Minimised {
    pub(crate) case: Case,
    /// How many runs it took.
    pub(crate) runs: u32,
}

/// Makes `case`, which fails and whose faults are explicit, smaller in at most `runs_max` runs.
pub(crate) fn minimise(case: Case, runs_max: u32, still_fails: impl FnMut(&Case) -> bool) -> Minimised {
    let mut search = Search { case, runs: 0, runs_max, still_fails };
    loop {
        let before = search.case.clone();
        search.drop_faults();
        search.drop_clients();
        search.drop_times();
        search.shorten();
        search.simplify();
        if search.case == before || search.runs >= runs_max {
            return Minimised { case: search.case, runs: search.runs };
        }
    }
}

struct Search<F> {
    case: Case,
    runs: u32,
    runs_max: u32,
    still_fails: F,
}

impl<F: FnMut(&Case) -> bool> Search<F> {
    /// True, and the case is the changed one, if that still fails.
    fn try_with(&mut self, change: impl FnOnce(&mut Case)) -> bool {
        let mut smaller = self.case.clone();
        change(&mut smaller);
        if self.runs >= self.runs_max || smaller == self.case {
            return false;
        }
        self.runs += 1;
        let fails = (self.still_fails)(&smaller); // mutant minimise-believes: let fails = true;
        if fails {
            self.case = smaller;
        }
        fails
    }

    fn faults(&self) -> &[Planned] {
        self.case.faults.as_deref().unwrap_or_default()
    }

    /// All of them, halves, quarters, singles.
    fn drop_faults(&mut self) {
        let mut size = self.faults().len();
        while size > 0 {
            let mut from = 0;
            while from < self.faults().len() {
                let to = (from + size).min(self.faults().len());
                let dropped =
                    self.try_with(|case| drop(case.faults.as_mut().map(|faults| faults.drain(from..to))));
                if !dropped {
                    from = to;
                }
            }
            size /= 2;
        }
    }

    fn drop_clients(&mut self) {
        let upper = self.case.clients_max.unwrap_or(CLIENTS_TRIED_MAX);
        let mut tried = 1;
        while tried < upper && !self.try_with(|case| case.clients_max = Some(tried)) {
            tried += tried.div_ceil(2);
        }
    }

    fn drop_times(&mut self) {
        let upper = self.case.times_max.unwrap_or(TIMES_TRIED_MAX);
        let mut tried = 1;
        while tried < upper && !self.try_with(|case| case.times_max = Some(tried)) {
            tried += tried.div_ceil(2);
        }
    }

    /// Each duration of each fault, to a half as often as that still fails.
    fn shorten(&mut self) {
        for fault in 0..self.faults().len() {
            for which in
                0..self.case.faults.as_mut().map_or(0, |faults| faults[fault].fault.durations().len())
            {
                while self.try_with(|case| {
                    let faults = case.faults.as_mut().expect("one was just counted");
                    let duration = &mut *faults[fault].fault.durations()[which];
                    if *duration > DURATION_MIN {
                        // Whole milliseconds read better.
                        let half = u64::try_from(duration.as_millis() / 2).unwrap_or(u64::MAX);
                        *duration = Duration::from_millis(half).max(DURATION_MIN);
                    }
                }) {}
            }
        }
    }

    /// Is it the disk, is it our own rare paths, is it the schedule?
    fn simplify(&mut self) {
        let (disk, memory) = (Store::Disk.name(), Store::Memory.name());
        if self.case.store.as_deref() == Some(disk) {
            self.try_with(|case| case.store = Some(memory.to_owned())); // mutant minimise-keeps-disk: drop(memory.to_owned());
        }
        self.try_with(|case| case.buggify = false);
        self.try_with(|case| case.fifo = true);
    }
}

#[cfg(test)]
mod tests;
