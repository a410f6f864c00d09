//! An argument of a type without a wire form.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

pub struct Money(u64);

#[nigh::entity(key = String)]
impl Wallet {
    pub fn add(&mut self, times: u64, money: Money) -> u64 {
        self.cents += times * money.0;
        self.cents
    }
}

fn main() {}
