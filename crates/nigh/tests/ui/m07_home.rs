//! A home that the key does not know of.
use nigh::prelude::*;

#[derive(Wire, Clone)]
#[wire(id)]
pub struct UserId(String);

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = u64, home = UserId)]
impl Wallet {
    pub fn add(&mut self, cents: u64) {
        self.cents += cents
    }
}

fn main() {
    let _ = Wallet::at(3u64).add(5);
}
