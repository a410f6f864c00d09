//! An entity without a key.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity]
impl Wallet {
    pub fn add(&mut self, cents: u64) {
        self.cents += cents
    }
}

fn main() {
    let _ = Wallet::at("ada").add(5);
}
