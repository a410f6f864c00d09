//! A tracked collection inside of one that is not.

use nigh::prelude::*;

#[derive(Default, State)]
pub struct Room {
    rows: Vec<Map<u32, String>>,
}

fn main() {}
