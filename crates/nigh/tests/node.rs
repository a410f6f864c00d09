//! A node as a program uses it: verbs and what they answer, restarts, limits, methods that misbehave.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]
#![allow(missing_docs, reason = "as above")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nigh::prelude::*;

#[derive(Wire, Clone, Debug, PartialEq, Eq)]
struct Poor {
    free: u64,
}

#[derive(Default, State)]
struct Wallet {
    cents: u64,
    holds: Map<String, u64>,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn deposit(&mut self, cents: u64) -> u64 {
        self.cents += cents;
        self.cents
    }
    pub fn hold(&mut self, id: String, cents: u64) -> Result<u64, Poor> {
        // Inserted first: only undo takes it out again.
        self.holds.insert(id, cents);
        self.cents = self.cents.checked_sub(cents).ok_or(Poor { free: self.cents })?;
        Ok(self.cents)
    }
    pub fn break_down(&mut self) {
        self.cents = 0;
        self.holds.insert("broken".into(), 1);
        panic!("on purpose")
    }
    pub fn close(&mut self, tx: &mut Tx<Self>) -> String {
        tx.delete();
        tx.key()
    }
    pub fn draw(&mut self, tx: &mut Tx<Self>) -> (u64, u64, Time) {
        (tx.random(), tx.random(), tx.now())
    }
    #[commutes]
    pub fn touch(&mut self) {}
    pub fn repeat(&mut self, n: u32) -> String {
        self.cents += 1;
        "x".repeat(n as usize)
    }
    pub fn balance(&self) -> (u64, u64) {
        (self.cents, self.holds.values().sum())
    }
}

#[nigh::service]
trait Clockwork {
    async fn double(&self, n: u64) -> u64;
    async fn token(&self, asked: Asked) -> String;
    async fn never(&self) -> u64;
    async fn fall(&self) -> u64;
}

struct Works;
impl Clockwork for Works {
    async fn double(&self, n: u64) -> u64 {
        n * 2
    }
    async fn token(&self, asked: Asked) -> String {
        asked.token()
    }
    async fn never(&self) -> u64 {
        std::future::pending().await
    }
    async fn fall(&self) -> u64 {
        panic!("on purpose")
    }
}

fn app() -> App {
    App::new("test").entity::<Wallet>().service::<dyn Clockwork>(Works)
}

async fn memory() -> Node {
    app().start(Config::memory()).await.expect("nothing to open")
}

/// A directory of its own, gone with the value.
struct Dir(PathBuf);
impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Dir(std::env::temp_dir().join(format!("nigh-node-{}-{n}", std::process::id())))
    }
}
impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_call_takes_effect_and_an_error_leaves_nothing() {
    let node = memory().await;
    let nigh = node.handle();
    assert_eq!(nigh.call(Wallet::at("ada").deposit(500)).await, Ok(500));
    assert_eq!(nigh.call(Wallet::at("ada").hold("h", 200)).await, Ok(300));
    let poor = nigh.call(Wallet::at("ada").hold("i", 301)).await;
    assert_eq!(poor, Err(CallError::Failed(Poor { free: 300 })));
    assert_eq!(nigh.call(Wallet::at("ada").balance()).await, Ok((300, 200)));
    node.stop().await.expect("stops");
}

#[tokio::test]
async fn a_panic_is_undone_and_told_as_not_done() {
    let node = memory().await;
    let nigh = node.handle();
    nigh.call(Wallet::at("ada").deposit(5)).await.expect("done");
    let told = nigh.call(Wallet::at("ada").break_down()).await;
    assert_eq!(told, Err(CallError::NotDone(Cause::Panicked("on purpose".into()))));
    assert_eq!(nigh.call(Wallet::at("ada").balance()).await, Ok((5, 0)));
}

/// Nothing else happens in this process that would tell it.
#[tokio::test]
async fn a_call_without_time_is_told_at_once() {
    let node = memory().await;
    // The timer may look for the first, as it does when a node starts.
    for _ in 0..3 {
        let call = node.handle().call(Wallet::at("ada").deposit(1)).within(Duration::ZERO);
        let told = tokio::time::timeout(Duration::from_secs(10), call.into_future()).await;
        assert_eq!(told.expect("it is told"), Err(CallError::NotDone(Cause::Deadline)));
    }
    node.stop().await.expect("it stops");
}

#[tokio::test]
async fn batches_answer_in_the_order_given() {
    let node = memory().await;
    let nigh = node.handle();
    let calls: Vec<_> = (0..600u64).map(|n| Wallet::at(format!("w{}", n % 7)).deposit(1)).collect();
    let answers = nigh.call(calls).await;
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer, Ok(n as u64 / 7 + 1), "call {n}");
    }
    let both = nigh.call((Wallet::at("w0").balance(), Wallet::at("w1").deposit(4))).await;
    assert_eq!(both, (Ok((86, 0)), Ok(90)));
}

#[tokio::test]
async fn the_same_key_again_gets_the_first_answer() {
    let node = memory().await;
    let nigh = node.handle();
    assert_eq!(nigh.call(Wallet::at("ada").deposit(5)).once("order-7").await, Ok(5));
    assert_eq!(nigh.call(Wallet::at("ada").deposit(5)).once("order-7").await, Ok(5));
    let other = nigh.call(Wallet::at("ada").deposit(6)).once("order-7").await;
    assert_eq!(other, Err(CallError::NotDone(Cause::Misuse)));
    let poor = nigh.call(Wallet::at("ada").hold("h", 9)).once("order-8").await;
    assert_eq!(poor, Err(CallError::Failed(Poor { free: 5 })));
    nigh.call(Wallet::at("ada").deposit(100)).await.expect("done");
    let again = nigh.call(Wallet::at("ada").hold("h", 9)).once("order-8").await;
    assert_eq!(again, Err(CallError::Failed(Poor { free: 5 })), "an error is remembered too");
    assert_eq!(nigh.call(Wallet::at("ada").balance()).await, Ok((105, 0)));
}

#[tokio::test]
async fn a_ticket_saved_before_settles_after() {
    let node = memory().await;
    let nigh = node.handle();
    let mut pending = nigh.call(Wallet::at("ada").deposit(5));
    let ticket = pending.ticket().expect("a change has a ticket");
    let text = ticket.to_string();
    assert_eq!(pending.await, Ok(5));
    let ticket: Ticket = text.parse().expect("the text form is the ticket");
    let settled = nigh.settle::<u64, nigh::Never>(&ticket).await;
    // The caller knows the answer, so its record may be gone: whatever is said, it is not "not done".
    assert!(matches!(settled, Ok(Settled::Done(5) | Settled::Forgotten)), "{settled:?}");

    let mut never_sent = nigh.call(Wallet::at("ada").deposit(7));
    let ticket = never_sent.ticket().expect("a change has a ticket");
    drop(never_sent);
    let settled = nigh.settle::<u64, nigh::Never>(&ticket).await;
    assert!(matches!(settled, Ok(Settled::NotDone | Settled::Forgotten)), "{settled:?}");
    let wrong = nigh.settle::<String, nigh::Never>(&ticket).await;
    assert_eq!(wrong, Err(nigh::NotSettled { cause: nigh::NotSettledCause::Misuse }));
    assert_eq!(nigh.call(Wallet::at("ada").balance()).await, Ok((5, 0)));
}

#[tokio::test]
async fn keys_are_listed_in_order_and_deleted_ones_are_gone() {
    let node = memory().await;
    let nigh = node.handle();
    for key in ["carl", "ada", "bob", "z"] {
        nigh.call(Wallet::at(key).deposit(1)).await.expect("done");
    }
    nigh.call(Wallet::at("untouched").balance()).await.expect("read");
    assert_eq!(nigh.call(Wallet::at("z").close()).await, Ok("z".to_owned()));
    assert_eq!(nigh.keys::<Wallet>(None, 100).await, Ok(vec!["ada".into(), "bob".into(), "carl".into()]));
    assert_eq!(nigh.keys::<Wallet>(Some("ada".into()), 1).await, Ok(vec!["bob".to_owned()]));
    assert_eq!(nigh.call(Wallet::at("z").balance()).await, Ok((0, 0)));
}

#[tokio::test]
async fn services_run_here_and_their_doubts_are_final() {
    let node = memory().await;
    let nigh = node.handle();
    assert_eq!(nigh.call(ClockworkRef::any().double(21)).await, Ok(42));
    assert!(nigh.call(ClockworkRef::any().token()).await.expect("done").starts_with("nigh1."));
    let token = nigh.call(ClockworkRef::any().token()).once("k").await.expect("done");
    let again = nigh.call(ClockworkRef::any().token()).once("k").await;
    assert_eq!(again, Ok(token.clone()), "each try of a keyed call hands on one token");
    assert_ne!(nigh.call(ClockworkRef::any().token()).once("l").await, Ok(token));
    let never = nigh.call(ClockworkRef::any().never()).within(Duration::from_millis(20)).await;
    let Err(CallError::InDoubt(ticket)) = never else { panic!("{never:?}") };
    assert_eq!(nigh.settle::<u64, nigh::Never>(&ticket).await, Ok(Settled::NoRecord));
    let fallen = nigh.call(ClockworkRef::any().fall()).await;
    assert!(matches!(fallen, Err(CallError::InDoubt(_))), "{fallen:?}");
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = Dir::new();
    let mut held = 0;
    for round in 0..4u64 {
        let node = app().start(Config::dir(&dir.0)).await.expect("opens");
        let nigh = node.handle();
        assert_eq!(nigh.call(Wallet::at("ada").balance()).await, Ok((round * 40, held)), "round {round}");
        for n in 0..50 {
            nigh.call(Wallet::at("ada").deposit(1)).await.expect("done");
            nigh.call(Wallet::at(format!("w{n}")).deposit(1)).await.expect("done");
        }
        let once = nigh.call(Wallet::at("ada").hold(format!("h{round}"), 10)).once(format!("k{round}")).await;
        held += 10;
        assert_eq!(once, Ok(round * 40 + 40));
        if round > 0 {
            // The key of the round before: remembered over the restart, with its answer.
            let before = round - 1;
            let again =
                nigh.call(Wallet::at("ada").hold(format!("h{before}"), 10)).once(format!("k{before}")).await;
            assert_eq!(again, Ok(before * 40 + 40));
        }
        let keys = nigh.keys::<Wallet>(None, 1000).await.expect("listed");
        assert_eq!(keys.len(), 51);
        node.stop().await.expect("stops");
    }
}

#[tokio::test]
async fn randomness_differs_and_time_does_not_fall() {
    let node = memory().await;
    let nigh = node.handle();
    let mut last = Time::EPOCH;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let (a, b, now) = nigh.call(Wallet::at("ada").draw()).await.expect("done");
        assert!(seen.insert(a) && seen.insert(b), "drawn twice");
        assert!(now >= last);
        last = now;
    }
}

#[tokio::test]
async fn a_second_node_on_one_directory_is_refused() {
    let dir = Dir::new();
    let node = app().start(Config::dir(&dir.0)).await.expect("opens");
    let refused = app().start(Config::dir(&dir.0)).await.expect_err("the directory is taken").to_string();
    assert!(refused.contains("another process") || refused.contains("already"), "{refused}");
    node.stop().await.expect("stops");
}

#[tokio::test]
async fn calls_that_commute_keep_no_record() {
    let node = memory().await;
    let nigh = node.handle();
    let mut pending = nigh.call(Wallet::at("ada").touch());
    let ticket = pending.ticket().expect("a change has a ticket");
    assert_eq!(pending.await, Ok(()));
    assert_eq!(nigh.settle::<(), nigh::Never>(&ticket).await, Ok(Settled::NoRecord));
}

#[tokio::test]
async fn another_shape_of_a_state_is_refused_and_nothing_touched() {
    mod later {
        use nigh::prelude::*;
        #[derive(Default, State)]
        pub(super) struct Wallet {
            euros: u64,
        }
        #[nigh::entity(key = String)]
        impl Wallet {
            pub fn deposit(&mut self, cents: u64) -> u64 {
                self.euros += cents / 100;
                self.euros
            }
        }
    }
    let dir = Dir::new();
    let node = app().start(Config::dir(&dir.0)).await.expect("opens");
    node.handle().call(Wallet::at("ada").deposit(5)).await.expect("done");
    node.stop().await.expect("stops");
    let files = || {
        let read = |name: &str| std::fs::read(dir.0.join(name)).expect("it is there");
        ["log.redb", "log.groups", "state.redb"].map(read)
    };
    let before = files();
    let refused = App::new("test").entity::<later::Wallet>().start(Config::dir(&dir.0)).await;
    let refused = refused.expect_err("another shape").to_string();
    for part in ["Wallet", "cents: u64", "euros: u64"] {
        assert!(refused.contains(part), "`{refused}` does not say {part}");
    }
    assert!(before == files(), "a store that is refused is not touched");
    let node = app().start(Config::dir(&dir.0)).await.expect("opens");
    assert_eq!(node.handle().call(Wallet::at("ada").balance()).await, Ok((5, 0)));
}

#[tokio::test]
async fn what_is_too_large_is_not_done() {
    let node = memory().await;
    let nigh = node.handle();
    let long = "x".repeat(2 << 20);
    let told = nigh.call(Wallet::at("ada").hold(long.clone(), 0)).await;
    assert!(matches!(&told, Err(CallError::NotDone(Cause::TooLarge(_)))), "{told:?}");
    let told = nigh.call(Wallet::at(long.clone()).deposit(1)).await;
    assert!(matches!(&told, Err(CallError::NotDone(Cause::TooLarge(_)))), "{told:?}");
    // As long as a key may be, with two bytes that say how long; and one more.
    let (fits, longer) = ("x".repeat(1022), "x".repeat(1023));
    assert_eq!(nigh.call(Wallet::at(fits.clone()).deposit(1)).await, Ok(1));
    assert_eq!(nigh.call(Wallet::at(fits).balance()).await, Ok((1, 0)));
    let told = nigh.call(Wallet::at(longer.clone()).deposit(1)).await;
    assert!(matches!(&told, Err(CallError::NotDone(Cause::TooLarge(_)))), "{told:?}");
    let told = nigh.call(Wallet::at(longer).balance()).await;
    assert!(matches!(&told, Err(CallError::NotDone(Cause::TooLarge(_)))), "{told:?}");
    let told = nigh.call(Wallet::at("ada").deposit(1)).once("k".repeat(256)).await;
    assert!(matches!(&told, Err(CallError::NotDone(Cause::TooLarge(_)))), "{told:?}");
    let told = nigh.call(Wallet::at("ada").repeat(2 << 20)).await;
    assert!(matches!(&told, Err(CallError::NotDone(Cause::TooLarge(_)))), "{told:?}");
    assert_eq!(nigh.call(Wallet::at("ada").repeat(3)).await, Ok("xxx".to_owned()));
    assert_eq!(nigh.call(Wallet::at("ada").balance()).await, Ok((1, 0)), "the long answer left no change");
}

#[tokio::test]
async fn mistakes_of_the_list_are_refused_at_start() {
    let twice = app().entity::<Wallet>().check().expect_err("two of a name").to_string();
    assert!(twice.contains("Wallet"), "{twice}");
    let name = App::new("My Shop").check().expect_err("a name with a space").to_string();
    assert!(name.contains("lower-case"), "{name}");
    let role = Config { role: Some("web".into()), ..Config::memory() };
    let role = app().start(role).await.expect_err("no roles").to_string();
    assert!(role.contains("no place.toml"), "{role}");
    let public = Config { link: Some("0.0.0.0:0".parse().expect("an address")), ..Config::memory() };
    let public = app().start(public).await.expect_err("not loopback").to_string();
    assert!(public.contains("loopback"), "{public}");
}
