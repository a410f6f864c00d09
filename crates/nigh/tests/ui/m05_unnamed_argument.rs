//! An argument without a name.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn add(&mut self, (a, b): (u64, u64)) {
        self.cents += a + b
    }
}

fn main() {
    let _ = Wallet::at("ada").add((1, 2));
}
