//! A small application under everything a plan can do, as a user would write it.

#![allow(unreachable_pub, reason = "the methods of an entity are public, and this is a test")]

use std::time::Duration;

use nigh::prelude::*;
use nigh_sim::{Durable, Sim, trips};

#[derive(Debug, Default, State)]
struct Counter {
    count: u64,
    taken: u64,
    ever: u64,
}

/// Counts.
#[nigh::entity(key = String)]
impl Counter {
    /// One more.
    fn increment(&mut self) -> u64 {
        self.count += 1;
        self.ever += 1;
        self.count
    }
    /// Takes some, if there are so many.
    fn take(&mut self, most: u64) -> Result<u64, u64> {
        self.count = self.count.checked_sub(most).ok_or(self.count)?;
        self.taken += most;
        Ok(self.count)
    }
    /// How many.
    fn count(&self) -> u64 {
        self.count
    }
}

fn adds_up(durable: &Durable<'_>) -> bool {
    durable.all::<Counter>().all(|(_, counter)| counter.count + counter.taken == counter.ever)
}

#[nigh_sim::test]
fn counters_count(sim: &mut Sim) {
    sim.app(|| nigh::App::new("counter").entity::<Counter>());
    sim.clients(3, |mut client| async move {
        for _ in client.times(20) {
            let key = *client.pick(&["a", "b", "c"]);
            match client.draw(5) {
                0 => drop(client.call(Counter::at(key).count()).await),
                1 => {
                    let most = client.draw(3);
                    drop(client.call(Counter::at(key).take(most)).await);
                }
                2 => drop(client.call(Counter::at(key).increment()).within(Duration::from_millis(300)).await),
                3 => {
                    let key_of_try = format!("{}", client.draw(6));
                    drop(client.call(Counter::at(key).increment()).once(key_of_try).await);
                }
                _ => drop(client.call(Counter::at(key).increment()).await),
            }
            let pause = Duration::from_millis(client.draw(60));
            client.sleep(pause).await;
        }
    });
    sim.always("what was counted is there or was taken", adds_up);
    sim.budget(Counter::at("a").increment(), trips(1).bytes(400));
}
