//! A counter per key, on disk, over HTTP: the program of the README, word for word below this line.

use nigh::{App, State};

#[derive(Default, State)]
pub struct Counter {
    count: u32,
}

#[nigh::entity(key = String)]
impl Counter {
    pub fn add(&mut self, n: u32) -> u32 {
        self.count = self.count.saturating_add(n);
        self.count
    }
    pub fn value(&self) -> u32 {
        self.count
    }
}

#[tokio::main]
async fn main() -> nigh::Result {
    App::new("counter").entity::<Counter>().door(nigh_gate::http()).run().await
}
