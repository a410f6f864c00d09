//! A service nobody implements.

#[nigh::service]
pub trait Payments {
    async fn charge(&self, cents: u64) -> u64;
}

struct Nothing;

fn main() {
    let _: Box<dyn Payments> = Nothing.into();
}
