//! Stored bytes: they are read back as written, in whatever number, and stay as they are.

use nigh_wire::CallerId;

use super::*;
use crate::calls::request::Known;

fn id() -> CallId {
    CallId { caller: CallerId(1), number: 2, birth: Time::from_nanos(3) }
}

fn ran() -> Ran {
    Ran {
        id: Some(id()),
        time: Time::from_nanos(4),
        fingerprint: Fingerprint(5),
        entity: "E".into(),
        key: Bytes::from_static(b"k"),
        method: "m".into(),
        order: Order::After { after: 1, known: Known { floor: 1, doubts: vec![1] } },
        keyed: None,
        outcome: RanOutcome::Ok(Bytes::from_static(b"v")),
        redo: Bytes::from_static(b"r"),
        deleted: false,
        seed: Some(6),
        staged: vec![],
        timers: vec![],
        others: vec![Other { entity: "F".into(), key: "l".into(), redo: "s".into() }],
    }
}

fn records() -> Vec<Record> {
    let known = Known { floor: 7, doubts: vec![2] };
    let again = Again {
        id: id(),
        fingerprint: Fingerprint(5),
        outcome: RanOutcome::Err(Bytes::new()),
        known: known.clone(),
    };
    let Ran { time, fingerprint, entity, key, method, .. } = ran();
    let keyed = Some(Keyed { principal: String::new(), key: "o".into() });
    let cause = Cause::Fenced;
    let stone = Tombstone { id: id(), time, entity, key, method, fingerprint, keyed, cause, known };
    vec![Record::Ran(ran()), Record::Tombstone(stone), Record::Again(again), Record::Bye(id()), Record::Tick]
}

/// A change here is a change of the store's format version.
#[test]
#[rustfmt::skip] // A line is a record.
fn stored_bytes_stay() {
    let blob = Blob { time: Time::from_nanos(9), first: Position(300), records: records() };
    let (id, five) = ([&1u128.to_le_bytes()[..], &[2, 3]].concat(), 5u64.to_le_bytes());
    let expected = [
        &[9, 172, 2, 5][..],
        &[0, 1], &id, &[4], &five, &[1, b'E', 1, b'k', 1, b'm', 1, 1, 1, 1, 1, 0, 0, 1, b'v', 1, b'r', 0, 1, 6, 0, 0,
          1, 1, b'F', 1, b'l', 1, b's'],
        &[1], &id, &[4, 1, b'E', 1, b'k', 1, b'm'], &five, &[1, 0, 1, b'o', 1, 7, 1, 2],
        &[2], &id, &five, &[1, 0, 7, 1, 2],
        &[3], &id,
        &[4],
    ].concat();
    assert_eq!(blob.to_bytes(), expected);
    assert_eq!(Blob::from_bytes(&blob.to_bytes()), Ok(blob));
}

/// What is read of them for entities is what stands in them.
#[test]
fn changes_are_those_of_the_records() {
    let other = Ran {
        id: None,
        order: Order::Free,
        keyed: Some(Keyed { principal: "p".into(), key: "o".into() }),
        outcome: RanOutcome::Err(Bytes::from_static(b"an error")),
        redo: Bytes::from_static(b"longer"),
        deleted: true,
        seed: None,
        staged: vec![Bytes::from_static(b"staged")],
        timers: vec![Bytes::new(), Bytes::from_static(b"timer")],
        others: vec![],
        ..ran()
    };
    let records = [records(), vec![Record::Ran(other)], records()].concat();
    let places = (300..).map(Position);
    let changes = places.zip(&records).filter_map(|(position, record)| {
        let Record::Ran(Ran { entity, key, redo, deleted, others, .. }) = record else { return None };
        let (key, redo, others) = (key.clone(), redo.clone(), others.clone());
        Some(Change { position, entity, key, redo, deleted: *deleted, others })
    });
    let expected: Vec<Change<'_>> = changes.collect();
    let blob = Blob { time: Time::from_nanos(9), first: Position(300), records: records.clone() }.to_bytes();
    assert_eq!(Blob::changes(&blob), Ok(expected));
    for end in 0..blob.len() {
        assert!(Blob::changes(&blob.slice(..end)).is_err(), "cut at {end}");
    }
    let longer = [&blob[..], &[4]].concat();
    assert_eq!(Blob::changes(&longer.into()), Err(DecodeError::Rest));
}

/// Records far smaller in bytes than in memory are read back, however many they are.
#[test]
fn many_small_records_are_read() {
    let small = Ran { id: None, order: Order::Free, ..ran() };
    for record in [Record::Ran(small), Record::Bye(id()), Record::Tick] {
        let blob = Blob { time: Time::EPOCH, first: Position(0), records: vec![record; 10_000] };
        assert_eq!(Blob::from_bytes(&blob.to_bytes()).as_ref(), Ok(&blob));
    }
}

#[test]
fn bytes_that_are_no_blob_are_refused() {
    let blob = Blob { time: Time::EPOCH, first: Position(0), records: records() }.to_bytes();
    for end in 0..blob.len() {
        assert!(Blob::from_bytes(&blob.slice(..end)).is_err(), "cut at {end}");
    }
    let longer = [&blob[..], &[4]].concat();
    assert_eq!(Blob::from_bytes(&longer.into()), Err(DecodeError::Rest));
    let count = [0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1];
    assert!(Blob::from_bytes(&Bytes::copy_from_slice(&count)).is_err(), "a count is not believed");
}
