//! Two kinds of entities of one home, changed in one commit: money moves between them, and all of it is always there.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]

use std::time::Duration;

use nigh::prelude::*;
use nigh_sim::{Durable, Sim};

/// Whose.
#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[wire(id)]
pub struct UserId(String);

/// Which of theirs.
#[derive(Wire, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderId {
    user: UserId,
    number: u64,
}

impl Homed<UserId> for OrderId {
    fn home(&self) -> UserId {
        self.user.clone()
    }
}

/// Money of a user.
#[derive(Debug, Default, State)]
pub struct Wallet {
    cents: u64,
    put_in: u64,
}

/// What was paid for something.
#[derive(Debug, Default, State)]
pub struct Order {
    paid: u64,
}

/// Pays.
#[nigh::entity(key = UserId, home = UserId)]
impl Wallet {
    /// More money.
    pub fn put_in(&mut self, cents: u64) {
        self.cents += cents;
        self.put_in += cents;
    }
    /// Moves money to an order, in one commit; what is too much is noticed late.
    pub fn pay(&mut self, tx: &mut Tx<Self>, number: u64, cents: u64) -> Result<u64, u64> {
        let user = tx.key();
        let order = tx.at::<Order>(OrderId { user, number });
        order.paid += cents;
        let paid = order.paid;
        self.cents = self.cents.checked_sub(cents).ok_or(self.cents)?;
        Ok(paid)
    }
}

/// Is paid.
#[nigh::entity(key = OrderId, home = UserId)]
impl Order {
    /// Gives all of it back.
    pub fn cancel(&mut self, tx: &mut Tx<Self>) -> u64 {
        let user = tx.key().user;
        let paid = std::mem::take(&mut self.paid);
        tx.at::<Wallet>(user).cents += paid;
        paid
    }
    /// How much.
    pub fn paid(&self) -> u64 {
        self.paid
    }
}

fn nothing_is_lost(durable: &Durable<'_>) -> bool {
    let put_in: u64 = durable.all::<Wallet>().map(|(_, wallet)| wallet.put_in).sum();
    let held: u64 = durable.all::<Wallet>().map(|(_, wallet)| wallet.cents).sum();
    let paid: u64 = durable.all::<Order>().map(|(_, order)| order.paid).sum();
    put_in == held + paid
}

#[nigh_sim::test]
fn money_moves_whole(sim: &mut Sim) {
    sim.app(|| nigh::App::new("homes").entity::<Wallet>().entity::<Order>());
    sim.clients(3, |mut client| async move {
        for _ in client.times(25) {
            let user = UserId((*client.pick(&["ada", "bob"])).to_owned());
            let number = client.draw(2);
            let cents = client.draw(40);
            match client.draw(5) {
                0 => drop(client.call(Wallet::at(user).put_in(cents)).await),
                1 => drop(client.call(Order::at(OrderId { user, number }).cancel()).await),
                2 => drop(client.call(Order::at(OrderId { user, number }).paid()).await),
                _ => drop(client.call(Wallet::at(user).pay(number, cents)).await),
            }
            let pause = Duration::from_millis(client.draw(60));
            client.sleep(pause).await;
        }
    });
    sim.always("what was put in is held or paid", nothing_is_lost);
}
