//! An answer of a type without a wire form.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

pub struct Money(u64);

#[nigh::entity(key = String)]
impl Wallet {
    pub fn money(&self) -> Money {
        Money(self.cents)
    }
}

fn main() {
    let _ = Wallet::at("ada").money();
}
