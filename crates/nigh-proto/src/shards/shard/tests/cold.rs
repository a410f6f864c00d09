//! What is in the state file alone: when a row may go, and that it is read again before it is needed.

use super::*;
use crate::calls::callee::Arrival;
use crate::calls::{DEADLINE_MAX, FUTURE_MAX, RETENTION};
use crate::shards::record::RanOutcome;
use crate::shards::row::{TableEntry, TableKey, TableRow};

fn call(caller: u128, number: u64, key: Option<&str>) -> Arrival {
    let id = CallId { caller: CallerId(caller), number, birth: world::START };
    let order = match key {
        Some(_) => Order::Free,
        None => Order::After { after: 0, known: Known::default() },
    };
    let (entity, method, on) = (Arc::from("E"), Arc::from("m"), Bytes::from_static(b"x"));
    let (fingerprint, keyed) = (Fingerprint(7), key.map(keyed));
    Arrival { id, entity, key: on, method, fingerprint, order, keyed, commutes: false }
}

fn open(rows: Vec<(TableKey, TableRow)>) -> Shard<u32> {
    Shard::open(ShardId(0), Epoch(1), rows, Time::EPOCH, Position(0)).expect("rows are good")
}

fn permit(shard: &mut Shard<u32>, arrival: Arrival, clock: Time) -> Permit<u32> {
    match shard.admit(clock, arrival, 0) {
        Admission::Run(permit) => permit,
        other => panic!("{other:?}"),
    }
}

fn finished() -> Finished {
    let outcome = RanOutcome::Ok(Bytes::from_static(b"1"));
    Finished { outcome, redo: Bytes::new(), deleted: false, seed: None, others: vec![] }
}

fn run(shard: &mut Shard<u32>, arrival: Arrival) {
    let permit = permit(shard, arrival, world::START);
    shard.finish(permit, finished());
    sync(shard, world::START);
}

fn sync(shard: &mut Shard<u32>, clock: Time) {
    while shard.poll_append(clock).is_some() {
        shard.handle_appended();
    }
    while shard.poll_release().is_some() {}
}

/// All that changed, as it is in the state file then.
fn written(shard: &mut Shard<u32>) -> Vec<(TableKey, TableRow)> {
    let rows = shard.dirty_rows(1000);
    shard.rows_written();
    rows.into_iter().filter_map(|(key, row)| Some((key, row?))).collect()
}

/// What was read for it, of these rows.
fn of(missing: &Missing, rows: &[(TableKey, TableRow)]) -> Vec<(TableKey, TableRow)> {
    let mine = |key: &TableKey| match key {
        TableKey::Keyed(key) => missing.keyed.as_ref() == Some(key),
        key => key.caller().is_some() && key.caller() == missing.caller,
    };
    rows.iter().filter(|(key, _)| mine(key)).cloned().collect()
}

/// R12, R14: until the state file is known to have a row, memory is the only place.
#[test]
fn a_row_goes_once_it_is_written() {
    let mut shard = open(vec![]);
    let (plain, keyed) = (call(1, 1, None), call(2, 1, Some("o")));
    run(&mut shard, plain.clone());
    run(&mut shard, keyed.clone());
    shard.let_go(1000, true);
    assert_eq!((shard.missing(&plain), shard.missing(&keyed)), (None, None), "not written");
    let rows = shard.dirty_rows(1000);
    shard.let_go(1000, true);
    assert_eq!((shard.missing(&plain), shard.missing(&keyed)), (None, None), "on its way");
    shard.rows_written();
    assert_eq!(rows.len(), 5, "a record and a mark, a record and its key, the time");
    assert!(matches!(shard.admit(world::START, plain.clone(), 0), Admission::Queued(_)), "it is told again");
    shard.let_go(1000, false);
    assert_eq!(shard.missing(&plain), None, "it was asked for of late");
    shard.let_go(1000, false);
    assert!(shard.missing(&plain).is_some() && shard.missing(&keyed).is_some());
    assert_eq!((shard.counters().records, shard.counters().rows), (0, 4));
}

/// R12: a key whose row is not here is looked for, and found or not.
#[test]
fn a_key_is_read_before_it_decides() {
    let mut shard = open(vec![]);
    run(&mut shard, call(1, 1, Some("o")));
    let rows = written(&mut shard);
    shard.let_go(1000, true);
    for (number, key, heard) in [(1, "o", "told"), (2, "p", "runs")] {
        let again = call(2, number, Some(key));
        let missing = shard.missing(&again).expect("its key is not here");
        assert_eq!(shard.load(&missing, of(&missing, &rows)), Ok(true));
        assert_eq!(shard.missing(&again), None);
        let told = match shard.admit(world::START, again, 0) {
            Admission::Queued(_) => "told",
            Admission::Run(permit) => {
                shard.finish(permit, finished());
                "runs"
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(told, heard, "{key}");
    }
}

/// What was read while something was let go may be what that was before.
#[test]
fn rows_that_are_old_by_now_are_read_again() {
    let mut shard = open(vec![]);
    run(&mut shard, call(1, 1, Some("o")));
    let rows = written(&mut shard);
    shard.let_go(1000, true);
    let missing = shard.missing(&call(2, 1, Some("p"))).expect("nothing is here");
    let other = shard.missing(&call(3, 1, Some("p"))).expect("nothing is here");
    assert_eq!(shard.load(&other, of(&other, &rows)), Ok(true));
    run(&mut shard, call(3, 1, Some("p")));
    let rows = written(&mut shard);
    shard.let_go(1000, true);
    assert_eq!(shard.load(&missing, vec![]), Ok(false), "it was read before `p` ran");
    let missing = shard.missing(&call(2, 1, Some("p"))).expect("still");
    assert_eq!(shard.load(&missing, of(&missing, &rows)), Ok(true));
    assert!(matches!(shard.admit(world::START, call(2, 1, Some("p")), 0), Admission::Queued(_)));
}

/// A caller stays while a method runs for it, also one that was given up.
#[test]
fn a_caller_stays_while_its_method_runs() {
    let mut shard = open(vec![]);
    run(&mut shard, call(1, 1, None));
    written(&mut shard);
    let permit = permit(&mut shard, call(1, 2, None), world::START);
    shard.let_go(1000, true);
    assert_eq!(shard.missing(&call(1, 1, None)), None);
    shard.give_up_stuck(&permit.watch(), Cause::Stuck);
    sync(&mut shard, world::START);
    written(&mut shard);
    shard.let_go(1000, true);
    assert_eq!(shard.missing(&call(1, 1, None)), None, "it may come back");
    shard.finish(permit, finished());
    sync(&mut shard, world::START);
    shard.let_go(1000, true);
    assert!(shard.missing(&call(1, 1, None)).is_some());
}

/// R12, R16: what is in the state file alone is dropped when it is too old, and not a moment earlier.
#[test]
fn what_is_too_old_is_found_by_a_walk() {
    let mut shard = open(vec![]);
    run(&mut shard, call(1, 1, Some("o")));
    let rows = written(&mut shard);
    shard.let_go(1000, true);
    assert!(!shard.wants_walk());
    let ages = [(RETENTION, 0), (RETENTION + FUTURE_MAX + DEADLINE_MAX, 1)];
    for (age, gone) in ages {
        for late in [false, true] {
            let clock = world::START.saturating_add(age + Duration::from_nanos(u64::from(late)));
            let commuting = Arrival { commutes: true, ..call(9, 1, None) };
            let young = Arrival { id: CallId { birth: clock, ..commuting.id }, ..commuting };
            if let Some(missing) = shard.missing(&young) {
                assert_eq!(shard.load(&missing, vec![]), Ok(true));
            }
            let permit = permit(&mut shard, young, clock);
            shard.finish(permit, finished());
            sync(&mut shard, clock);
            if shard.wants_walk() {
                shard.walk(rows[..1].to_vec(), false);
                shard.walk(rows[1..].to_vec(), true);
            }
            let rows = shard.dirty_rows(1000);
            shard.rows_written();
            let keys = rows.iter().filter(|(key, row)| row.is_none() && matches!(key, TableKey::Keyed(_)));
            assert_eq!(keys.count(), gone * usize::from(late), "{age:?} {late}");
        }
    }
    assert_eq!(shard.counters().rows, 0);
}

/// R11: beyond the limit what needs a row of its own is refused, and nothing is dropped for it.
#[test]
fn rows_are_bounded() {
    let count = TableRow { position: Position(0), entry: TableEntry::Count(ROWS_MAX - 3) };
    let mut shard = open(vec![(TableKey::Count, count)]);
    shard.is_part([CallerId(1), CallerId(2)]);
    let new_key = |shard: &mut Shard<u32>, call: &Arrival| {
        let missing = shard.missing(call).expect("the key is not here");
        assert_eq!(shard.load(&missing, vec![]), Ok(true));
    };
    new_key(&mut shard, &call(1, 1, Some("o")));
    run(&mut shard, call(1, 1, Some("o")));
    let known = Known { floor: 1, doubts: vec![] };
    let ordered = |caller, number| {
        let order = Order::After { after: 0, known: known.clone() };
        Arrival { order, ..call(caller, number, None) }
    };
    run(&mut shard, ordered(2, 2));
    assert_eq!(shard.counters().rows, ROWS_MAX + 2, "a record and its key; a record, a mark and a floor");
    new_key(&mut shard, &call(1, 2, Some("p")));
    let refused = |admission| matches!(admission, Admission::Refused(_, Refusal::Overloaded { .. }));
    assert!(refused(shard.admit(world::START, call(1, 2, Some("p")), 0)), "a keyed call");
    assert!(refused(shard.admit(world::START, ordered(1, 2), 0)), "a caller without a floor");
    run(&mut shard, ordered(2, 3));
}

/// A row that is none of what was asked for is damage, or a driver's mistake.
#[test]
fn rows_of_others_are_refused() {
    let mut shard = open(vec![]);
    run(&mut shard, call(1, 1, None));
    let rows = written(&mut shard);
    shard.let_go(1000, true);
    let missing = shard.missing(&call(2, 1, None)).expect("its caller is not here");
    let key = rows.iter().find(|(key, _)| key.caller().is_some()).expect("it has rows").0.clone();
    assert_eq!(shard.load(&missing, rows), Err(Corrupt::Row(key)));
}

/// A caller that was looked for and left nothing behind counts while it is here, and goes.
#[test]
fn callers_without_rows_count_and_go() {
    let mut shard = open(vec![]);
    shard.is_part([]);
    for caller in 0..100 {
        let missing = shard.missing(&call(caller, 1, None)).expect("it was never here");
        assert_eq!(shard.load(&missing, vec![]), Ok(true));
    }
    assert!(shard.tables_size() >= 100 * 24, "{} bytes", shard.tables_size());
    assert_eq!(shard.rows_here(), 100);
    shard.let_go(1000, false);
    shard.let_go(1000, false);
    assert_eq!((shard.rows_here(), shard.tables_size()), (0, 0));
}
