//! Entities of one home: one commit over several of them, whole or not at all.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]
#![allow(missing_docs, reason = "as above")]

use std::path::PathBuf;

use nigh::CallError;
use nigh::prelude::*;

#[derive(Wire, Clone, Debug, PartialEq, Eq)]
#[wire(id)]
pub struct UserId(String);

#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct OrderId {
    user: UserId,
    number: u64,
}

impl Homed<UserId> for OrderId {
    fn home(&self) -> UserId {
        self.user.clone()
    }
}

#[derive(Debug, Default, State)]
pub struct Wallet {
    cents: u64,
    notes: List<String>,
}

#[derive(Debug, Default, State)]
pub struct Order {
    paid: u64,
    notes: List<String>,
}

#[nigh::entity(key = UserId, home = UserId)]
impl Wallet {
    pub fn put_in(&mut self, cents: u64) -> u64 {
        self.cents += cents;
        self.cents
    }
    pub fn pay(&mut self, tx: &mut Tx<Self>, order: OrderId, cents: u64) -> Result<u64, u64> {
        let paid = tx.at::<Order>(order.clone());
        paid.paid += cents;
        paid.notes.push(format!("paid {cents}"));
        assert!(cents != 13, "thirteen is unlucky");
        self.cents = self.cents.checked_sub(cents).ok_or(self.cents)?;
        // The same one again: it is as it was left.
        Ok(tx.at::<Order>(order).paid)
    }
    pub fn spread(&mut self, tx: &mut Tx<Self>, count: u64) -> u64 {
        let user = tx.key();
        for number in 0..count {
            let order = OrderId { user: user.clone(), number };
            tx.at::<Order>(order).paid += 1;
        }
        count
    }
    pub fn write(&mut self, note: String) -> u64 {
        self.notes.push(note);
        self.notes.len() as u64
    }
    /// Moves a whole collection to another entity.
    pub fn hand_over(&mut self, tx: &mut Tx<Self>, order: OrderId, fails: bool) -> Result<u64, u64> {
        let order = tx.at::<Order>(order);
        order.notes = std::mem::take(&mut self.notes);
        let count = order.notes.len() as u64;
        if fails { Err(count) } else { Ok(count) }
    }
    pub fn open(&mut self, tx: &mut Tx<Self>, label: String) -> u64 {
        let user = tx.key();
        tx.at::<Drawer>(Slot { user, label }).open += 1;
        1
    }
    pub fn look_at_me(&mut self, tx: &mut Tx<Self>) -> u64 {
        let me = tx.key();
        tx.at::<Wallet>(me).cents
    }
    pub fn cents(&self) -> u64 {
        self.cents
    }
}

#[nigh::entity(key = OrderId, home = UserId)]
impl Order {
    pub fn paid(&self) -> (u64, u64) {
        (self.paid, self.notes.len() as u64)
    }
}

/// Whose key is also their home: a long one is another's.
#[derive(Debug, Default, State)]
pub struct Drawer {
    open: u64,
}

#[derive(Wire, Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    user: UserId,
    label: String,
}

impl Homed<UserId> for Slot {
    fn home(&self) -> UserId {
        self.user.clone()
    }
}

#[nigh::entity(key = Slot, home = UserId)]
impl Drawer {
    pub fn open(&mut self) {
        self.open += 1;
    }
}

fn app() -> App {
    App::new("homes").entity::<Wallet>().entity::<Order>().entity::<Drawer>()
}

fn order(user: &str, number: u64) -> OrderId {
    OrderId { user: UserId(user.to_owned()), number }
}

async fn both(nigh: &Nigh) -> (u64, (u64, u64)) {
    let cents = nigh.call(Wallet::at("ada").cents()).await.expect("a view");
    (cents, nigh.call(Order::at(order("ada", 1)).paid()).await.expect("a view"))
}

fn not_done(outcome: Result<u64, CallError<impl std::fmt::Debug>>, part: &str) {
    match outcome {
        Err(CallError::NotDone(cause)) => assert!(cause.to_string().contains(part), "{cause}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn both_change_or_neither() {
    let dir: PathBuf = std::env::temp_dir().join(format!("nigh-homes-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let node = app().start(Config::dir(&dir)).await.expect("opens");
    let nigh = node.handle();
    assert_eq!(nigh.call(Wallet::at("ada").put_in(100)).await, Ok(100));
    assert_eq!(nigh.call(Wallet::at("ada").pay(order("ada", 1), 30)).await, Ok(30));
    assert_eq!(both(&nigh).await, (70, (30, 1)));
    // An error, and a panic, after the order has changed: it is as before.
    assert_eq!(nigh.call(Wallet::at("ada").pay(order("ada", 1), 71)).await, Err(CallError::Failed(70)));
    assert_eq!(both(&nigh).await, (70, (30, 1)));
    not_done(nigh.call(Wallet::at("ada").pay(order("ada", 1), 13)).await, "unlucky");
    assert_eq!(both(&nigh).await, (70, (30, 1)));
    assert_eq!(nigh.call(Wallet::at("ada").pay(order("ada", 1), 5)).await, Ok(35));
    node.stop().await.expect("stops");

    let node = app().start(Config::dir(&dir)).await.expect("opens again");
    assert_eq!(both(&node.handle()).await, (65, (35, 2)));
    node.stop().await.expect("stops");
    std::fs::remove_dir_all(&dir).expect("it was made here");
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_not_done_and_says_why() {
    let node = app().start(Config::memory()).await.expect("opens");
    let nigh = node.handle();
    nigh.call(Wallet::at("ada").put_in(100)).await.expect("money");
    not_done(nigh.call(Wallet::at("ada").pay(order("bob", 1), 30)).await, "`Order` has another home");
    not_done(nigh.call(Wallet::at("ada").look_at_me()).await, "this one is `self`");
    assert_eq!(nigh.call(Wallet::at("ada").spread(256)).await, Ok(256));
    not_done(nigh.call(Wallet::at("ada").spread(257)).await, "at most 256 other");
    assert_eq!(nigh.call(Order::at(order("ada", 0)).paid()).await, Ok((1, 0)));
    node.stop().await.expect("stops");
    // An application that does not list it.
    let node = App::new("alone").entity::<Wallet>().start(Config::memory()).await.expect("opens");
    let pay = node.handle().call(Wallet::at("ada").pay(order("ada", 1), 30)).await;
    not_done(pay, "lists no entity `Order`");
}

/// What a method moved from one entity to another is back where it was when it fails.
#[tokio::test]
async fn a_collection_that_moved_comes_back() {
    let node = app().start(Config::memory()).await.expect("opens");
    let nigh = node.handle();
    assert_eq!(nigh.call(Wallet::at("ada").write("mine".to_owned())).await, Ok(1));
    let over = |fails| Wallet::at("ada").hand_over(order("ada", 1), fails);
    assert_eq!(nigh.call(over(true)).await, Err(CallError::Failed(1)));
    assert_eq!(nigh.call(Order::at(order("ada", 1)).paid()).await, Ok((0, 0)));
    assert_eq!(nigh.call(Wallet::at("ada").write("more".to_owned())).await, Ok(2));
    assert_eq!(nigh.call(over(false)).await, Ok(2));
    assert_eq!(nigh.call(Order::at(order("ada", 1)).paid()).await, Ok((0, 2)));
    assert_eq!(nigh.call(Wallet::at("ada").write("again".to_owned())).await, Ok(1));
}

/// A key that a method made of what it was told: as large as it may be, and one byte more.
#[tokio::test]
async fn keys_asked_for_are_bounded() {
    let node = app().start(Config::memory()).await.expect("opens");
    let nigh = node.handle();
    // Two lengths, a name of three letters.
    let label = |size: usize| "x".repeat(size - 1 - 3 - 2);
    assert_eq!(nigh.call(Wallet::at("ada").open(label(1024))).await, Ok(1));
    not_done(nigh.call(Wallet::at("ada").open(label(1025))).await, "at most 1024 bytes");
}

/// As a user tests a method: without a node.
#[test]
fn a_unit_test_sees_what_was_changed_beside() {
    let mut wallet = Wallet { cents: 50, ..Wallet::default() };
    let mut tx = Tx::detached("ada");
    assert_eq!(wallet.pay(&mut tx, order("ada", 7), 20), Ok(20));
    assert_eq!(tx.at::<Order>(order("ada", 7)).paid, 20);
    assert_eq!(wallet.cents, 30);
}
