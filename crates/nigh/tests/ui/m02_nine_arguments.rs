//! More arguments than a call has.
use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
}

#[nigh::entity(key = String)]
impl Wallet {
    pub fn add(&mut self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8) {
        self.cents += u64::from(a + b + c + d + e + f + g + h + i)
    }
}

fn main() {
    let _ = Wallet::at("ada").add(1, 2, 3, 4, 5, 6, 7, 8, 9);
}
