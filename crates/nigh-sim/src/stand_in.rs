//! A simulation without nodes: it has a seed, and its body may panic. Goes when nodes come.

use crate::case::Case;
use crate::harness::{self, Options, Outcome};
use crate::panics::caught;
use crate::points;

/// One run, as a test sees it.
#[derive(Debug)]
pub struct Sim {
    case: Case,
}

impl Sim {
    /// What all chance of this run comes from.
    pub fn seed(&self) -> u64 {
        self.case.seed
    }
}

/// What `#[nigh_sim::test]` calls.
pub fn run_test(name: &str, options: Options, body: fn(&mut Sim)) {
    harness::run_test(name, options, |case, _| {
        let points = points::Installed::new(case.seed, case.buggify);
        let failure = caught(|| body(&mut Sim { case: case.clone() })).err();
        Outcome { failure, points: points.visited(), ..Outcome::default() }
    });
}
