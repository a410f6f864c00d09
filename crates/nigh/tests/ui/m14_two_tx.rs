//! The commit, twice.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn add(&mut self, tx: &mut Tx<Self>, again: &mut Tx<Self>) {
        self.cents += tx.now().as_secs() + again.now().as_secs()
    }
}

fn main() {
    let _ = Wallet::at("ada").add();
}
