//! A service method that cannot wait.

#[nigh::service]
pub trait Payments {
    fn charge(&self, cents: u64) -> u64;
    async fn fee(&self) -> u64;
}

struct Fake;
impl Payments for Fake {
    fn charge(&self, cents: u64) -> u64 {
        cents
    }
    async fn fee(&self) -> u64 {
        1
    }
}

fn main() {
    let _: Box<dyn Payments> = Fake.into();
    let _ = PaymentsRef::any().charge(5);
}
