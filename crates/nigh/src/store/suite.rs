//! What a store must do to be one: run [`all`] on it.
//!
//! - [`Subject`] is what a store's author writes: how to make one, end it, crash it.
//! - [`CASES`] are the promises, one function each; a broken one panics and says what was broken.
//! - [`random`] plays thousands of operations on the store and on a model beside it.
//!
//! The suite knows nothing of how a store keeps its bytes: damage, power loss and full disks are for its own tests.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use nigh_proto::shards::{Epoch, Position, ShardId};

use super::{APPENDS_MAX, Append, Fenced, GroupId, Head, LogEntry, Opened, RowWrite, StoreError, StoredRow};

mod model;

pub use model::random;

/// A store under test.
pub trait Subject {
    /// A new, empty store.
    fn fresh(&mut self, shards: u32) -> Opened;
    /// Ends it as a planned stop does, and opens it again.
    fn restart(&mut self, opened: Opened) -> Opened;
    /// Ends it as `kill -9` does, and opens it again.
    fn crash(&mut self, opened: Opened) -> Opened;
}

/// A promise, to be called with a store under test.
pub type Case = fn(&mut dyn Subject);

/// Every promise, by name.
pub const CASES: &[(&str, Case)] = &[
    ("an append is accepted only at its epoch and position", append_only_at_its_place),
    ("a fenced shard fails alone", fenced_alone),
    ("taking up fences the owner before, for good", take_up_fences),
    ("the log is read as it was written, after any end", tail_is_what_was_appended),
    ("a group holds as many blobs as it may", largest_group),
    ("a cut removes what is swept and nothing else", cut_keeps_what_is_needed),
    ("a cut goes with the appends that follow it", cut_rides_along),
    ("heads outlive the groups that moved them", heads_outlive_their_groups),
    ("a row is read as it was written last", rows_are_what_was_written),
    ("rows are scanned in key order, within their shard", scan_is_in_order),
    ("the highest position only rises", high_only_rises),
];

/// Checks every promise, then `operations` random ones.
///
/// # Panics
///
/// A promise is broken.
pub fn all(subject: &mut dyn Subject, operations: u32) {
    for (_, case) in CASES {
        case(subject);
    }
    random(subject, 1, operations);
}

/// A blob whose content tells where it belongs.
fn append(shard: u32, head: Head, records: u64) -> Append {
    let blob = Bytes::from(format!("blob {shard} {} {}", head.epoch.0, head.next.0));
    let next = Position(head.next.0 + records);
    Append { shard: ShardId(shard), epoch: head.epoch, first: head.next, next, blob }
}

/// What the log must hold once `append` is durable in `group`.
fn entry(group: GroupId, append: &Append) -> LogEntry {
    let Append { shard, epoch, first, next, blob } = append.clone();
    LogEntry { group, shard, epoch, first, next, blob }
}

fn tail(opened: &Opened) -> Vec<LogEntry> {
    let mut entries = Vec::new();
    opened.log.tail(&|_| true, &mut |entry| entries.push(entry)).expect("the log is sound");
    entries
}

fn take_up(opened: &mut Opened, shards: u32) -> Vec<Head> {
    let shards: Vec<_> = (0..shards).map(ShardId).collect();
    opened.log.take_up(&shards).expect("the store works")
}

/// Appends one group that must be accepted whole.
fn accept(opened: &mut Opened, group: &[Append]) -> Vec<LogEntry> {
    let appended = opened.log.append(group).expect("the store works");
    assert!(appended.items.iter().all(Result::is_ok), "refused: {:?}", appended.items);
    let number = appended.group.expect("something was written");
    group.iter().map(|append| entry(number, append)).collect()
}

/// R8: on condition of epoch and position, both.
fn append_only_at_its_place(subject: &mut dyn Subject) {
    let mut opened = subject.fresh(2);
    take_up(&mut opened, 2);
    let mut head = take_up(&mut opened, 2)[0];
    accept(&mut opened, &[append(0, head, 3)]);
    head.next.0 += 3;
    let before = tail(&opened);
    for (epoch, next) in [(2, 2), (2, 4), (2, 0), (1, 3), (3, 3), (0, 3), (1, 2), (2, u64::MAX - 9)] {
        let wrong = Head { epoch: Epoch(epoch), next: Position(next) };
        let appended = opened.log.append(&[append(0, wrong, 1)]).expect("the store works");
        assert_eq!(appended.items, [Err(Fenced { head })], "epoch {epoch}, position {next}");
        assert_eq!(appended.group, None, "a group without a blob was written");
    }
    assert_eq!(tail(&opened), before, "a fenced blob was written");
    accept(&mut opened, &[append(0, head, 1)]);

    let mut opened = subject.fresh(1);
    let nobody = opened.log.append(&[append(0, Head::default(), 1)]).expect("the store works");
    assert_eq!(nobody.items, [Err(Fenced { head: Head::default() })], "a shard that nobody took up");
}

/// R8: a stale owner of one shard holds up nobody else. Blobs of one shard in a group follow one another.
fn fenced_alone(subject: &mut dyn Subject) {
    let mut opened = subject.fresh(3);
    let heads = take_up(&mut opened, 3);
    let stale = Head { epoch: Epoch(9), ..heads[1] };
    let second = Head { next: Position(2), ..heads[2] };
    let group = [append(0, heads[0], 1), append(1, stale, 1), append(2, heads[2], 2), append(2, second, 1)];
    let appended = opened.log.append(&group).expect("the store works");
    let number = appended.group.expect("three were written");
    assert_eq!(appended.items, [Ok(()), Err(Fenced { head: heads[1] }), Ok(()), Ok(())]);
    let right = [entry(number, &group[0]), entry(number, &group[2]), entry(number, &group[3])];
    assert_eq!(tail(&opened), right);
    let opened = subject.crash(opened);
    assert_eq!(tail(&opened), right);
}

/// R8: a new epoch first, also for its old owner; from then on the old one is refused, after any end.
/// R7: and a view under the old one is told so.
fn take_up_fences(subject: &mut dyn Subject) {
    let mut opened = subject.fresh(2);
    let old = take_up(&mut opened, 2);
    assert_eq!(old, [Head { epoch: Epoch(1), next: Position(0) }; 2]);
    assert!(!opened.log.still_mine(ShardId(0), Epoch(0)), "epoch 0 is nobody's");
    accept(&mut opened, &[append(0, old[0], 5)]);
    let mut head = Head { epoch: Epoch(1), next: Position(5) };
    for end in [Subject::restart, Subject::crash] {
        opened = end(subject, opened);
        assert!(opened.log.still_mine(ShardId(0), head.epoch), "nobody took it up");
        let new = opened.log.take_up(&[ShardId(0)]).expect("the store works")[0];
        assert_eq!(new, Head { epoch: Epoch(head.epoch.0 + 1), next: head.next });
        assert!(!opened.log.still_mine(ShardId(0), head.epoch));
        assert!(opened.log.still_mine(ShardId(0), new.epoch) && opened.log.still_mine(ShardId(1), Epoch(1)));
        let late = opened.log.append(&[append(0, head, 1)]).expect("the store works");
        assert_eq!(late.items, [Err(Fenced { head: new })], "the old owner was heard");
        accept(&mut opened, &[append(0, new, 1)]);
        head = Head { epoch: new.epoch, next: Position(new.next.0 + 1) };
    }
}

fn tail_is_what_was_appended(subject: &mut dyn Subject) {
    let mut opened = subject.fresh(8);
    assert_eq!(tail(&opened), [], "a new log is empty");
    let mut log = Vec::new();
    for round in 0..6_u64 {
        let mut heads = take_up(&mut opened, 8);
        for size in 1..=8 {
            let shards = (0..size).map(|i| (i * 5 + round as u32) % 8);
            let group: Vec<_> = shards.map(|s| append(s, heads[s as usize], u64::from(s % 3))).collect();
            group.iter().for_each(|append| heads[append.shard.0 as usize].next = append.next);
            let next = opened.log.next_group();
            log.extend(accept(&mut opened, &group));
            assert_eq!(log.last().map(|entry| entry.group), Some(next), "a number was left out");
        }
        assert_eq!(tail(&opened), log);
        let of = |shard: ShardId| shard.0 % 3 == 1;
        let mut part = Vec::new();
        opened.log.tail(&of, &mut |entry| part.push(entry)).expect("the log is sound");
        assert!(
            part.iter().eq(log.iter().filter(|entry| of(entry.shard))),
            "blobs of other shards, or not all"
        );
        opened = if round % 2 == 0 { subject.crash(opened) } else { subject.restart(opened) };
        assert_eq!(tail(&opened), log);
    }
    let empty = Append { blob: Bytes::new(), ..append(0, take_up(&mut opened, 1)[0], 0) };
    log.extend(accept(&mut opened, &[empty]));
    let large = Bytes::from(vec![7; 3 << 20]);
    let large = Append { blob: large, ..append(1, take_up(&mut opened, 2)[1], 1) };
    log.extend(accept(&mut opened, &[large]));
    let opened = subject.crash(opened);
    assert_eq!(tail(&opened), log);
}

fn largest_group(subject: &mut dyn Subject) {
    let mut opened = subject.fresh(1);
    let mut head = take_up(&mut opened, 1)[0];
    let mut group = Vec::new();
    for _ in 0..APPENDS_MAX {
        group.push(append(0, head, 1));
        head.next.0 += 1;
    }
    let log = accept(&mut opened, &group);
    assert_eq!(tail(&opened), log);
    let opened = subject.crash(opened);
    assert_eq!(tail(&opened), log);
}

/// `count` groups of one blob each, on shards in turn.
fn groups(opened: &mut Opened, shards: u32, count: u32) -> Vec<LogEntry> {
    let mut heads = take_up(opened, shards);
    let mut log = Vec::new();
    for i in 0..count {
        let head = &mut heads[(i % shards) as usize];
        log.extend(accept(opened, &[append(i % shards, *head, 1)]));
        head.next.0 += 1;
    }
    log
}

fn cut_keeps_what_is_needed(subject: &mut dyn Subject) {
    let mut opened = subject.fresh(3);
    let log = groups(&mut opened, 3, 20);
    let too_far = opened.log.cut(GroupId(6));
    assert!(matches!(too_far, Err(StoreError::NotSwept { .. })), "cut without a sweep: {too_far:?}");
    opened.rows.swept(GroupId(6)).expect("the store works");
    let too_far = opened.log.cut(GroupId(7));
    assert!(matches!(too_far, Err(StoreError::NotSwept { .. })), "cut beyond the sweep: {too_far:?}");
    opened = subject.crash(opened);
    let size_before = opened.log.size_bytes();
    opened.log.cut(GroupId(6)).expect("swept so far, also before the crash");
    opened.log.cut(GroupId(2)).expect("a lower one changes nothing");
    opened.log.cut_now().expect("the store works");
    assert!(opened.log.size_bytes() < size_before, "nothing went");
    for end in [Subject::crash, Subject::restart] {
        assert_eq!(tail(&opened), log[5..], "group 6 and above are needed, those below are gone");
        opened = end(subject, opened);
    }
}

fn cut_rides_along(subject: &mut dyn Subject) {
    let mut opened = subject.fresh(1);
    let mut log = groups(&mut opened, 1, 30);
    let size = opened.log.size_bytes() / 30 + 1;
    opened.rows.swept(GroupId(21)).expect("the store works");
    opened.log.cut(GroupId(21)).expect("swept");
    log.extend(groups(&mut opened, 1, 1).into_iter().map(|entry| LogEntry { group: GroupId(31), ..entry }));
    opened = subject.crash(opened);
    assert_eq!(tail(&opened), log[20..], "the cut is durable with the next append");
    for i in 0..40 {
        let head = opened.log.take_up(&[ShardId(0)]).expect("the store works")[0];
        log.extend(accept(&mut opened, &[append(0, head, 1)]));
        if i % 7 == 0 {
            opened = subject.crash(opened);
        }
    }
    assert_eq!(tail(&opened), log[20..]);
    let kept = opened.log.size_bytes();
    assert!(
        kept <= 51 * (size + 2),
        "{kept} bytes of 51 groups of {size}: those below the cut are still there"
    );
    opened.rows.swept(GroupId(72)).expect("the store works");
    opened.log.cut(opened.log.next_group()).expect("all is swept");
    opened.log.cut_now().expect("the store works");
    assert_eq!((tail(&opened), opened.log.size_bytes()), (vec![], 0));
}

fn heads_outlive_their_groups(subject: &mut dyn Subject) {
    let mut opened = subject.fresh(4);
    groups(&mut opened, 4, 10);
    let next = opened.log.next_group();
    opened.rows.swept(next).expect("the store works");
    opened.log.cut(next).expect("swept");
    opened.log.cut_now().expect("the store works");
    for end in [Subject::crash, Subject::restart] {
        opened = end(subject, opened);
        assert_eq!(opened.log.next_group(), next, "numbers go on");
        assert_eq!(tail(&opened), []);
    }
    let positions: Vec<_> = take_up(&mut opened, 4).iter().map(|head| (head.epoch.0, head.next.0)).collect();
    assert_eq!(positions, [(2, 3), (2, 3), (2, 2), (2, 2)]);
}

fn row(shard: u32, key: &str, position: u64, value: Option<&str>) -> RowWrite {
    let value = value.map(|value| Bytes::copy_from_slice(value.as_bytes()));
    RowWrite {
        shard: ShardId(shard),
        key: Bytes::copy_from_slice(key.as_bytes()),
        position: Position(position),
        value,
    }
}

/// A store with two shards of ten records each, so that rows of these positions are not ahead of the log.
fn with_records(subject: &mut dyn Subject) -> Opened {
    let mut opened = subject.fresh(2);
    let heads = take_up(&mut opened, 2);
    accept(&mut opened, &[append(0, heads[0], 10), append(1, heads[1], 10)]);
    opened
}

fn rows_are_what_was_written(subject: &mut dyn Subject) {
    let mut opened = with_records(subject);
    let steps: [(RowWrite, Option<(u64, &str)>); 7] = [
        (row(0, "ea", 3, Some("one")), Some((3, "one"))),
        (row(0, "ea", 4, Some("another, longer")), Some((4, "another, longer"))),
        (row(1, "ea", 1, Some("the other shard's")), Some((1, "the other shard's"))),
        (row(0, "ea", 5, Some("")), Some((5, ""))),
        (row(0, "", 5, Some("no key")), Some((5, "no key"))),
        (row(0, "ea", 6, None), None),
        (row(0, "never there", 6, None), None),
    ];
    for (i, (write, right)) in steps.into_iter().enumerate() {
        opened.rows.write(std::slice::from_ref(&write)).expect("the store works");
        opened = if i % 2 == 0 { subject.crash(opened) } else { opened };
        let read = opened.rows.read(write.shard, &write.key).expect("the row is sound");
        let right = right.map(|(position, value)| StoredRow {
            position: Position(position),
            value: Bytes::copy_from_slice(value.as_bytes()),
        });
        assert_eq!(read, right, "step {i}");
    }
    let twice = [row(0, "et", 1, Some("a")), row(0, "et", 2, Some("b")), row(0, "eu", 2, Some("c"))];
    opened.rows.write(&twice).expect("the store works");
    opened.rows.write(&[]).expect("nothing is little");
    let opened = subject.restart(opened);
    let read = |key: &[u8]| opened.rows.read(ShardId(0), key).expect("the row is sound").map(|row| row.value);
    assert_eq!([read(b"et"), read(b"eu"), read(b"e")], [Some("b".into()), Some("c".into()), None]);
}

/// Shard, prefix, from, limit, the keys that must come.
type ScanRow = (u32, &'static str, Bound<&'static [u8]>, usize, &'static str);

fn scan_is_in_order(subject: &mut dyn Subject) {
    let opened = with_records(subject);
    let rows: Vec<_> =
        ["t1", "ed", "eb", "e", "ea", "f", "eaa"].iter().map(|key| row(0, key, 1, Some(key))).collect();
    opened.rows.write(&rows).expect("the store works");
    opened.rows.write(&[row(1, "ea", 2, Some("x")), row(1, "", 2, Some("y"))]).expect("the store works");
    let opened = subject.restart(opened);
    #[rustfmt::skip] // Rows are read as columns.
    let cases: [ScanRow; 12] = [
        (0, "",   Bound::Unbounded,         99, "e ea eaa eb ed f t1"),
        (0, "e",  Bound::Unbounded,         99, "e ea eaa eb ed"),
        (0, "e",  Bound::Unbounded,          2, "e ea"),
        (0, "e",  Bound::Unbounded,          0, ""),
        (0, "e",  Bound::Excluded(b"ea"),   99, "eaa eb ed"),
        (0, "e",  Bound::Included(b"ea"),    2, "ea eaa"),
        (0, "ea", Bound::Excluded(b"e"),    99, "ea eaa"),   // Before the prefix: from its start.
        (0, "ea", Bound::Excluded(b"eb"),   99, ""),         // Behind the prefix.
        (0, "e",  Bound::Excluded(b"ec"),   99, "ed"),       // Not a row.
        (0, "x",  Bound::Unbounded,         99, ""),
        (1, "",   Bound::Unbounded,         99, " ea"),
        (1, "",   Bound::Excluded(b""),     99, "ea"),
    ];
    for (shard, prefix, from, limit, right) in cases {
        let mut keys = Vec::new();
        let mut each = |key: &[u8], row: StoredRow| {
            assert!(shard == 1 || row.value == key, "the value of another key");
            keys.push(String::from_utf8(key.to_vec()).expect("keys here are text"));
        };
        opened.rows.scan(ShardId(shard), prefix.as_bytes(), from, limit, &mut each).expect("rows are sound");
        assert_eq!(keys.join(" "), right, "shard {shard}, prefix {prefix:?}, from {from:?}, limit {limit}");
    }
}

fn high_only_rises(subject: &mut dyn Subject) {
    let mut opened = with_records(subject);
    assert_eq!(opened.rows.high().expect("it is sound"), BTreeMap::new());
    #[rustfmt::skip] // Rows are read as columns.
    let steps = [
        (row(0, "ea", 3, Some("a")), [Some(3), None]),
        (row(0, "eb", 2, Some("b")), [Some(3), None]),
        (row(1, "ea", 0, Some("c")), [Some(3), Some(0)]),
        (row(0, "ea", 7, None),      [Some(7), Some(0)]), // Removals too.
        (row(1, "ex", 9, None),      [Some(7), Some(9)]),
    ];
    for (i, (write, right)) in steps.into_iter().enumerate() {
        opened.rows.write(&[write]).expect("the store works");
        opened = if i % 2 == 0 { opened } else { subject.crash(opened) };
        let high = opened.rows.high().expect("it is sound");
        assert_eq!([0, 1].map(|shard| high.get(&ShardId(shard)).map(|high| high.0)), right, "step {i}");
    }
}
