//! State that has no fields.

use nigh::prelude::*;

#[derive(Default, State)]
pub enum Door {
    #[default]
    Closed,
    Open,
}

fn main() {}
