//! An `async fn`.

#[nigh_sim::test]
async fn moves_money(sim: &mut nigh_sim::Sim) {
    let _ = sim;
}

fn main() {}
