//! A tracked collection inside of a value.

use nigh::prelude::*;

#[derive(Clone, Default, Wire)]
pub struct Row {
    seats: Set<u32>,
}

#[derive(Default, State)]
pub struct Room {
    rows: Map<u32, Row>,
}

fn main() {}
