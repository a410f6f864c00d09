//! A method without one wire form.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn add<T: Into<u64>>(&mut self, cents: T) {
        self.cents += cents.into()
    }
}

fn main() {
    let _ = Wallet::at("ada").add(5u8);
}
