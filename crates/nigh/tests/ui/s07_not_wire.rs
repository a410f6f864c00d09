//! An argument of a type without a wire form.

pub struct Money(u64);

#[nigh::service]
pub trait Payments {
    async fn charge(&self, money: Money) -> u64;
}

struct Fake;
impl Payments for Fake {
    async fn charge(&self, money: Money) -> u64 {
        money.0
    }
}

fn main() {
    let _: Box<dyn Payments> = Fake.into();
}
