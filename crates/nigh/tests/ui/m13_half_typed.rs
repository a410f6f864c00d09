//! A method half typed: the others stay on the handle.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn add(&mut self, cents: u64) {
        self.cents += cents.
    }
    pub fn take(&mut self, cents: u64) {
        self.cents -= cents
    }
}

fn main() {
    let _ = Wallet::at("ada").take(5);
    let _ = Wallet::at("ada").add(5);
}
