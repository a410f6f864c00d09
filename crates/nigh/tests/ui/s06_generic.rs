//! A service with parameters.

#[nigh::service]
pub trait Payments<T> {
    async fn charge(&self, cents: u64) -> T;
}

fn main() {}
