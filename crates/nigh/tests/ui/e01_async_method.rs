//! An entity method that waits.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub async fn add(&mut self, cents: u64) {
        self.cents += cents
    }
}

fn main() {
    let _ = Wallet::at("ada").add(5);
}
