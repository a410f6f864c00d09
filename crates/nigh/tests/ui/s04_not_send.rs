//! A future that cannot move between threads.

#[nigh::service]
pub trait Payments {
    async fn charge(&self, cents: u64) -> u64;
}

struct Fake;
impl Payments for Fake {
    async fn charge(&self, cents: u64) -> u64 {
        let kept = std::rc::Rc::new(cents);
        std::future::ready(()).await;
        *kept
    }
}

fn main() {
    let _ = PaymentsRef::any().charge(5);
}
