//! A run is a function of its seed: alone or after others, in this process or another, in debug or release.
//!
//! [`HASHES`] pins the traces of some seeds on all topologies. They change with whatever changes what nigh sends or
//! keeps, or what the simulator draws: then a failing test prints the new ones. That a seed no longer leads to the
//! same run is worth a rise of `SIM_VERSION`, since replay lines of before mean other runs.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nigh::prelude::*;
use nigh_sim::{Client, Sim, Store};

/// Of debug builds and of release builds.
const HASHES: [(u64, &str, u64); 6] = [
    (0, "two-webs", 0x86f6ad7f53e4cf6b),
    (1, "one-process", 0xb1dc71600ca5edfd),
    (2, "two-owners", 0xe2fe0b6df70f7688),
    (3, "two-owners", 0xf76cce44252292b2),
    (4, "two-webs", 0xcf612e6dfdf12014),
    (5, "two-owners", 0xebd7293536357a8d),
];

/// The same with the real store on a simulated disk; another release of redb may write other bytes.
const HASHES_ON_DISK: [(u64, &str, u64); 3] = [
    (0, "two-webs", 0x26d6c4cfb7b0f848),
    (1, "one-process", 0x3d4384c2246da15b),
    (2, "two-webs", 0xf2bfab6f941fd3cd),
];

/// Set for the second process, which prints instead of comparing.
const CHILD: &str = "NIGH_SIM_HASHES_OF_A_CHILD";

#[derive(Debug, Default, State)]
struct Ledger {
    sum: u64,
    lines: Map<u64, String>,
}

/// Uses all that an entity may: time, chance, a map, errors.
#[nigh::entity(key = String)]
impl Ledger {
    /// Adds a line.
    pub fn add(&mut self, tx: &mut Tx<Self>, text: String) -> Result<u64, String> {
        let number = tx.random() % 1_000;
        if self.lines.contains_key(&number) {
            return Err(text);
        }
        self.sum = self.sum.wrapping_add(tx.now().as_nanos());
        self.lines.insert(number, text);
        Ok(number)
    }
    /// Commutes: what is gone is gone.
    #[commutes]
    pub fn remove(&mut self, number: u64) {
        self.lines.remove(&number);
    }
    /// How many.
    pub fn lines(&self) -> u64 {
        self.lines.len() as u64
    }
}

/// The outside.
#[nigh::service]
trait Clock {
    /// Waits so long.
    async fn wait(&self, ms: u64) -> u64;
}

/// Waits in simulated time.
struct Waiting;

impl Clock for Waiting {
    async fn wait(&self, ms: u64) -> u64 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        ms
    }
}

fn ledger(sim: &mut Sim) {
    sim.app(|| App::new("ledger").entity::<Ledger>().service::<dyn Clock>(Waiting));
    sim.service::<dyn Clock>(Waiting);
    sim.clients(3, |mut client: Client| async move {
        for n in client.times(8) {
            let key = *client.pick(&["a", "b", "c"]);
            match client.draw(4) {
                0 => drop(client.call(Ledger::at(key).lines()).await),
                1 => drop(client.call(Ledger::at(key).remove(u64::from(n))).await),
                2 => drop(client.call(ClockRef::any().wait(u64::from(n))).await),
                _ => drop(client.call(Ledger::at(key).add(format!("line {n}"))).await),
            }
            let pause = Duration::from_micros(client.draw(50_000));
            client.sleep(pause).await;
        }
    });
}

fn on_disk(sim: &mut Sim) {
    ledger(sim);
    sim.stores(&[Store::Disk]);
}

/// Nothing in it draws entropy from the system, so that its seeds share a thread.
fn quiet(sim: &mut Sim) {
    sim.app(|| App::new("quiet").entity::<Ledger>());
    sim.clients(3, |mut client: Client| async move {
        for n in client.times(8) {
            drop(client.call(Ledger::at("a").add(format!("line {n}"))).await);
            let pause = Duration::from_micros(client.draw(50_000));
            client.sleep(pause).await;
        }
    });
}

thread_local! {
    static RUNS: Cell<u32> = {
        THREADS.fetch_add(1, Ordering::Relaxed);
        Cell::new(0)
    };
}
/// Threads on which `once_per_thread` ran.
static THREADS: AtomicU32 = AtomicU32::new(0);

/// Fails where it ran before: its author keeps something per thread.
fn once_per_thread(sim: &mut Sim) {
    quiet(sim);
    assert_eq!(RUNS.replace(1), 0, "it ran here before");
}

fn hashes(seeds: &[u64]) -> Vec<(u64, String, u64)> {
    hashes_of(ledger, seeds)
}

fn hashes_of(scenario: fn(&mut Sim), seeds: &[u64]) -> Vec<(u64, String, u64)> {
    let of = nigh_sim::__private::trace_hashes(scenario, seeds);
    of.into_iter().zip(seeds).map(|((topology, hash), seed)| (*seed, topology, hash)).collect()
}

fn lines(hashes: &[(u64, String, u64)]) -> String {
    hashes
        .iter()
        .map(|(seed, topology, hash)| format!("    ({seed}, \"{topology}\", 0x{hash:016x}),\n"))
        .collect()
}

fn pinned(hashes: &[(u64, &str, u64)]) -> Vec<(u64, String, u64)> {
    hashes.iter().map(|(seed, topology, hash)| (*seed, (*topology).to_owned(), *hash)).collect()
}

#[test]
fn hashes_are_the_recorded_ones() {
    let seeds = HASHES.map(|(seed, ..)| seed);
    let batch = hashes(&seeds);
    assert!(batch == pinned(&HASHES), "they are now:\n{}", lines(&batch));
    let topologies: std::collections::BTreeSet<&str> = HASHES.iter().map(|(_, of, _)| *of).collect();
    assert_eq!(topologies.len(), 3, "each topology has a seed");
}

#[test]
fn hashes_on_disk_are_the_recorded_ones() {
    let batch = hashes_of(on_disk, &HASHES_ON_DISK.map(|(seed, ..)| seed));
    assert!(batch == pinned(&HASHES_ON_DISK), "they are now:\n{}", lines(&batch));
}

#[test]
fn a_seed_alone_is_as_after_others() {
    let batch = hashes(&[9, 8, 7]);
    let alone: Vec<_> = [9, 8, 7].iter().flat_map(|seed| hashes(&[*seed])).collect();
    assert_eq!(batch, alone);
    assert_eq!(batch, hashes(&[9, 8, 7]), "and again");
}

#[test]
fn a_seed_alone_is_as_after_others_on_its_thread() {
    let batch = nigh_sim::__private::trace_hashes(quiet, &[9, 8, 7]);
    let alone = [9, 8, 7].iter().flat_map(|seed| nigh_sim::__private::trace_hashes(quiet, &[*seed]));
    assert_eq!(batch, alone.collect::<Vec<_>>());
}

#[test]
fn a_seed_that_fails_after_others_and_passes_alone_passes() {
    nigh_sim::__private::trace_hashes(once_per_thread, &[1, 2, 3]);
    // The first seed has a thread; the second fails there and has its own; the third begins a new one.
    assert_eq!(THREADS.load(Ordering::Relaxed), 3);
}

/// Addresses, and what a process draws once, are other ones there.
#[test]
#[expect(clippy::disallowed_methods, reason = "this test is two processes")]
fn another_process_agrees() {
    if std::env::var_os(CHILD).is_some() {
        // Other runs before it, and in another order.
        let mut mine = hashes(&[30, 5, 4, 3, 2, 1, 0]);
        mine.sort();
        let mut on_disk = hashes_of(on_disk, &[31, 2, 1, 0]);
        on_disk.sort();
        print!("{}{}", lines(&mine[..6]), lines(&on_disk[..3]));
        return;
    }
    let executable = std::env::current_exe().expect("a test is a file");
    let mut child = std::process::Command::new(executable);
    child.args(["another_process_agrees", "--exact", "--nocapture"]).env(CHILD, "1");
    let output = child.output().expect("it runs again");
    let printed = String::from_utf8_lossy(&output.stdout);
    let right = lines(&pinned(&HASHES)) + &lines(&pinned(&HASHES_ON_DISK));
    assert!(printed.contains(&right), "{printed}{}", String::from_utf8_lossy(&output.stderr));
}
