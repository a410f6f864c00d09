//! An argument that cannot travel.

#[nigh::service]
pub trait Payments {
    async fn charge(&self, card: &str) -> u64;
}

struct Fake;
impl Payments for Fake {
    async fn charge(&self, card: &str) -> u64 {
        card.len() as u64
    }
}

fn main() {
    let _: Box<dyn Payments> = Fake.into();
    let _ = PaymentsRef::any().charge("visa");
}
