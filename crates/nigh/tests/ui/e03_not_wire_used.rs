//! An argument of a type without a wire form, and a call with it.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

pub struct Money(u64);

#[nigh::entity(key = String)]
impl Wallet {
    pub fn add(&mut self, money: Money) {
        self.cents += money.0
    }
}

fn main() {
    let _ = Wallet::at("ada").add(Money(5));
}
