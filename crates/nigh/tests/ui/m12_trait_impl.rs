//! An entity of somebody's trait.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Iterator for Wallet {
    type Item = u64;
    fn next(&mut self) -> Option<u64> {
        self.cents.checked_sub(1)
    }
}

fn main() {}
