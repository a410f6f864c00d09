//! Names under way: one at a time, as many names as the bound, and none left behind.

use std::time::Duration;

use nigh::perform::Identity;
use tokio::time::Instant;

use crate::clock::now;

use super::{Delayed, FLIGHTS_MAX, Flights, Name};

fn name(text: &str) -> Name {
    Name::of(&Identity::Once(text.into()), "Counter", "add", &None).expect("named")
}
fn soon() -> Instant {
    now() + Duration::from_secs(1)
}

#[tokio::test(start_paused = true)]
async fn a_second_one_waits_for_the_first() {
    let flights = Flights::default();
    let first = flights.start(name("a"), soon()).await.expect("nothing is under way");
    assert_eq!(flights.start(name("a"), soon()).await.err(), Some(Delayed::UnderWay));
    flights.start(name("b"), soon()).await.expect("another name");
    let due = soon();
    let waiting = async { flights.start(name("a"), due).await.map(|_| now()) };
    let landing = async {
        tokio::task::yield_now().await;
        drop(first);
    };
    let (waited, ()) = tokio::join!(waiting, landing);
    assert!(waited.expect("the first has landed") < due);
    assert!(flights.open.lock().expect("no panic").is_empty(), "nothing is left behind");
}

#[tokio::test(start_paused = true)]
async fn names_are_bounded() {
    let flights = Flights::default();
    let mut open = vec![];
    for i in 0..FLIGHTS_MAX {
        open.push(flights.start(name(&i.to_string()), soon()).await.expect("within the bound"));
    }
    assert_eq!(flights.start(name("more"), soon()).await.err(), Some(Delayed::Full));
    open.pop();
    flights.start(name("more"), soon()).await.expect("one has landed");
}

/// An idempotency key stands for a call of one method of one entity, an id for itself.
#[test]
fn names_tell_calls_apart() {
    let once = Identity::Once("order".into());
    let id: nigh_wire::CallId = "nigh1.0000000000000000000000000000000a.1.5".parse().expect("an id");
    let a = |identity: &Identity, of, method, key: &'static str| {
        Name::of(identity, of, method, &Some(key.into()))
    };
    assert_eq!(a(&Identity::Fresh, "Counter", "add", "ada"), None);
    assert_eq!(a(&once, "Counter", "add", "ada"), a(&once, "Counter", "add", "ada"));
    assert_ne!(a(&once, "Counter", "add", "ada"), a(&once, "Counter", "add", "eve"));
    assert_ne!(a(&once, "Counter", "add", "ada"), a(&once, "Counter", "sub", "ada"));
    assert_ne!(a(&once, "Counter", "add", "ada"), a(&once, "Wallet", "add", "ada"));
    assert_eq!(a(&Identity::Id(id), "Counter", "add", "ada"), a(&Identity::Id(id), "Wallet", "sub", "eve"));
}
