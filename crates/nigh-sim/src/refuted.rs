//! Tests of tests: that a scenario does fail, and that a run is what it was.
//!
//! A judge that never objects looks as one that has nothing to object to. [`refuted`] runs what must not pass.

use std::sync::Arc;

use crate::case::Case;
use crate::harness::{Harness, Look, Options, Settings};
use crate::run::{Scenario, alone};
use crate::sim::{Kept, Sim};

/// Runs the seeds below `seeds` until one fails, and returns its report: for tests of tests, which plant a mistake and see
/// that it is found.
///
/// # Panics
///
/// If none fails.
pub fn refuted(scenario: fn(&mut Sim), seeds: u64) -> String {
    let options = Options { package: "this", seeds: Some(seeds) };
    let run = Scenario { kept: Arc::default(), scenario };
    let harness = Harness { name: "this::scenario", options, lock: 0, run };
    match harness.seeds(&Settings::default()) {
        Ok(summary) => panic!("none of {seeds} seeds fails: {summary}"),
        Err(report) => report,
    }
}

/// What each of these seeds comes to: its topology, the hash of its trace. Stands in for a replay in tests that pin them.
///
/// # Panics
///
/// If one fails.
pub fn trace_hashes(scenario: fn(&mut Sim), seeds: &[u64]) -> Vec<(String, u64)> {
    let kept = Arc::new(Kept::default());
    let hash = |seed: &u64| {
        let outcome = alone(&Case::of_seed(*seed), Look::default(), &kept, scenario);
        assert_eq!(outcome.failure, None, "seed {seed}");
        (outcome.topology.unwrap_or_default(), outcome.hash)
    };
    seeds.iter().map(hash).collect()
}
