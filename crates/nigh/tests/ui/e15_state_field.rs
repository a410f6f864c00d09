//! A field that can be neither stored nor undone.

use nigh::prelude::*;

#[derive(Default, State)]
pub struct Wallet {
    cents: u64,
    cache: std::sync::Mutex<u64>,
}

fn main() {}
