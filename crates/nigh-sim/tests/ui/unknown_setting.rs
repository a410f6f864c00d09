//! A setting that is not there.

#[nigh_sim::test(seed = 5)]
fn moves_money(sim: &mut nigh_sim::Sim) {
    let _ = sim;
}

fn main() {}
