//! Not a function.

#[nigh_sim::test]
struct Money;

fn main() {}
