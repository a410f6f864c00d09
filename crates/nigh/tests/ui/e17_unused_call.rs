//! A call that nobody performs.
#![deny(unused_must_use)]

use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn add(&mut self, cents: u64) {
        self.cents += cents
    }
}

fn main() {
    Wallet::at("ada").add(5);
}
