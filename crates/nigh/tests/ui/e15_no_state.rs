//! An entity that has no state.

#[derive(Default)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn add(&mut self, cents: u64) {
        self.cents += cents
    }
}

fn main() {
    let _ = Wallet::at("ada").add(5);
}
