//! A service with something else than methods.

#[nigh::service]
pub trait Payments {
    type Card;
    async fn fee(&self) -> u64;
}

fn main() {
    let _ = PaymentsRef::any().fee();
}
