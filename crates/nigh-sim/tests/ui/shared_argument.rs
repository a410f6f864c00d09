//! A simulation that cannot change.

#[nigh_sim::test]
fn moves_money(sim: &nigh_sim::Sim) {
    let _ = sim;
}

fn main() {}
