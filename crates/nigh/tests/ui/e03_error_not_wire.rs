//! An error of a type without a wire form.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

pub struct Poor;

#[nigh::entity(key = String)]
impl Wallet {
    pub fn take(&mut self, cents: u64) -> Result<u64, Poor> {
        self.cents.checked_sub(cents).ok_or(Poor)
    }
}

fn main() {
    let _ = Wallet::at("ada").take(5);
}
