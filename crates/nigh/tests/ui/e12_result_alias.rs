//! A Result that the macro cannot see.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[derive(Wire, Debug)]
pub struct Poor;
type Outcome = Result<u64, Poor>;

#[nigh::entity(key = String)]
impl Wallet {
    pub fn hold(&mut self, cents: u64) -> Outcome {
        self.cents.checked_sub(cents).ok_or(Poor)
    }
}

fn main() {}
