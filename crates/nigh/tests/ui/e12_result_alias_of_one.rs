//! A Result that the macro cannot see, with a parameter.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[derive(Wire, Debug)]
pub struct Poor;
type Short<T> = Result<T, Poor>;

#[nigh::entity(key = String)]
impl Wallet {
    pub fn hold(&mut self, cents: u64) -> Short<u64> {
        self.cents.checked_sub(cents).ok_or(Poor)
    }
}

fn main() {}
