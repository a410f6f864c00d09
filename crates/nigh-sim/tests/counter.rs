//! A small application under everything a plan can do, as a user would write it.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]

use std::time::Duration;

use nigh::prelude::*;
use nigh::{CallError, Cause};
use nigh_sim::{Durable, Sim, Store, trips};

/// A quarter of a simulation is allocations: this makes more seeds of an hour.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is counted.
#[derive(Debug, Default, State)]
pub struct Counter {
    count: u64,
    taken: u64,
    ever: u64,
    rolled: u64,
}

/// Counts.
#[nigh::entity(key = String)]
impl Counter {
    /// One more.
    pub fn increment(&mut self) -> u64 {
        self.count += 1;
        self.ever += 1;
        self.count
    }
    /// Takes some, if there are so many.
    pub fn take(&mut self, most: u64) -> Result<u64, u64> {
        self.count = self.count.checked_sub(most).ok_or(self.count)?;
        self.taken += most;
        Ok(self.count)
    }
    /// Keeps a number that follows from the time and from chance.
    pub fn roll(&mut self, tx: &mut Tx<Self>) -> u64 {
        self.rolled = tx.random() ^ tx.now().as_nanos();
        self.rolled
    }
    /// Counts, and fails.
    pub fn stumble(&mut self) {
        self.ever += 1;
        panic!("of {}", self.ever)
    }
    /// How many.
    pub fn count(&self) -> u64 {
        self.count
    }
    /// Says how many there ever were, and fails.
    pub fn lament(&self) -> u64 {
        panic!("{}", self.ever)
    }
}

fn adds_up(durable: &Durable<'_>) -> bool {
    durable.all::<Counter>().all(|(_, counter)| counter.count + counter.taken == counter.ever)
}

fn counting(sim: &mut Sim) {
    sim.app(|| nigh::App::new("counter").entity::<Counter>());
    sim.clients(3, |mut client| async move {
        for _ in client.times(20) {
            let key = *client.pick(&["a", "b", "c"]);
            match client.draw(6) {
                0 => drop(client.call(Counter::at(key).count()).await),
                1 => {
                    let most = client.draw(3);
                    drop(client.call(Counter::at(key).take(most)).await);
                }
                2 => drop(client.call(Counter::at(key).increment()).within(Duration::from_millis(300)).await),
                3 => {
                    let key_of_try = format!("{}", client.draw(6));
                    drop(client.call(Counter::at(key).increment()).once(key_of_try).await);
                }
                4 => drop(client.call(Counter::at(key).roll()).await),
                _ => drop(client.call(Counter::at(key).increment()).await),
            }
            let pause = Duration::from_millis(client.draw(60));
            client.sleep(pause).await;
        }
    });
    sim.always("what was counted is there or was taken", adds_up);
    sim.budget(Counter::at("a").increment(), trips(1).bytes(400));
}

#[nigh_sim::test]
fn counters_count(sim: &mut Sim) {
    counting(sim);
}

#[nigh_sim::test]
fn counters_count_on_disk(sim: &mut Sim) {
    counting(sim);
    sim.stores(&[Store::Disk]);
}

/// R6, R7: what a view says when it panics is of what is durable, too: it never turns out not to have been.
#[nigh_sim::test]
fn a_view_that_panics_tells_nothing_early(sim: &mut Sim) {
    sim.app(|| nigh::App::new("counter").entity::<Counter>());
    sim.clients(3, |client| async move {
        let mut seen = 0;
        for _ in client.times(15) {
            drop(client.call(Counter::at("a").increment()).within(Duration::from_millis(500)).await);
            match client.call(Counter::at("a").lament()).await {
                Err(CallError::NotDone(Cause::Panicked(ever))) => {
                    let ever: u64 = ever.parse().expect("it says how many");
                    assert!(ever >= seen, "told of {seen}, and of {ever} later");
                    seen = ever;
                }
                other => assert!(matches!(other, Err(CallError::NotDone(_) | CallError::Overloaded { .. }))),
            }
            client.sleep(Duration::from_millis(20)).await;
        }
    });
}

/// R4, R14: what a method did before it panicked is undone, and who asked for it is not remembered call by call.
#[nigh_sim::test]
fn what_panics_leaves_nothing(sim: &mut Sim) {
    sim.app(|| nigh::App::new("counter").entity::<Counter>());
    sim.clients(2, |client| async move {
        for _ in client.times(10) {
            match client.call(Counter::at("a").stumble()).await {
                Err(CallError::NotDone(Cause::Panicked(why))) => assert_eq!(why, "of 1"),
                other => assert!(
                    !matches!(other, Ok(()) | Err(CallError::NotDone(Cause::Malformed(_)))),
                    "{other:?}"
                ),
            }
            client.sleep(Duration::from_millis(20)).await;
        }
    });
    sim.always("what panicked is undone", |durable| {
        durable.all::<Counter>().all(|(_, counter)| counter.ever == 0)
    });
}

/// Nobody asks anything for ten minutes: links are kept, shards are swept, and a run takes no time to speak of.
#[nigh_sim::test(seeds = 5)]
fn idle_processes_cost_little(sim: &mut Sim) {
    sim.app(|| nigh::App::new("counter").entity::<Counter>());
    sim.on(&[nigh_sim::Topology::TwoOwners]);
    sim.clients(1, |client| async move {
        client.sleep(Duration::from_secs(600)).await;
        drop(client.call(Counter::at("a").increment()).await);
    });
}

/// Seeds that failed once. What they found: what a pause had put off waited for its end, though all faults had ended; the
/// name of a file that a first start had not lived to sync was taken for lasting; and a sync that began while syncs took six
/// seconds took them, though all faults had ended.
#[test]
#[rustfmt::skip] // Rows are read as columns.
fn what_failed_once_passes() {
    nigh_sim::row(counters_count, "seed=179529242201542 sim=3 on=two-owners clients=3 times=18 faults=[488ms pause 0 for 265ms, 854ms lose 3 0 later 1ms, 870ms lose 3 0 never, 939ms pause 2 for 4364ms]");
    nigh_sim::row(counters_count_on_disk, "seed=179532555810650 sim=3 on=two-webs store=disk clients=1 times=1 fifo=yes faults=[]");
    nigh_sim::row(counters_count_on_disk, "seed=179539900120289 sim=3 on=two-webs store=disk clients=3 times=8 faults=[845ms cut-both 2 0 for 305ms, 846ms cut-both 1 0 for 583ms, 854ms sync-slow 0 by 5849ms for 135ms]");
}
