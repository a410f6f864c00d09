//! A view that would change something.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn balance(&self, tx: &mut Tx<Self>) -> u64 {
        self.cents + tx.now().as_secs()
    }
}

fn main() {
    let _: View<u64> = Wallet::at("ada").balance();
}
