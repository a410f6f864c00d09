//! `#[nigh_sim::test]` as users write it: how many runs, and what a failing one says.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

use nigh::prelude::*;
use nigh_sim::{Sim, Topology};

#[derive(Debug, Default, State)]
struct Counter {
    count: u64,
}

#[nigh::entity(key = String)]
impl Counter {
    pub fn increment(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

/// Clients who count, at most this high.
fn counting(sim: &mut Sim, most: u64) {
    sim.app(|| App::new("counter").entity::<Counter>());
    sim.clients(3, move |client| async move {
        for _ in client.times(4) {
            let count = client.call(Counter::at("a").increment()).await.unwrap_or(0);
            assert!(count <= most, "no coffee");
        }
    });
}

/// Its documentation stays.
#[nigh_sim::test]
fn plain(sim: &mut Sim) {
    counting(sim, 12);
}

/// Three seeds are four runs: the first one runs twice.
#[nigh_sim::test(seeds = 3)]
fn three(sim: &mut nigh_sim::Sim) {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    assert!(RUNS.fetch_add(1, Ordering::Relaxed) < 4, "a fifth run");
    counting(sim, 12);
}

#[nigh_sim::test(seeds = 4)]
#[should_panic(expected = "a fifth run")]
fn four(sim: &mut Sim) {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    assert!(RUNS.fetch_add(1, Ordering::Relaxed) < 4, "a fifth run");
    counting(sim, 12);
}

#[nigh_sim::test]
#[should_panic(expected = "no coffee")]
fn failing(sim: &mut Sim) {
    sim.on(&[Topology::TwoWebs]);
    counting(sim, 11);
}

#[nigh_sim::test(seeds = 3)]
#[should_panic(expected = "no scenario")]
fn not_described(_: &mut Sim) {
    panic!("no scenario");
}

#[test]
fn a_failing_seed_says_how_to_see_it_again() {
    let panic = catch_unwind(failing).expect_err("some seed loses no increment");
    let report = panic.downcast_ref::<String>().expect("a report is text");
    assert!(report.starts_with("a client panicked: client "), "{report}");
    assert!(report.contains(": no coffee (at crates/nigh-sim/tests/attribute.rs:"), "{report}");
    let line = |start: &str| {
        let line = report.lines().find_map(|line| line.trim_start().strip_prefix(start));
        line.unwrap_or_else(|| panic!("no `{start}`:\n{report}")).to_owned()
    };
    let replay = line("replay: NIGH_SIM='");
    assert!(replay.starts_with("seed=") && replay.ends_with("' cargo test -p nigh-sim failing"), "{report}");
    let row = line("row:    nigh_sim::row(failing, \"");
    let case = row.strip_suffix("\");").expect("a row is code");
    assert!(catch_unwind(|| nigh_sim::row(failing, case)).is_err(), "{case} fails again");
    nigh_sim::row(plain, "seed=8 on=one-process");
    nigh_sim::row(plain, "seed=8 on=one-process store=disk");
}
