//! A promise about what does not travel.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn add(&mut self, cents: u64) {
        self.add_all(&[cents])
    }
    #[commutes]
    fn add_all(&mut self, cents: &[u64]) {
        self.cents += cents.iter().sum::<u64>()
    }
}

fn main() {
    let _ = Wallet::at("ada").add(5);
}
