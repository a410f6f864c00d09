//! Something else than a simulation.

#[nigh_sim::test]
fn moves_money(seed: &mut u64) {
    let _ = seed;
}

fn main() {}
