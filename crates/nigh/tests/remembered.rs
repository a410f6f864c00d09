//! What is remembered of calls is on disk, and in memory only as far as there is room: it is told all the same.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]
#![allow(missing_docs, reason = "as above")]

use std::time::Duration;

use nigh::prelude::*;
use nigh::{CallError, Settled};

#[derive(Debug, Default, State)]
pub struct Till {
    paid: u64,
}

#[nigh::entity(key = u64)]
impl Till {
    pub fn pay(&mut self, cents: u64) -> u64 {
        self.paid += cents;
        self.paid
    }
    pub fn jam(&mut self) {
        self.paid += 1;
        panic!("it is jammed");
    }
    #[commutes]
    pub fn jam_anyhow(&mut self) {
        self.paid += 1;
        panic!("it is jammed, in whatever order");
    }
}

fn app() -> App {
    App::new("tills").entity::<Till>()
}

const TILLS: u64 = 7;
/// Far more than fit.
const PAYMENTS: u64 = 1_000;
/// An eighth of it is for what is remembered: 64 KiB, of 300 bytes each.
const MEMORY_MAX: usize = 512 << 10;

async fn pay(nigh: &Nigh, payment: u64) -> u64 {
    loop {
        let till = Till::at(payment % TILLS);
        match nigh.call(till.pay(1)).once(format!("payment {payment}")).await {
            Ok(paid) => return paid,
            Err(CallError::Overloaded { retry_after }) => tokio::time::sleep(retry_after).await,
            Err(error) => panic!("payment {payment}: {error:?}"),
        }
    }
}

/// R12: a key is remembered for a day, whether its row is in memory or not, and across starts; nothing runs twice.
#[tokio::test]
async fn keys_are_remembered_beyond_memory() {
    let dir = std::env::temp_dir().join(format!("nigh-remembered-{}", std::process::id()));
    // It need not be there.
    let _ = std::fs::remove_dir_all(&dir);
    let config = || Config {
        memory_max: MEMORY_MAX,
        write_back_every: Duration::from_millis(20),
        ..Config::dir(&dir)
    };
    let node = app().start(config()).await.expect("opens");
    let nigh = node.handle();
    let mut first = Vec::new();
    let mut early = nigh.call(Till::at(0).pay(1_000)).once("early");
    let ticket = early.ticket().expect("it writes");
    early.await.expect("it is paid");
    for payment in 0..PAYMENTS {
        first.push(pay(&nigh, payment).await);
    }
    // The last ones are let go once they are written.
    for turn in 0.. {
        let remembered = node.remembered();
        if remembered.memory <= MEMORY_MAX / 8 {
            break;
        }
        assert!(turn < 2_000, "memory has no bound: {remembered:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
        pay(&nigh, PAYMENTS).await;
    }
    // R14: of each payment its key's row is left; of the last ones, a record too.
    let rows = node.remembered().rows;
    assert!(rows > PAYMENTS && rows < PAYMENTS * 5 / 4, "{rows} rows");
    for payment in (0..PAYMENTS).step_by(17) {
        assert_eq!(pay(&nigh, payment).await, first[payment as usize], "payment {payment} again");
    }
    node.stop().await.expect("stops");

    let node = app().start(config()).await.expect("opens again");
    let nigh = node.handle();
    assert!(node.remembered().memory < MEMORY_MAX / 8, "a start reads what the log's tail speaks of");
    for payment in (0..PAYMENTS).rev().step_by(19) {
        assert_eq!(pay(&nigh, payment).await, first[payment as usize], "payment {payment} after a start");
    }
    // A ticket from before, of a caller that is no more.
    let settled = nigh.settle::<u64, ()>(&ticket).await.expect("the owner is here");
    assert!(matches!(settled, Settled::Done(1_000) | Settled::Forgotten), "{settled:?}");
    let paid = nigh.call(Till::at(1).pay(0)).await.expect("it is paid");
    assert_eq!(paid, (0..PAYMENTS).filter(|payment| payment % TILLS == 1).count() as u64);
    node.stop().await.expect("stops");
    std::fs::remove_dir_all(&dir).expect("it was made here");
}

/// What is remembered of calls is written back as fast as there is of it: the pace counts its rows, too.
#[tokio::test]
async fn rows_of_calls_count_among_those_to_write() {
    let config = Config { write_back_every: Duration::from_secs(3_600), ..Config::memory() };
    let node = app().start(config).await.expect("opens");
    let nigh = node.handle();
    for payment in 0..10 {
        nigh.call(Till::at(1).pay(1)).once(format!("{payment}")).await.expect("it is paid");
    }
    assert!(node.unwritten() > 10, "one till, ten keys: {}", node.unwritten());
    node.stop().await.expect("stops");
}

/// R14: a caller all of whose calls are given up says what it knows all the same, and is not remembered call by call.
#[tokio::test]
async fn what_is_given_up_is_not_remembered() {
    let node = app().start(Config::memory()).await.expect("opens");
    let nigh = node.handle();
    for _ in 0..50 {
        let jammed = nigh.call(Till::at(1).jam()).await;
        assert!(matches!(jammed, Err(CallError::NotDone(Cause::Panicked(_)))), "{jammed:?}");
        let jammed = nigh.call(Till::at(2).jam_anyhow()).await;
        assert!(matches!(jammed, Err(CallError::NotDone(Cause::Panicked(_)))), "{jammed:?}");
    }
    // Of each till's shard the last call, and what its caller knows.
    let rows = node.remembered().rows;
    assert!(rows <= 8, "{rows} rows of 100 calls that never ran");
    node.stop().await.expect("stops");
}
