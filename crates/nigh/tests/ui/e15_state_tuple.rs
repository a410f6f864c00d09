//! State whose fields have no names.

use nigh::prelude::*;

#[derive(Default, State)]
pub struct Counter(u64);

fn main() {}
