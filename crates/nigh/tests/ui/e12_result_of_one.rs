//! A Result whose error stands elsewhere.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

use std::io::Result;

#[nigh::entity(key = String)]
impl Wallet {
    pub fn hold(&mut self, cents: u64) -> Result<u64> {
        Ok(self.cents + cents)
    }
}

fn main() {
    let _ = Wallet::at("ada").hold(5);
}
