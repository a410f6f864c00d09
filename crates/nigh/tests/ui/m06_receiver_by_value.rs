//! A method that takes the state away.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn close(self) -> u64 {
        self.cents
    }
}

fn main() {
    let _ = Wallet::at("ada").close();
}
