//! A wire name that no address can hold.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String, name = "my wallet/1")]
impl Wallet {
    pub fn add(&mut self, cents: u64) {
        self.cents += cents
    }
}

fn main() {
    let _ = Wallet::at("ada").add(5);
}
