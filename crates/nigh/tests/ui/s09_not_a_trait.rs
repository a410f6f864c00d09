//! A service that is no trait.

#[nigh::service]
pub struct Payments;

fn main() {}
