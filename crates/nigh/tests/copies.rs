//! A node on a store that was put back from a copy: what the copy knows stands, what was lost is not called not done.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]
#![allow(missing_docs, reason = "as above")]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nigh::prelude::*;
use nigh::store::{Restore, restore_dir};

#[derive(Default, State)]
struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn deposit(&mut self, cents: u64) -> u64 {
        self.cents += cents;
        self.cents
    }
    pub fn balance(&self) -> u64 {
        self.cents
    }
}

/// A directory of its own, gone with the value.
struct Dir(PathBuf);
impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Dir(std::env::temp_dir().join(format!("nigh-copies-{}-{n}", std::process::id())))
    }
}
impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn start(dir: &Path) -> Node {
    App::new("test").entity::<Wallet>().start(Config::dir(dir)).await.expect("it opens")
}

/// Deposits, and keeps the ticket as somebody in doubt would.
async fn deposit(nigh: &Nigh, cents: u64) -> (u64, Ticket) {
    let mut call = nigh.call(Wallet::at("ada").deposit(cents));
    let ticket = call.ticket().expect("it writes");
    (call.await.expect("done"), ticket)
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "a restoration is a moment of the wall clock, also in a test")]
fn today() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Time::from_nanos(since.as_nanos() as u64)
}

#[tokio::test]
async fn a_ticket_of_before_is_forgotten() {
    let [first, copy, again] = [Dir::new(), Dir::new(), Dir::new()];
    let node = start(&first.0).await;
    let (_, kept) = deposit(&node.handle(), 5).await;
    // As a kill at this moment would leave it.
    std::fs::create_dir(&copy.0).expect("a new directory");
    for file in ["log.redb", "state.redb"] {
        std::fs::copy(first.0.join(file), copy.0.join(file)).expect("a file to copy");
    }
    let (balance, lost) = deposit(&node.handle(), 7).await;
    assert_eq!(balance, 12);
    drop(node);
    restore_dir(&copy.0, &again.0, Restore { incarnation: 3, at: today() }).expect("it is sound");
    let node = start(&again.0).await;
    let nigh = node.handle();
    assert_eq!(nigh.settle::<u64, Never>(&kept).await, Ok(Settled::Done(5)));
    // It was done, and told so: "not done" would be a lie.
    assert_eq!(nigh.settle::<u64, Never>(&lost).await, Ok(Settled::Forgotten));
    assert_eq!(nigh.call(Wallet::at("ada").balance()).await, Ok(5));
    drop(nigh);
    node.stop().await.expect("stops");
    let node = start(&again.0).await;
    assert_eq!(node.handle().settle::<u64, Never>(&lost).await, Ok(Settled::Forgotten));
    assert_eq!(deposit(&node.handle(), 1).await.0, 6);
}
