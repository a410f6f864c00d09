//! What is asked together is waited for, once; and nobody rests at the end.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

#[test]
fn a_batch_is_waited_for_until_it_ends() {
    let (bell, ended) = (Bell::default(), AtomicBool::new(false));
    bell.begin_batch();
    bell.begin_batch();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            bell.wait_for_batches(|| Instant::from_nanos(0));
            assert!(ended.load(Ordering::Acquire), "it did not wait");
        });
        let waits = || bell.heard().waits == Some(For::Batches);
        while !waits() && !waiter.is_finished() {
            thread::yield_now();
        }
        bell.end_batch();
        bell.ring();
        ended.store(true, Ordering::Release);
        bell.end_batch();
    });
    assert!(bell.is_rung() && !bell.heard().in_vain);
}

#[test]
fn a_batch_that_takes_long_is_waited_for_once() {
    let (bell, looks) = (Bell::default(), Cell::new(0));
    // Each look at the clock is one wait later.
    let now = || {
        looks.set(looks.get() + 1);
        Instant::from_nanos(0).saturating_add(BATCH_WAIT_MAX * looks.get())
    };
    bell.wait_for_batches(now);
    assert_eq!(looks.get(), 0, "there is none");
    bell.begin_batch();
    bell.wait_for_batches(now);
    let once = looks.get();
    assert!(once > 0 && bell.heard().in_vain);
    bell.wait_for_batches(now);
    assert_eq!(looks.get(), once, "it was waited for again");
    bell.end_batch();
    bell.begin_batch();
    bell.wait_for_batches(now);
    assert!(looks.get() > once, "the next one is waited for");
}

#[test]
fn a_stop_ends_a_rest() {
    let bell = Bell::default();
    thread::scope(|scope| {
        let committer = scope.spawn(|| bell.rest(Duration::from_secs(3600)));
        while bell.heard().waits != Some(For::Callers) {
            assert!(!committer.is_finished(), "it did not rest");
            thread::yield_now();
        }
        bell.ring();
        bell.stop();
    });
    bell.rest(Duration::from_secs(3600));
    assert!(bell.is_rung() && bell.heard().stop);
}
