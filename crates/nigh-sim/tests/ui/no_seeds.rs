//! A test that runs never.

#[nigh_sim::test(seeds = 0)]
fn moves_money(sim: &mut nigh_sim::Sim) {
    let _ = sim;
}

fn main() {}
