//! More than the simulation.

#[nigh_sim::test]
fn moves_money(sim: &mut nigh_sim::Sim, seed: u64) {
    let _ = (sim, seed);
}

fn main() {}
