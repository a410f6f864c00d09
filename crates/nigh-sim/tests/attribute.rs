//! `#[nigh_sim::test]` as users write it.

use std::cell::Cell;
use std::panic::catch_unwind;

use nigh_sim::Sim;

thread_local! {
    static RUNS: Cell<u64> = const { Cell::new(0) };
}

/// Its documentation stays.
#[nigh_sim::test]
fn plain(sim: &mut Sim) {
    assert!(sim.seed() < u64::MAX);
}

#[nigh_sim::test(seeds = 3)]
fn counted(_: &mut nigh_sim::Sim) {
    RUNS.set(RUNS.get() + 1);
}

#[nigh_sim::test]
#[should_panic(expected = "no coffee")]
fn failing(sim: &mut Sim) {
    assert!(sim.seed() < 9, "no coffee");
}

#[test]
fn the_attribute_says_how_many() {
    counted();
    // The first seed runs twice.
    assert_eq!(RUNS.get(), 4);
    nigh_sim::row(counted, "seed=100");
    assert_eq!(RUNS.get(), 5);
}

#[test]
fn a_failing_seed_says_how_to_see_it_again() {
    let panic = catch_unwind(failing).expect_err("seed 9 fails");
    let report = panic.downcast_ref::<String>().expect("a report is text");
    assert!(report.starts_with("no coffee (at crates/nigh-sim/tests/attribute.rs:"), "{report}");
    let command = "NIGH_SIM='seed=9 sim=1 lock=";
    assert!(report.contains(command) && report.contains("' cargo test -p nigh-sim failing\n"), "{report}");
    assert!(report.contains("nigh_sim::row(failing, \"seed=9 sim=1 "), "{report}");
    nigh_sim::row(failing, "seed=8");
    assert!(catch_unwind(|| nigh_sim::row(failing, "seed=9")).is_err());
}
