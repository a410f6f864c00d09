//! One commit over entities of two homes.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Stock {
    left: u64,
}

#[nigh::entity(key = String)]
impl Stock {
    pub fn left(&self) -> u64 {
        self.left
    }
}

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn buy(&mut self, tx: &mut Tx<Self>) {
        tx.at::<Stock>("shoe").left -= 1;
        self.cents -= 1;
    }
}

fn main() {
    let _ = Wallet::at("ada").buy();
    let _ = Stock::at("shoe").left();
}
