//! An argument that cannot travel.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn add(&mut self, cents: u64, note: &str) {
        self.cents += cents + note.len() as u64
    }
}

fn main() {
    let _ = Wallet::at("ada").add(5, "rent");
}
