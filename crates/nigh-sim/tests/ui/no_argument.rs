//! Nothing to simulate with.

#[nigh_sim::test]
fn moves_money() {}

fn main() {}
