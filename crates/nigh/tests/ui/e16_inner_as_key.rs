//! A tracked collection as a key: what stands in order may not change in place.

use nigh::prelude::*;

#[derive(Default, State)]
pub struct Room {
    groups: Map<Set<u32>, u64>,
}

fn main() {}
