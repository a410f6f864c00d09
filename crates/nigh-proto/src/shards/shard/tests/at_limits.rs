//! Each limit, at it and one beyond. R11: what is refused is one copy, and nothing is forgotten early.

use super::*;
use crate::shards::record::RanOutcome;

fn call(caller: u128, number: u64, order: Order) -> Arrival {
    let id = CallId { caller: CallerId(caller), number, birth: world::START };
    let (entity, method) = (Arc::from("E"), Arc::from("m"));
    let (fingerprint, key) = (Fingerprint(number), Bytes::from_static(b"x"));
    Arrival { id, entity, key, method, fingerprint, order, keyed: None, commutes: false }
}

fn open() -> Shard<u32> {
    Shard::open(ShardId(0), Epoch(1), [], Time::EPOCH, Position(0)).expect("no rows")
}

/// Runs a call that returns so many bytes and changes so many; gives false if it was refused as overloaded.
fn run(shard: &mut Shard<u32>, call: Arrival, value: usize, redo: usize) -> bool {
    let (outcome, redo) = (RanOutcome::Ok(Bytes::from(vec![7; value])), Bytes::from(vec![7; redo]));
    match shard.admit(world::START, call, 0) {
        Admission::Run(permit) => {
            shard.finish(permit, Finished { outcome, redo, deleted: false, seed: None, others: vec![] })
        }
        Admission::Refused(_, Refusal::Overloaded { .. }) => return false,
        other => panic!("{other:?}"),
    }
    true
}

fn sync(shard: &mut Shard<u32>) {
    while shard.poll_append(world::START).is_some() {
        shard.handle_appended();
    }
    while shard.poll_release().is_some() {}
}

#[test]
fn log_that_waits_is_bounded() {
    let mut shard = open();
    let head = {
        assert!(run(&mut shard, call(1, 1, Order::Free), 0, 1 << 20));
        shard.counters().pending_size - (1 << 20)
    };
    assert!(run(&mut shard, call(1, 2, Order::Free), 0, PENDING_SIZE_MAX - (1 << 20) - 2 * head - 1 - 1));
    assert!(shard.counters().pending_size < PENDING_SIZE_MAX);
    assert!(run(&mut shard, call(1, 3, Order::Free), 0, 0), "one byte is left");
    assert!(!run(&mut shard, call(1, 4, Order::Free), 0, 0), "and now none");
    assert!(shard.poll_append(world::START).is_some());
    assert!(!run(&mut shard, call(1, 4, Order::Free), 0, 0), "what is under way counts");
    shard.handle_appended();
    assert!(run(&mut shard, call(1, 4, Order::Free), 0, 0));
}

#[test]
fn tables_are_bounded_and_settling_has_a_reserve() {
    let mut shard = open();
    let row = {
        assert!(run(&mut shard, call(1, 1, Order::Free), 0, 0));
        shard.counters().records_size
    };
    assert!(run(&mut shard, call(1, 2, Order::Free), TABLES_SIZE_MAX - 2 * row - 1, 0));
    sync(&mut shard);
    assert_eq!(shard.counters().records_size, TABLES_SIZE_MAX - 1);
    assert!(run(&mut shard, call(1, 3, Order::Free), SETTLE_SIZE_MAX - TABLES_SIZE_MAX - row, 0));
    sync(&mut shard);
    assert_eq!(shard.counters().records_size, SETTLE_SIZE_MAX - 1);
    assert!(!run(&mut shard, call(1, 4, Order::Free), 0, 0), "calls are refused");
    let ask = |shard: &mut Shard<u32>, number| {
        shard.settle(world::START, &world::ticket(&call(1, number, Order::Free)), false, 0).is_ok()
    };
    assert!(ask(&mut shard, 4), "one byte is left to settle a doubt");
    assert!(!ask(&mut shard, 5), "and now none");
    assert!(ask(&mut shard, 1) && ask(&mut shard, 4), "what is recorded is told");
}

#[test]
fn callers_are_bounded() {
    let mut shard = open();
    let known = Known { floor: 1, doubts: vec![] };
    let order = || Order::After { after: 0, known: known.clone() };
    for caller in 0..CALLERS_MAX as u128 {
        assert!(run(&mut shard, call(caller, 2, order()), 0, 0));
    }
    sync(&mut shard);
    assert_eq!(shard.counters().floors, CALLERS_MAX);
    assert!(!run(&mut shard, call(u128::MAX, 2, order()), 0, 0), "a new caller is refused");
    assert!(run(&mut shard, call(3, 3, order()), 0, 0), "one that is known is not");
    assert!(run(&mut shard, call(u128::MAX, 2, Order::Free), 0, 0), "nor one without a floor");
}

/// R14: whatever a peer lists, 64 doubts are kept, and the floor stops below the next.
#[test]
fn doubts_are_bounded() {
    let mut shard = open();
    for (doubts, floor, kept) in [(64, 100, 64), (65, 64, 64)] {
        let known = Known { floor: 100, doubts: (1..=doubts).rev().collect() };
        let caller = 7 + u128::from(doubts);
        assert!(run(&mut shard, call(caller, 200, Order::After { after: 0, known }), 0, 0));
        let row = shard.tables.rows().remove(&TableKey::Floor(CallerId(caller))).expect("it has a floor");
        let crate::shards::row::TableEntry::Floor(entry) = row else { panic!("{row:?}") };
        assert_eq!((entry.known.floor, entry.known.doubts.len()), (floor, kept));
    }
}
