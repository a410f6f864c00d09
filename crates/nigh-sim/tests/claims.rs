//! Methods that say of themselves what is not so: each is refuted, and shown as two histories; true claims pass.
//!
//! [`check`] runs one lie in an application of its own. What an entity can claim: that calls commute (`#[commutes]`),
//! that it only reads (`&self`); what a service can: that it bears being asked twice (`#[idempotent]`).

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nigh::prelude::*;
use nigh_sim::{Client, Sim, refuted};
use nigh_wire::{Builder, DecodeError, NodeId, Out, Reader};

/// A lie that takes longer to find is found too late.
const SEEDS_MAX: u64 = 200;

/// Each of these words is in the report.
#[track_caller]
fn check(scenario: fn(&mut Sim), words: &[&str]) {
    let report = refuted(scenario, SEEDS_MAX);
    for word in words {
        assert!(report.contains(word), "`{word}` is missing:\n{report}");
    }
}

/// Some clients that ask this a few times each.
fn asking<W: Future<Output = ()> + Send + 'static>(
    sim: &mut Sim,
    ask: impl Fn(Nigh, u64) -> W + Copy + Send + Sync + 'static,
) {
    sim.clients(2, move |mut client: Client| async move {
        for _ in client.times(6) {
            let n = client.draw(4);
            ask(client.clone(), n).await;
        }
    });
}

#[derive(Debug, Default, State)]
struct Tally {
    count: u64,
    last: u64,
    most: u64,
    seen: Map<u64, bool>,
}

/// Says of all its methods that they commute.
#[nigh::entity(key = String)]
impl Tally {
    /// A lie: twice is more than once.
    #[commutes]
    pub fn increment(&mut self) {
        self.count += 1;
    }
    /// A lie: the last one wins.
    #[commutes]
    pub fn overwrite(&mut self, n: u64) {
        self.last = n;
    }
    /// True.
    #[commutes]
    pub fn raise(&mut self, n: u64) {
        self.most = self.most.max(n);
    }
    /// True.
    #[commutes]
    pub fn see(&mut self, n: u64) {
        self.seen.insert(n, true);
    }
}

fn increments(sim: &mut Sim) {
    sim.app(|| App::new("tally").entity::<Tally>());
    asking(sim, async |nigh, _| drop(nigh.call(Tally::at("a").increment()).await));
}

fn overwrites(sim: &mut Sim) {
    sim.app(|| App::new("tally").entity::<Tally>());
    asking(sim, async |nigh, n| drop(nigh.call(Tally::at("a").overwrite(n)).await));
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn what_does_not_commute_is_told() {
    check(increments, &["delivery claims", "`Tally.increment` is said to commute: it matters that it ran twice", "increment, then increment", " | ", "{\"count\":\"1\"", "{\"count\":\"2\""]);
    check(overwrites, &["delivery claims", "`Tally.overwrite` is said to commute: order matters", "overwrite, then overwrite", " | "]);
}

#[nigh_sim::test]
fn what_commutes_passes(sim: &mut Sim) {
    sim.app(|| App::new("tally").entity::<Tally>());
    asking(sim, async |nigh, n| {
        drop(nigh.call(Tally::at("a").raise(n)).await);
        drop(nigh.call(Tally::at("a").see(n)).await);
    });
}

/// Counts what it is asked, which is no state: a view can reach a static.
#[derive(Debug, Default, State)]
struct Watched {
    value: u64,
}

static LOOKS: AtomicU64 = AtomicU64::new(0);

/// Says of its views that they only read.
#[nigh::entity(key = String)]
impl Watched {
    /// A lie: the next one sees another number.
    pub fn look(&self) -> u64 {
        self.value + LOOKS.fetch_add(1, Ordering::Relaxed)
    }
    /// True.
    pub fn value(&self) -> u64 {
        self.value
    }
    /// So that there is something to look at.
    pub fn set(&mut self, n: u64) {
        self.value = n;
    }
}

fn looks(sim: &mut Sim) {
    sim.app(|| App::new("watched").entity::<Watched>());
    asking(sim, async |nigh, _| drop(nigh.call(Watched::at("a").look()).await));
}

/// A number that changes behind `&self`: `#[derive(Wire)]` writes none, by hand one can.
#[derive(Debug, Default)]
struct Hidden(AtomicU64);

impl Wire for Hidden {
    const MIN: usize = <u64 as Wire>::MIN;
    type Shape = ();
    fn node(builder: &mut Builder) -> NodeId {
        u64::node(builder)
    }
    fn encode(&self, out: &mut Out) {
        self.0.load(Ordering::Relaxed).encode(out);
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u64::decode(reader).map(|looks| Hidden(AtomicU64::new(looks)))
    }
}

/// Counts within its state, which no record has.
#[derive(Debug, Default, State)]
struct Popular {
    looks: Hidden,
}

#[nigh::entity(key = String)]
impl Popular {
    /// A lie: it changes the state, and answers the same.
    pub fn look(&self) -> u64 {
        self.looks.0.fetch_add(1, Ordering::Relaxed);
        7
    }
}

fn looks_inside(sim: &mut Sim) {
    sim.app(|| App::new("popular").entity::<Popular>());
    asking(sim, async |nigh, _| drop(nigh.call(Popular::at("a").look()).await));
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn views_that_change_are_told() {
    check(looks, &["delivery claims", "`Watched.look` changes something that the next one sees", "the first time", "the second time", " | "]);
    check(looks_inside, &["delivery claims", "`Popular.look` changes something that the next one sees", "before", "look({}) -> Ok(0x07)", " | "]);
}

#[nigh_sim::test]
fn views_that_read_pass(sim: &mut Sim) {
    sim.app(|| App::new("watched").entity::<Watched>());
    asking(sim, async |nigh, n| {
        drop(nigh.call(Watched::at("a").set(n)).await);
        drop(nigh.call(Watched::at("a").value()).await);
    });
}

/// Does another thing each time.
#[derive(Debug, Default, State)]
struct Drifting {
    value: u64,
}

/// Says nothing, and is wrong: a method that runs again on another process must do the same.
#[nigh::entity(key = String)]
impl Drifting {
    pub fn of_a_static(&mut self) {
        self.value = LOOKS.fetch_add(1, Ordering::Relaxed);
    }
    pub fn of_a_point(&mut self) {
        self.value += if nigh::buggify!("drifting.twice") { 2 } else { 1 };
    }
}

fn drifts(sim: &mut Sim) {
    sim.app(|| App::new("drifting").entity::<Drifting>());
    asking(sim, async |nigh, _| drop(nigh.call(Drifting::at("a").of_a_static()).await));
}

fn drifts_by_a_point(sim: &mut Sim) {
    sim.app(|| App::new("drifting").entity::<Drifting>());
    asking(sim, async |nigh, _| drop(nigh.call(Drifting::at("a").of_a_point()).await));
}

#[test]
fn methods_that_drift_are_told() {
    check(drifts, &["the log is what the code does", "of_a_static"]);
    check(drifts_by_a_point, &["the log is what the code does", "of_a_point"]);
}

/// The outside.
#[nigh::service]
trait Bank {
    /// Says that it may be asked twice.
    #[idempotent]
    async fn charge(&self, asked: Asked, cents: u64) -> u64;
}

/// Charges each time.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicU64>);

impl Bank for Counting {
    async fn charge(&self, _: Asked, cents: u64) -> u64 {
        self.0.fetch_add(cents, Ordering::Relaxed) + cents
    }
}

/// Charges once per token.
#[derive(Clone, Default)]
struct Remembering(Arc<Mutex<BTreeMap<String, u64>>>);

impl Bank for Remembering {
    async fn charge(&self, asked: Asked, cents: u64) -> u64 {
        let mut charged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before: u64 = charged.values().sum();
        *charged.entry(asked.token()).or_insert(before + cents)
    }
}

fn bank() -> App {
    App::new("bank").entity::<Watched>().service::<dyn Bank>(Counting::default())
}

fn charges(sim: &mut Sim) {
    sim.app(bank);
    sim.service::<dyn Bank>(Counting::default());
    asking(sim, async |nigh, _| drop(nigh.call(BankRef::any().charge(5)).await));
}

#[test]
fn a_service_that_counts_is_told() {
    check(
        charges,
        &["`Bank.charge` says `#[idempotent]`", "asked once", "asked again", " | ", "done: 5", "done: 10"],
    );
}

#[nigh_sim::test]
fn a_service_that_remembers_passes(sim: &mut Sim) {
    sim.app(bank);
    sim.service::<dyn Bank>(Remembering::default());
    asking(sim, async |nigh, _| drop(nigh.call(BankRef::any().charge(5)).await));
}

/// Stand-ins of [`Passing`] that are there.
static THERE: AtomicUsize = AtomicUsize::new(0);

/// Counts itself.
struct Passing(Remembering);

impl Passing {
    fn new() -> Self {
        THERE.fetch_add(1, Ordering::Relaxed);
        Passing(Remembering::default())
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        THERE.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Bank for Passing {
    async fn charge(&self, asked: Asked, cents: u64) -> u64 {
        self.0.charge(asked, cents).await
    }
}

/// Ten million seeds take the memory of one: found when 60,000 of the shop took 16 GB.
#[test]
fn a_run_leaves_nothing() {
    let passes = catch_unwind(|| {
        refuted(
            |sim| {
                sim.app(bank);
                sim.service::<dyn Bank>(Passing::new());
                asking(sim, async |nigh, _| drop(nigh.call(BankRef::any().charge(5)).await));
            },
            3,
        )
    });
    assert!(passes.is_err(), "none of 3 seeds fails");
    assert_eq!(THERE.load(Ordering::Relaxed), 0, "runs are over, and their stand-ins are there");
}

/// What passes is no lie.
#[test]
#[should_panic(expected = "none of 3 seeds fails")]
fn what_is_true_is_not_refuted() {
    refuted(
        |sim| {
            sim.app(|| App::new("tally").entity::<Tally>());
            asking(sim, async |nigh, n| drop(nigh.call(Tally::at("a").raise(n)).await));
        },
        3,
    );
}
