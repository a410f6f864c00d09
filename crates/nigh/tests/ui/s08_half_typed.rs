//! A method half typed: the others stay on the handle.

#[nigh::service]
pub trait Payments {
    async fn charge(&self, cents: ) -> u64;
    async fn fee(&self) -> u64;
}

fn main() {
    let _ = PaymentsRef::any().fee();
}
