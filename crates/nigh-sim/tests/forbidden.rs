//! What code in a simulated test may not do, and what it is told; and what looks forbidden and is not.
//!
//! [`check`] runs one mistake. The application is the same: a bank's stand-in, and an account. What stand-ins ask of the
//! system is refused and named; what makes a run differ from itself is shown by its second run; what never ends is told
//! by whom.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]
#![expect(clippy::disallowed_methods, reason = "what is forbidden has to be tried")]

use std::collections::HashMap;
use std::time::Duration;

use nigh::prelude::*;
use nigh_sim::{Client, Sim, Store, Topology, refuted};

/// Some mistakes show under a fault only; most in the first seed.
const SEEDS_MAX: u64 = 40;

/// Each of these words is in the report.
#[track_caller]
fn check(scenario: fn(&mut Sim), words: &[&str]) {
    let report = refuted(scenario, SEEDS_MAX);
    for word in words {
        assert!(report.contains(word), "`{word}` is missing:\n{report}");
    }
}

#[derive(Debug, Default, State)]
struct Account {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Account {
    /// Adds, and panics at 13.
    pub fn add(&mut self, cents: u64) -> u64 {
        assert!(cents != 13, "thirteen");
        self.cents += cents;
        self.cents
    }
}

/// The outside.
#[nigh::service]
trait Bank {
    /// Answers what it is asked.
    async fn charge(&self, cents: u64) -> u64;
}

struct Quiet;

impl Bank for Quiet {
    async fn charge(&self, cents: u64) -> u64 {
        cents
    }
}

fn bank() -> App {
    App::new("bank").entity::<Account>().service::<dyn Bank>(Quiet)
}

/// The bank with this stand-in, and a client that charges and adds.
fn with(sim: &mut Sim, stand_in: impl Bank) {
    sim.app(bank);
    sim.service::<dyn Bank>(stand_in);
    sim.clients(1, |client: Client| async move {
        for _ in client.times(3) {
            drop(client.call(BankRef::any().charge(5)).await);
            drop(client.call(Account::at("ada").add(5)).await);
        }
    });
}

/// A stand-in that does this before it answers.
macro_rules! stand_in {
    ($name:ident, $body:expr) => {
        struct $name;
        impl Bank for $name {
            async fn charge(&self, cents: u64) -> u64 {
                $body;
                cents
            }
        }
    };
}

stand_in!(Dials, drop(std::net::TcpStream::connect("127.0.0.1:9")));
stand_in!(Threads, drop(std::thread::Builder::new().spawn(|| ())));
stand_in!(Reads, drop(std::fs::read("/etc/hostname")));
stand_in!(Sleeps, std::thread::sleep(Duration::from_millis(1)));
stand_in!(Panics, assert!(cents_of_nobody() > 0, "no cents"));
stand_in!(Waits, tokio::time::sleep(Duration::from_millis(30)).await);
stand_in!(Spawns, drop(tokio::spawn(tokio::time::sleep(Duration::from_millis(30))).await));

fn cents_of_nobody() -> u64 {
    0
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn the_system_is_refused_and_named() {
    // A release build inlines the stand-in into what calls it and keeps no lines: it names that.
    if !nigh_guard::ACTIVE || cfg!(not(debug_assertions)) {
        return;
    }
    check(|sim| with(sim, Dials),   &["the system is not simulated: `<forbidden::Dials as forbidden::Bank>::charge` asked for a socket at ", "forbidden.rs:", "instead: a stand-in answers from memory"]);
    check(|sim| with(sim, Threads), &["`<forbidden::Threads as forbidden::Bank>::charge` asked for a thread", "instead: `tokio::spawn`"]);
    check(|sim| with(sim, Reads),   &["`<forbidden::Reads as forbidden::Bank>::charge` asked for the file /etc/hostname", "`include_str!`"]);
    check(|sim| with(sim, Sleeps),  &["`<forbidden::Sleeps as forbidden::Bank>::charge` asked for a sleep in real time", "`tokio::time::sleep(…).await`"]);
}

fn without_stand_in(sim: &mut Sim) {
    sim.app(bank);
}

fn stand_in_of_nobody(sim: &mut Sim) {
    sim.app(|| App::new("bank").entity::<Account>());
    sim.service::<dyn Bank>(Quiet);
}

fn placed(sim: &mut Sim, topologies: &[Topology], stores: &[Store]) {
    with(sim, Quiet);
    sim.on(topologies);
    sim.stores(stores);
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn a_wrong_description_is_refused() {
    check(without_stand_in,     &["`Bank` has no stand-in: `sim.service::<dyn Bank>(…)` says what answers"]);
    check(stand_in_of_nobody,   &["`Bank` is no service of this application"]);
    check(|sim| sim.service::<dyn Bank>(Quiet), &["`sim.service(…)` comes after `sim.app(…)`"]);
    check(|sim| placed(sim, &[], &[Store::Disk]), &["`sim.on(&[…])` lists no topology"]);
    check(|sim| placed(sim, &[Topology::OneProcess], &[]), &["`sim.stores(&[…])` lists no store"]);
    check(|sim| placed(sim, &[Topology::TwoOwners], &[Store::Disk]), &["a store on a disk has one owner: `Topology::OneProcess` or"]);
    check(|_| (),               &["no application: `sim.app(…)` says which to run"]);
    check(|_| panic!("no way"), &["no way (at ", "forbidden.rs:"]);
}

/// Adds under keys in the order of a hash map.
fn in_the_order_of_a_map(sim: &mut Sim) {
    with(sim, Quiet);
    sim.clients(1, |client: Client| async move {
        let map: HashMap<String, u64> = (0..8).map(|n| (format!("k{n}"), n)).collect();
        for (key, n) in &map {
            drop(client.call(Account::at(key.as_str()).add(*n)).await);
        }
    });
}

/// Asks a hash map, and adds in an order of its own.
#[nigh_sim::test(seeds = 40)]
fn looking_up_in_a_map_is_allowed(sim: &mut Sim) {
    with(sim, Quiet);
    sim.clients(1, |client: Client| async move {
        let map: HashMap<String, u64> = (0..8).map(|n| (format!("k{n}"), n)).collect();
        let sum: u64 = map.values().sum();
        for n in 0..8 {
            let key = format!("k{n}");
            drop(client.call(Account::at(key.as_str()).add(map[&key] + sum)).await);
        }
    });
}

#[test]
fn the_order_of_a_map_is_told() {
    if !nigh_guard::ACTIVE {
        return;
    }
    let words = [
        "the run is not a function of its seed: seed 0",
        "once: ",
        "again: ",
        "client 1 asks process ",
        "Account(",
        ".add(",
        "the order of a HashMap",
    ];
    check(in_the_order_of_a_map, &words);
}

fn panicking_client(sim: &mut Sim) {
    with(sim, Quiet);
    sim.clients(1, |client: Client| async move {
        assert_eq!(client.number(), 7, "no number");
    });
}

fn panicking_before_it_waits(sim: &mut Sim) {
    with(sim, Quiet);
    sim.clients(1, |client: Client| {
        assert_eq!(client.number(), 7, "no number");
        async {}
    });
}

fn endless_client(sim: &mut Sim) {
    with(sim, Quiet);
    sim.clients(2, |client: Client| async move {
        if client.number() == 2 {
            std::future::pending::<()>().await;
        }
    });
}

fn spinning_client(sim: &mut Sim) {
    with(sim, Quiet);
    sim.clients(1, |client: Client| async move {
        loop {
            client.sleep(Duration::ZERO).await;
            tokio::task::yield_now().await;
        }
    });
}

fn wrong_at_the_end(sim: &mut Sim) {
    with(sim, Quiet);
    sim.finally(|durable| assert_eq!(durable.all::<Account>().count(), 9, "accounts"));
}

fn broken_always(sim: &mut Sim) {
    with(sim, Quiet);
    sim.on(&[Topology::OneProcess]);
    sim.always("nobody is rich", |durable| durable.all::<Account>().all(|(_, account)| account.cents < 8));
}

#[test]
#[rustfmt::skip] // Rows are read as columns.
fn what_goes_wrong_is_told_by_whom() {
    check(panicking_client,          &["a client panicked: client 1: assertion", "no number", "forbidden.rs:", "replay: NIGH_SIM='seed=0 "]);
    check(panicking_before_it_waits, &["a client panicked: client 1: assertion"]);
    check(endless_client,            &["everything settles once faults end: 900 s have passed; not ended: client 2; no call is open"]);
    check(spinning_client,           &["everything settles once faults end: a client, or what it started, runs on", "client 1"]);
    check(wrong_at_the_end,          &["finally: assertion", "accounts"]);
    check(broken_always,             &["always: nobody is rich: does not hold"]);
}

/// Panics of methods and stand-ins are answers; a stand-in may wait and start tasks, in simulated time.
mod allowed {
    use super::*;

    #[nigh_sim::test(seeds = 40)]
    fn a_method_may_panic(sim: &mut Sim) {
        with(sim, Quiet);
        sim.on(&[Topology::OneProcess]);
        sim.clients(1, |client: Client| async move {
            match client.call(Account::at("bob").add(13)).await {
                Err(CallError::NotDone(Cause::Panicked(message))) => assert!(message.contains("thirteen")),
                Err(CallError::InDoubt(_) | CallError::NotDone(_) | CallError::Overloaded { .. }) => {}
                other => panic!("{other:?}"),
            }
        });
        sim.finally(|durable| {
            assert!(durable.all::<Account>().all(|(key, of)| key != "bob" || of.cents == 0))
        });
    }

    #[nigh_sim::test(seeds = 40)]
    fn a_stand_in_may_panic(sim: &mut Sim) {
        with(sim, Panics);
        sim.clients(1, |client: Client| async move {
            let answer = client.call(BankRef::any().charge(5)).await;
            assert!(answer.is_err(), "{answer:?}");
        });
    }

    #[nigh_sim::test(seeds = 40)]
    fn a_stand_in_may_wait(sim: &mut Sim) {
        with(sim, Waits);
    }

    #[nigh_sim::test(seeds = 40)]
    fn a_stand_in_may_spawn(sim: &mut Sim) {
        with(sim, Spawns);
    }
}
