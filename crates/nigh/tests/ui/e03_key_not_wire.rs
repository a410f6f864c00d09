//! A key of a type without a wire form.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

pub struct UserId(String);

#[nigh::entity(key = UserId)]
impl Wallet {
    pub fn add(&mut self, cents: u64) {
        self.cents += cents
    }
}

fn main() {}
