//! A service that would have state.

#[nigh::service]
pub trait Payments {
    async fn charge(&mut self, cents: u64) -> u64;
}

fn main() {
    let _ = PaymentsRef::any().charge(5);
}
