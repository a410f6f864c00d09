//! A value of a tracked map that cannot be copied before it changes.

use nigh::prelude::*;

#[derive(Wire)]
pub struct Seat {
    row: u32,
}

#[derive(Default, State)]
pub struct Room {
    seats: Map<u32, Map<u32, Seat>>,
}

fn main() {}
